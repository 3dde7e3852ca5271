import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { replyCode } from '../../src/core/reply-code.ts';
import { receiveContext } from '../middleware/contexts.ts';

test('what the bus refuses keeps its code, what a handler throws is HANDLER_FAILED', () => {
  const refused = receiveContext({ pattern: 'request' });
  const handled = receiveContext({ pattern: 'request', subscription: 'price.tick' });
  handled.handled = true;
  const overflow = new BusError('OVERFLOW', 'test');
  assert.equal(replyCode(overflow, refused), 'OVERFLOW');
  assert.equal(replyCode(new Error('test'), refused), 'REJECTED');
  assert.equal(replyCode(new Error('test'), handled), 'HANDLER_FAILED');
  assert.equal(replyCode(overflow, handled), 'HANDLER_FAILED', 'a failure of a request of its own');
});

test('a handler that says what the bus has told it says it in the name of the bus', () => {
  const ctx = receiveContext({ pattern: 'request', subscription: 'price.tick' });
  ctx.handled = true;
  ctx.cancel(new BusError('CANCELLED', 'test'));
  assert.equal(replyCode(ctx.signal.reason, ctx), 'CANCELLED');
  assert.equal(replyCode(new BusError('CANCELLED', 'another'), ctx), 'HANDLER_FAILED');
});

test('the fallback of a topic that nobody answers, and a reply that has no encoding', () => {
  const ctx = receiveContext({ pattern: 'request' });
  ctx.handled = true;
  assert.equal(replyCode(new BusError('NO_HANDLER', 'test'), ctx), 'NO_HANDLER');
  assert.equal(replyCode(new BusError('SERIALIZE_FAILED', 'test', { topic: ctx.topic }), ctx), 'SERIALIZE_FAILED');
});
