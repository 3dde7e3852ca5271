import assert from 'node:assert/strict';
import { test } from 'node:test';
import { receiveContext } from '../middleware/contexts.ts';

test('the id names epoch, topic and sequence, also where messages of two publishers alternate', () => {
  const ids = [36, 37, 36, 2 ** 47].map((epoch) => receiveContext({ epoch, topic: 'a.b', sequence: 5 }).id);
  assert.deepEqual(ids, ['10.a.b.5', '11.a.b.5', '10.a.b.5', `${(2 ** 47).toString(36)}.a.b.5`]);
});

test('the id is that of the header where there is one, and empty where the wire brings no epoch', () => {
  assert.equal(receiveContext({ epoch: 36, headers: { 'message-id': 'mine' } }).id, 'mine');
  assert.equal(receiveContext({ epoch: 0 }).id, '');
});
