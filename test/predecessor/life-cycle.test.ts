/** The life of a bus: ready in place of `sleep(0.1)`, `cleanup(cancel_running=True)`. Time is a clock of the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageBus } from '../../src/message-bus.ts';
import { memory, memoryHub } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { actor, FREE, addressOf, overZeromq, SpyTransport, watched } from './stage.ts';

test('ready() resolves once the subscriptions of a bus have arrived, not before', async (t) => {
  const { bus } = overZeromq(t, { endpoints: { publish: { bind: FREE } } });
  await bus.ready();
  const seen: unknown[] = [];
  const other = overZeromq(t, { endpoints: { subscribe: { connect: [await addressOf(bus, 'publish')] } } });
  other.bus.subscribe('price.tick', ({ body }) => seen.push(body));
  const ready = other.bus.ready();
  // Too early by design: nothing has connected yet.
  await bus.publish('price.tick', 'too early');
  await bounded(ready, 'ready()');
  await bus.publish('price.tick', 'first');
  await until(() => seen.includes('first'), 'the first message after ready()');
});

test('ready() also waits for the peers of request and push, and rejects with NOT_READY naming what has none', async (t) => {
  const hub = memoryHub();
  const { bus } = actor(t, {
    transport: memory({ hub }),
    pushTimeoutMs: 20,
    requestTimeoutMs: 20,
    failedSocketCooldownMs: 0,
  });
  await Promise.allSettled([bus.push(1), bus.request(1)]);
  await assert.rejects(bus.ready({ timeoutMs: 10 }), (error: Error & { code?: string; hint?: string }) => {
    assert.equal(error.code, 'NOT_READY');
    assert.match(error.message, /push tcp:\/\/127.0.0.1:5556: .*request tcp:\/\/127.0.0.1:5557: /);
    assert.match(String(error.hint), /Start the peers/);
    return true;
  });
  const ready = bus.ready();
  const serving = actor(t, { transport: memory({ hub }) });
  serving.bus.pull();
  serving.bus.respond();
  await bounded(ready, 'ready()');
});

test('ready({ topic, subscribers }) is the side of the publisher: it binds at once and waits for so many', async (t) => {
  const { bus } = overZeromq(t, { endpoints: { publish: { bind: FREE } } });
  const ready = watched(bus.ready({ topic: 'price.tick', subscribers: 2 }));
  const address = await addressOf(bus, 'publish');
  const join = async (topic: string): Promise<void> => {
    const joining = overZeromq(t, { endpoints: { subscribe: { connect: [address] } } });
    joining.bus.subscribe(topic, () => undefined);
    await joining.bus.ready();
  };
  await join('price.tick');
  await join('another.topic');
  await turns(20);
  assert.equal(ready.outcome, 'pending');
  await join('price.*');
  await until(() => ready.outcome === 'resolved', 'ready()');
});

test('close() lets running handlers finish, and a handler that finishes may still send', async (t) => {
  const hub = memoryHub();
  const results: unknown[] = [];
  const collecting = actor(t, { transport: memory({ hub }) });
  collecting.bus.pull('>', ({ body }) => results.push(body));
  const { bus } = actor(t, { transport: memory({ hub }), publish: true });
  const gate = new Gate();
  let started = false;
  bus.subscribe('job', async () => {
    started = true;
    await gate.opened;
    await bus.push('finished');
  });
  await bus.ready();
  await bus.publish('job', 1);
  await until(() => started, 'the handler');
  const closing = watched(bus.close());
  await turns(20);
  assert.equal(closing.outcome, 'pending');
  gate.open();
  await until(() => closing.outcome === 'resolved', 'close()');
  await until(() => results.length === 1, 'the result');
  assert.deepEqual(await bus.close(), { undelivered: 0, cancelled: 0, byTopic: {} });
});

for (const [options, limitMs] of [
  [{}, 5000],
  [{ timeoutMs: 300 }, 300],
] as const) {
  const title = limitMs === 5000 ? 'after 5000 ms by default' : 'after timeoutMs';
  test(`close() aborts the signal of what still runs ${title}, and says how many`, async (t) => {
    const clock = new FakeClock();
    const { bus } = actor(t, { clock, publish: true });
    const signals: AbortSignal[] = [];
    const run = ({ signal }: { signal: AbortSignal }): Promise<void> => {
      signals.push(signal);
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
    };
    bus.subscribe('a', run);
    bus.pull('b', run);
    await bus.ready();
    await bus.publish('a', 1);
    await bus.push('b', 1);
    await until(() => signals.length === 2, 'both handlers');
    const closing = bus.close(options);
    await clock.pass(limitMs - 10, limitMs / 20);
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false, false],
    );
    await clock.pass(20);
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, true],
    );
    assert.deepEqual(await bounded(closing, 'close()'), { undelivered: 0, cancelled: 2, byTopic: {} });
  });
}

test('close({ cancelRunning: false }) waits for the handlers, however long, and aborts nothing', async (t) => {
  const clock = new FakeClock();
  const { bus } = actor(t, { clock });
  const gate = new Gate();
  let signal: AbortSignal | undefined;
  bus.pull('>', (message) => {
    signal = message.signal;
    return gate.opened;
  });
  await bus.push(1);
  await until(() => signal !== undefined, 'the handler');
  const closing = watched(bus.close({ timeoutMs: 300, cancelRunning: false }));
  await clock.pass(60_000, 5000);
  assert.deepEqual([closing.outcome, signal!.aborted], ['pending', false]);
  gate.open();
  await until(() => closing.outcome === 'resolved', 'close()');
  assert.deepEqual(await bus.close(), { undelivered: 0, cancelled: 0, byTopic: {} });
});

test('close() lets queues leave for up to timeoutMs, then says what was not delivered, by topic', async (t) => {
  const clock = new FakeClock();
  const spy = new SpyTransport();
  spy.stuck = new Set(['publish']);
  const { bus } = actor(t, { clock, transport: spy.transport, pushTimeoutMs: 60_000 });
  for (const topic of ['a', 'b', 'a']) await bus.publish(topic, 1);
  const pushed = watched(bus.push('c', 1));
  const closing = bus.close({ timeoutMs: 300 });
  const seen = watched(closing);
  await clock.pass(280, 20);
  assert.equal(seen.outcome, 'pending');
  await clock.pass(40);
  assert.deepEqual(await bounded(closing, 'close()'), { undelivered: 4, cancelled: 0, byTopic: { a: 2, b: 1, c: 1 } });
  assert.equal(pushed.outcome, 'CLOSED');
  assert.equal(bus.metrics().outbound_dropped, 4);
});

test('close() is idempotent, and a closed bus refuses calls and subscriptions with CLOSED', async (t) => {
  const { bus } = actor(t, { publish: true });
  bus.pull();
  await bus.ready();
  const first = bus.close();
  assert.equal(bus.close(), first);
  assert.deepEqual(await first, { undelivered: 0, cancelled: 0, byTopic: {} });
  for (const call of [bus.publish('a', 1), bus.push(1), bus.request(1), bus.ready()]) {
    await assert.rejects(call, { code: 'CLOSED' });
  }
  assert.throws(() => bus.subscribe('a'), { code: 'CLOSED' });
  assert.throws(() => bus.messages('a'), { code: 'CLOSED' });
});

test('close() ends the loops over messages()', async (t) => {
  const { bus } = actor(t, { publish: true });
  const messages = bus.messages('a');
  await bus.ready();
  const next = messages.next();
  await bus.close();
  assert.deepEqual(await bounded(next, 'the end of the loop'), { done: true, value: undefined });
});

test('await using closes the bus at the end of its scope', async () => {
  let left: MessageBus;
  {
    await using bus = new MessageBus('scoped', { transport: memory(), publish: true });
    await bus.ready();
    assert.equal(bus.metrics().active_connections, 1);
    left = bus;
  }
  assert.equal(left.metrics().active_connections, 0);
  await assert.rejects(left.publish('a', 1), { code: 'CLOSED' });
});
