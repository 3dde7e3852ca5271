import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { turns } from '../support/fake-clock.ts';
import { memoryBus } from '../support/memory-bus.ts';

test('a subscription tells its pattern and its endpoints', (t) => {
  const { bus } = memoryBus(t, { endpoints: { subscribe: { connect: ['memory://a', 'memory://b'] } } });
  const { pattern, endpoints } = bus.subscribe('price.*', () => {});
  assert.equal(pattern, 'price.*');
  assert.deepEqual(endpoints, ['memory://a', 'memory://b']);
});

test('after close() nothing reaches its handler, and the others go on', async (t) => {
  const { bus } = memoryBus(t);
  const got: string[] = [];
  const first = bus.subscribe('a', () => got.push('first'));
  bus.subscribe('a', () => got.push('second'));
  await bus.ready();
  await bus.publish('a', 1);
  await until(() => got.length === 2, 'both');
  await first.close();
  await bus.publish('a', 2);
  await until(() => got.length === 3, 'the other one');
  await turns();
  assert.deepEqual(got, ['first', 'second', 'second']);
});

test('close() is idempotent and takes back only its own handler, also when two are alike', async (t) => {
  const { bus } = memoryBus(t);
  let got = 0;
  const handler = (): number => got++;
  const [first] = [bus.subscribe('a', handler), bus.subscribe('a', handler)];
  await bus.ready();
  await first.close();
  await first.close();
  await bus.publish('a', 1);
  await until(() => got > 0, 'the other one');
  await turns();
  assert.equal(got, 1);
});

test('the last one to close closes the socket; with the next one there is a new socket', async (t) => {
  const { bus } = memoryBus(t);
  const open = (): string[] => bus.describe().links.map(({ pattern, state }) => `${pattern} ${state}`);
  const [first, second] = [bus.subscribe('a', () => {}), bus.subscribe('b', () => {})];
  await bus.ready();
  await first.close();
  assert.deepEqual(open(), ['publish open', 'subscribe open']);
  await bounded(second.close(), 'the socket');
  assert.deepEqual(open(), ['publish open']);
  assert.equal(bus.metrics().active_connections, 1);
  bus.subscribe('a', () => {});
  await bus.ready();
  assert.deepEqual(open(), ['publish open', 'subscribe open']);
});

test('await using takes the handler back at the end of its block', async (t) => {
  const { bus } = memoryBus(t);
  let got = 0;
  {
    await using subscription = bus.subscribe('a', () => got++);
    assert.equal(subscription.pattern, 'a');
    await bus.ready();
    await bus.publish('a', 1);
    await until(() => got === 1, 'the message');
  }
  await bus.publish('a', 2);
  await turns(10);
  assert.equal(got, 1);
});

test('a handler may close its own subscription: it handles one message and no more', async (t) => {
  const { bus } = memoryBus(t);
  const got: unknown[] = [];
  const once = bus.subscribe('a', async ({ body }) => {
    got.push(body);
    await once.close();
  });
  await bus.ready();
  await bus.publish('a', 1);
  await until(() => got.length === 1, 'the first');
  await turns(10);
  await bus.publish('a', 2);
  await turns(10);
  assert.deepEqual(got, [1]);
});

test('closing one that is still opening is fine', async (t) => {
  const { bus } = memoryBus(t, { publish: false });
  await bounded(bus.subscribe('a', () => {}).close(), 'the close');
  assert.deepEqual(bus.describe().links, []);
  assert.equal(bus.metrics().active_connections, 0);
});

test('patterns and handlers that make no sense are errors at once', (t) => {
  const { bus } = memoryBus(t);
  for (const pattern of ['', 'a..b', '>.a', 'a*', '_tb.x', 'a\u0000b']) {
    assert.throws(() => bus.subscribe(pattern, () => {}), /^BusError: INVALID_TOPIC/, JSON.stringify(pattern));
    assert.throws(() => bus.respond(pattern, () => 1), /^BusError: INVALID_TOPIC/, JSON.stringify(pattern));
  }
  assert.throws(
    () => bus.pull('a', 'no function' as never),
    /^TypeError: Expected the handler to be a function, got string/,
  );
});

test('a limit of what may wait needs a limit of what runs: without it nothing ever waits', (t) => {
  const { bus } = memoryBus(t);
  const wrong = /^TypeError: Expected `concurrency` to be given where `maxQueued` or `overflow` is/;
  assert.throws(() => bus.subscribe('a', () => {}, { maxQueued: 5 }), wrong);
  assert.throws(() => bus.subscribe('a', () => {}, { overflow: 'drop-oldest' }), wrong);
  assert.throws(() => bus.respond('a', () => 1, { maxQueued: 5 }), wrong);
  assert.ok(bus.messages('a', { maxQueued: 5, overflow: 'drop-oldest' }), 'a loop takes one at a time anyway');
});
