import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HEARTBEAT_PREFIX, SubscriptionTable } from '../../../src/transports/zeromq/subscription-table.ts';

const subscribe = (prefix: string): Buffer => Buffer.from(`\u0001${prefix}`);
const unsubscribe = (prefix: string): Buffer => Buffer.from(`\u0000${prefix}`);

const unbounded = (): SubscriptionTable => new SubscriptionTable(Infinity, () => assert.fail('none is refused'));

it('counts who asks for a prefix, and tells each change with the count after it', () => {
  const table = unbounded();
  const frames = [subscribe('a\0'), subscribe('a\0'), unsubscribe('a\0'), unsubscribe('a\0')];
  assert.deepEqual(
    frames.map((frame) => table.apply(frame)),
    [
      { kind: 'subscribe', prefix: 'a\0', count: 1 },
      { kind: 'subscribe', prefix: 'a\0', count: 2 },
      { kind: 'unsubscribe', prefix: 'a\0', count: 1 },
      { kind: 'unsubscribe', prefix: 'a\0', count: 0 },
    ],
  );
});

it('matches topics as libzmq does: by the bytes of the topic and its terminator', () => {
  const table = unbounded();
  for (const prefix of ['', 'price.', 'price.tick\0', 'price.ticker\0', 'größe.', 'gr']) table.apply(subscribe(prefix));
  const counts = ['price.tick', 'price.ticker', 'price', 'pricey.tick', 'größe.x', 'other'].map((topic) => [
    topic,
    table.matching(topic),
  ]);
  assert.deepEqual(Object.fromEntries(counts), {
    'price.tick': 3,
    'price.ticker': 3,
    price: 1,
    'pricey.tick': 1,
    'größe.x': 3,
    other: 1,
  });
});

it('forgets an answer when a subscription changes', () => {
  const table = unbounded();
  assert.equal(table.matching('a'), 0);
  table.apply(subscribe('a\0'));
  assert.equal(table.matching('a'), 1);
  table.apply(unsubscribe('a\0'));
  assert.equal(table.matching('a'), 0);
});

it('takes no notice of other frames and of an end without a beginning', () => {
  const table = unbounded();
  const frames = [Buffer.alloc(0), Buffer.from('user message'), unsubscribe('a\0')];
  assert.deepEqual(
    frames.map((frame) => table.apply(frame)),
    [undefined, undefined, undefined],
  );
});

it('refuses prefixes that are too long or too many, tells of each, and has room again when one ends', () => {
  let refused = 0;
  const table = new SubscriptionTable(2, () => {
    refused += 1;
  });
  for (const prefix of ['a', 'b', 'a']) assert.ok(table.apply(subscribe(prefix)));
  for (const prefix of ['c', 'd', 'x'.repeat(1024)]) assert.equal(table.apply(subscribe(prefix)), undefined);
  assert.equal(refused, 3);
  assert.equal(table.count('c'), 0);
  // The end of one that was refused, and of one that was not.
  assert.equal(table.apply(unsubscribe('c')), undefined);
  assert.ok(table.apply(unsubscribe('b')));
  assert.ok(table.apply(subscribe('c')));
  assert.ok(table.apply(subscribe(HEARTBEAT_PREFIX)), 'by which native subscribers are counted');
  assert.equal(refused, 3);
  assert.deepEqual([table.count('a'), table.count('c')], [2, 1]);
});
