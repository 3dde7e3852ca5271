import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { encodeTopicFrame } from '../../../src/core/topic-frame.ts';
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

/** The first frame of what is published on a topic, as bytes. */
const frameOf = (table: SubscriptionTable, topic: string): string =>
  Buffer.from(table.routeOf(topic)?.frame ?? encodeTopicFrame(topic)).toString('latin1');

it('routes a topic by the longest prefix that was asked for, and by its own name when that is it', () => {
  const table = unbounded();
  assert.equal(frameOf(table, 'price.tick'), '', 'nobody has asked: who asks for everything comes later');
  for (const prefix of ['price.', 'price.t', 'größe.', 'price.last\0']) table.apply(subscribe(prefix));
  assert.deepEqual(
    ['price.tick', 'price.last', 'price.laster', 'price', 'größe.x', 'other'].map((topic) => frameOf(table, topic)),
    ['price.t', 'price.last\0', 'price.', '', Buffer.from('größe.').toString('latin1'), ''],
  );
  assert.equal(table.routeOf('price.last'), undefined);
});

it('answers the same route for topics that go to the same sockets, and another one for others', () => {
  const table = unbounded();
  for (const prefix of ['price.', 'price.x.']) table.apply(subscribe(prefix));
  assert.equal(table.routeOf('price.a'), table.routeOf('price.b'));
  assert.notEqual(table.routeOf('price.a'), table.routeOf('price.x.a'));
  assert.equal(table.routeOf('a'), table.routeOf('b'));
});

it('knows no route of topics by the subscriptions of the bus itself', () => {
  const table = unbounded();
  const before = table.routeOf('price.a');
  for (const prefix of [HEARTBEAT_PREFIX, '_tb.ready.x\0']) table.apply(subscribe(prefix));
  assert.equal(table.routeOf('price.a'), before);
});

it('keeps a route when its last subscription has ended', () => {
  const table = unbounded();
  for (const frame of [subscribe(''), subscribe('price.'), unsubscribe('price.')]) table.apply(frame);
  assert.equal(frameOf(table, 'price.tick'), 'price.');
  assert.equal(table.matching('price.tick'), 1, 'which is not counted');
});

it('sends every topic by its own name once there are more prefixes than it keeps account of', () => {
  const table = new SubscriptionTable(2, () => undefined);
  for (const prefix of ['a.', 'b.']) table.apply(subscribe(prefix));
  assert.equal(frameOf(table, 'a.x'), 'a.');
  assert.equal(table.apply(subscribe('a.x\0')), undefined, 'refused, so nobody knows who asks for it');
  assert.deepEqual([frameOf(table, 'a.x'), frameOf(table, 'other')], ['a.x\0', 'other\0']);
  table.apply(unsubscribe('a.'));
  assert.equal(frameOf(table, 'a.y'), 'a.y\0', 'for good');
});

it('is not made to take a topic from anybody by the end of a subscription that was not its own', () => {
  const table = unbounded();
  table.apply(subscribe('price.'));
  // libzmq passes on what any peer says.
  table.apply(unsubscribe('price.'));
  assert.ok('price.\0'.startsWith(frameOf(table, 'price.tick')) && frameOf(table, 'price.tick') !== '');
});

it('gives to each socket what it asks for, nothing else, and no hole, however late it learns of subscriptions', () => {
  // Few of each, so that they meet.
  const topics = ['a.b', 'a.b.c', 'ab'];
  const prefixes = ['', 'a', 'a.', 'a.b\0', 'ab\0'];
  const act = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        does: fc.constant('toggle' as const),
        socket: fc.nat(1),
        prefix: fc.constantFrom(...prefixes),
      }),
    },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('learn' as const), count: fc.nat(2) }) },
    { weight: 5, arbitrary: fc.record({ does: fc.constant('publish' as const), topic: fc.constantFrom(...topics) }) },
  );
  fc.assert(
    fc.property(fc.array(act, { minLength: 20, maxLength: 80 }), (acts) => {
      const table = unbounded();
      // What libzmq knows, and what of that the table has not read.
      const sockets = [new Set<string>(), new Set<string>()];
      const unread: { frame: Buffer; socket: Set<string>; prefix: string }[] = [];
      // Who gets which topic since when, by which prefix: from the first record on every one, until the prefix ends.
      const begun = new Map<Set<string>, Set<string>>(sockets.map((socket) => [socket, new Set()]));
      for (const one of acts) {
        if (one.does === 'toggle') {
          const socket = sockets[one.socket]!;
          const isNew = !socket.delete(one.prefix);
          if (isNew) socket.add(one.prefix);
          else
            for (const key of begun.get(socket)!) if (key.startsWith(`${one.prefix}|`)) begun.get(socket)!.delete(key);
          unread.push({ frame: (isNew ? subscribe : unsubscribe)(one.prefix), socket, prefix: one.prefix });
        } else if (one.does === 'learn') {
          for (const { frame } of unread.splice(0, one.count)) table.apply(frame);
        } else {
          const frame = frameOf(table, one.topic);
          for (const socket of sockets) {
            const wants = [...socket].filter((prefix) => `${one.topic}\0`.startsWith(prefix));
            const gets = [...socket].filter((prefix) => frame.startsWith(prefix));
            if (wants.length === 0) assert.deepEqual(gets, [], 'what was not asked for');
            const known = wants.filter(
              (prefix) => !unread.some((news) => news.socket === socket && news.prefix === prefix),
            );
            if (known.length > 0) assert.ok(gets.length > 0, `${one.topic} by ${JSON.stringify(frame)}`);
            for (const prefix of wants) {
              const key = `${prefix}|${one.topic}`;
              if (frame.startsWith(prefix)) begun.get(socket)!.add(key);
              else assert.ok(!begun.get(socket)!.has(key), `a hole in ${one.topic} for ${JSON.stringify(prefix)}`);
            }
          }
        }
      }
    }),
    { numRuns: 2000 },
  );
});
