import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../src/core/receive-context.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { turns } from '../support/fake-clock.ts';
import { memoryBus } from '../support/memory-bus.ts';

/** The body of the next message. */
async function bodyOf(next: Promise<IteratorResult<Message, unknown>>): Promise<unknown> {
  const { done, value } = await next;
  assert.equal(done, false);
  return value.body;
}

test('for await gets the events of a pattern in their order, until it leaves the loop', async (t) => {
  const { bus } = memoryBus(t);
  const stream = bus.messages('a.*');
  await bus.ready();
  for (let index = 0; index < 5; index++) await bus.publish('a.b', index);
  const got: unknown[] = [];
  for await (const { body } of stream) {
    got.push(body);
    if (got.length === 3) break;
  }
  assert.deepEqual(got, [0, 1, 2]);
  await until(() => bus.stats().in_flight_handlers === 0, 'what was not looked at to be let go');
  assert.deepEqual(
    bus.describe().links.map(({ pattern }) => pattern),
    ['publish'],
    'the subscription is closed',
  );
});

test('a message counts as being handled until the loop asks for the next, so that a slow loop is back-pressure', async (t) => {
  const { bus } = memoryBus(t, { hwmInbound: 2 });
  const stream = bus.messages('a');
  await bus.ready();
  for (let index = 0; index < 6; index++) await bus.publish('a', index);
  assert.equal(await bodyOf(stream.next()), 0);
  await turns(20);
  assert.equal(bus.stats().in_flight_handlers, 2);
  for (let index = 1; index < 6; index++) assert.equal(await bodyOf(stream.next()), index);
  await turns();
  assert.equal(bus.stats().in_flight_handlers, 1, 'the last one is still in the loop');
  await stream.return!();
  await until(() => bus.stats().in_flight_handlers === 0, 'its end');
});

test('the signal ends the loop, also one that waits', async (t) => {
  const { bus } = memoryBus(t);
  const abort = new AbortController();
  const stream = bus.messages('a', { signal: abort.signal });
  await bus.ready();
  const waiting = stream.next();
  abort.abort();
  assert.deepEqual(await bounded(waiting, 'the end'), { done: true, value: undefined });
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test('a signal that is aborted already gives a loop that never begins, and no subscription', async (t) => {
  const { bus } = memoryBus(t);
  const stream = bus.messages('a', { signal: AbortSignal.abort() });
  assert.equal((await stream.next()).done, true);
  assert.deepEqual(bus.describe().links, []);
});

test('a signal that outlives many loops keeps no listener of them', async (t) => {
  const { bus } = memoryBus(t);
  const abort = new AbortController();
  let listeners = 0;
  const add = abort.signal.addEventListener.bind(abort.signal);
  const remove = abort.signal.removeEventListener.bind(abort.signal);
  abort.signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  abort.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  for (let round = 0; round < 5; round++) await bus.messages('a', { signal: abort.signal }).return!();
  assert.equal(listeners, 0);
});

test('close() of the bus ends the loop', async (t) => {
  const { bus } = memoryBus(t);
  const stream = bus.messages('a');
  await bus.ready();
  const waiting = stream.next();
  await bus.close();
  assert.equal((await bounded(waiting, 'the end')).done, true);
});

test('close() waits for the message that the loop has in hand', async (t) => {
  const { bus } = memoryBus(t);
  const stream = bus.messages('a');
  await bus.ready();
  await bus.publish('a', 1);
  await stream.next();
  let closed = false;
  const closing = bus.close().then((report) => {
    closed = true;
    return report;
  });
  await turns(20);
  assert.equal(closed, false);
  await stream.next();
  assert.deepEqual(await bounded(closing, 'the close'), { undelivered: 0, cancelled: 0, byTopic: {} });
});

test('several calls of next() at once get a message each, in their order', async (t) => {
  const { bus } = memoryBus(t);
  const stream = bus.messages('a');
  await bus.ready();
  const calls = [stream.next(), stream.next(), stream.next()];
  for (let index = 0; index < 2; index++) await bus.publish('a', index);
  const firstTwo = calls.slice(0, 2).map(bodyOf);
  assert.deepEqual(await bounded(Promise.all(firstTwo), 'two of them'), [0, 1]);
  await stream.return!();
  assert.equal((await bounded(calls[2]!, 'the third')).done, true);
  await until(() => bus.stats().in_flight_handlers === 0, 'all of them to be let go');
});

test('drop-oldest keeps the newest for a slow loop', async (t) => {
  const { bus } = memoryBus(t);
  const stream = bus.messages('a', { maxQueued: 2, overflow: 'drop-oldest' });
  await bus.ready();
  await bus.publish('a', 0);
  const got = [await bodyOf(stream.next())];
  for (let index = 1; index < 10; index++) await bus.publish('a', index);
  await until(() => bus.metrics().inbound_dropped === 7, 'the overflow');
  for (let index = 0; index < 2; index++) got.push(await bodyOf(stream.next()));
  assert.deepEqual(got, [0, 8, 9]);
  await stream.return!();
});

test('two loops each get every message', async (t) => {
  const { bus } = memoryBus(t);
  const [first, second] = [bus.messages('a'), bus.messages('>')];
  await bus.ready();
  for (let index = 0; index < 3; index++) await bus.publish('a', index);
  const read = async (stream: AsyncIterableIterator<Message>): Promise<unknown[]> => {
    const got: unknown[] = [];
    for await (const { body } of stream) if (got.push(body) === 3) break;
    return got;
  };
  assert.deepEqual(await bounded(Promise.all([read(first), read(second)]), 'both'), [
    [0, 1, 2],
    [0, 1, 2],
  ]);
});
