import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BusError } from '../../src/core/errors.ts';
import { memory, memoryHub } from '../../src/transports/memory.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { closed, codeOf, codesTold, deferred, memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

const NOTHING = { undelivered: 0, cancelled: 0, byTopic: {} };

test('close() lets what is queued leave first', async (t) => {
  const transport = memory();
  const publisher = memoryBus(t, { transport });
  const other = memoryBus(t, { transport, publish: false });
  const got: unknown[] = [];
  other.bus.subscribe('>', ({ body }) => void got.push(body));
  await publisher.bus.ready({ topic: 'a', subscribers: 1 });
  for (let index = 0; index < 50; index++) void publisher.bus.publish('a', index);
  assert.deepEqual(await publisher.bus.close(), NOTHING);
  await until(() => got.length === 50, 'all of them');
});

test('close() waits for the steps of messages that were sent before it', async (t) => {
  const hold = deferred();
  const { bus } = memoryBus(t, {
    stack: [
      {
        name: 'slow',
        stage: 'payload',
        async send(_ctx, next) {
          await hold.promise;
          await next();
        },
      },
    ],
  });
  const call = codeOf(bus.publish('a', Buffer.from('1')));
  const closing = bus.close();
  await turns();
  hold.resolve();
  assert.deepEqual(await bounded(closing, 'the close'), NOTHING);
  assert.equal(await call, 'resolved');
  assert.equal(bus.metrics().messages_sent, 1);
});

test('close() waits for the handlers, and what they send while it waits still leaves', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport });
  const other = memoryBus(t, { transport, publish: false, endpoints: { subscribe: { connect: ['memory://events'] } } });
  const got: unknown[] = [];
  other.bus.subscribe('done', ({ body }) => void got.push(body));
  const hold = deferred();
  let started = 0;
  bus.subscribe('start', async () => {
    started++;
    await hold.promise;
    await bus.publish('done', 'finished');
  });
  await bus.ready({ topic: 'done', subscribers: 1 });
  await bus.publish('start', 1);
  await until(() => started === 1, 'the handler');
  const closing = bus.close();
  await turns(20);
  hold.resolve();
  assert.deepEqual(await bounded(closing, 'the close'), NOTHING);
  await until(() => got.length === 1, 'what the handler sent');
});

test('a handler that ends at once may close the bus: the rest of its packet is waited for', async (t) => {
  const { bus, told } = memoryBus(t);
  const hold = deferred();
  let closing: ReturnType<typeof bus.close> | undefined;
  let started = 0;
  const sent: unknown[] = [];
  bus.subscribe('a', ({ body }) => {
    if (body === 'close') {
      closing = bus.close();
      return undefined;
    }
    started++;
    return hold.promise.then(async () => void sent.push(await codeOf(bus.publish('b', 1))));
  });
  await bus.ready();
  // After a turn with one message the first of the next would leave alone.
  await Promise.all([bus.publish('earlier', 1), bus.publish('earlier', 2)]);
  await turns();
  void bus.publish('a', 'close');
  void bus.publish('a', 1);
  void bus.publish('a', 2);
  await until(() => started === 2, 'the handlers of what came in the same packet');
  await turns(20);
  hold.resolve();
  assert.deepEqual(await bounded(closing ?? Promise.reject(new Error('not closed')), 'the close'), NOTHING);
  assert.deepEqual(sent, ['resolved', 'resolved']);
  assert.deepEqual(told, []);
});

test('close() lets requests in hand be answered', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport });
  const { bus } = memoryBus(t, { transport });
  const hold = deferred();
  bus.respond('a', async () => {
    await hold.promise;
    return 'answer';
  });
  const call = caller.bus.request('a', 1);
  await until(() => bus.stats().in_flight_handlers === 1, 'the request');
  const closing = bus.close();
  await turns(20);
  assert.equal(await codeOf(caller.bus.request('a', 2)), 'CLOSED', 'new ones are refused at once');
  hold.resolve();
  assert.equal(await call, 'answer');
  assert.deepEqual(await bounded(closing, 'the close'), NOTHING);
});

test('after timeoutMs the signal of what still runs is aborted, and close() says how many that were', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock });
  const reasons: unknown[] = [];
  const stop = ({ signal }: { readonly signal: AbortSignal }): Promise<void> =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as BusError).code);
        resolve();
      }),
    );
  bus.subscribe('a', stop);
  bus.pull('b', stop);
  await bus.ready();
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  await bus.push('b', 1);
  await until(() => bus.stats().in_flight_handlers === 3, 'three handlers');
  const closing = bus.close({ timeoutMs: 200 });
  await turns(10);
  clock.advance(190);
  await turns(10);
  assert.deepEqual(reasons, [], 'they may finish until then');
  clock.advance(20);
  assert.deepEqual(await bounded(closing, 'the close'), { undelivered: 0, cancelled: 3, byTopic: {} });
  assert.deepEqual(reasons, ['CANCELLED', 'CANCELLED', 'CANCELLED']);
});

test('a caller whose handler is cancelled by the closing bus is told CANCELLED', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const caller = memoryBus(t, { transport });
  const { bus, told } = memoryBus(t, { transport, clock });
  bus.respond(
    'a',
    ({ signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  const call = codeOf(caller.bus.request('a', 1));
  await until(() => bus.stats().in_flight_handlers === 1, 'the request');
  const report = await bounded(closed(bus, { timeoutMs: 50 }, clock), 'the close');
  assert.deepEqual(report, { undelivered: 0, cancelled: 1, byTopic: {} });
  assert.equal(await bounded(call, 'the answer'), 'CANCELLED');
  assert.deepEqual(told, [], 'a handler that stops because it was told to has not failed');
});

test('a handler that answers although it was cancelled is still heard', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const caller = memoryBus(t, { transport });
  const { bus } = memoryBus(t, { transport, clock });
  bus.respond(
    'a',
    ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('half of it'))),
  );
  const call = caller.bus.request('a', 1);
  await until(() => bus.stats().in_flight_handlers === 1, 'the request');
  await bounded(closed(bus, { timeoutMs: 50 }, clock), 'the close');
  assert.equal(await bounded(call, 'the answer'), 'half of it');
});

test('cancelRunning: false waits for the handlers, however long, and what they sent last leaves', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const { bus } = memoryBus(t, { clock, transport });
  const other = memoryBus(t, { transport, publish: false });
  const got: unknown[] = [];
  other.bus.subscribe('done', ({ body }) => void got.push(body));
  const hold = deferred();
  let aborted = false;
  bus.subscribe('a', async ({ signal }) => {
    signal.addEventListener('abort', () => (aborted = true));
    await hold.promise;
    await bus.publish('done', 'at last');
  });
  await bus.ready({ topic: 'done', subscribers: 1 });
  await bus.publish('a', 1);
  await until(() => bus.stats().in_flight_handlers === 1, 'the handler');
  let isClosed = false;
  const closing = bus.close({ timeoutMs: 100, cancelRunning: false }).then((report) => {
    isClosed = true;
    return report;
  });
  await clock.pass(60_000, 1000);
  assert.deepEqual({ isClosed, aborted }, { isClosed: false, aborted: false });
  hold.resolve();
  assert.deepEqual(await bounded(closing, 'the close'), NOTHING);
  await until(() => got.length === 1, 'what it sent last');
});

test('close() resolves with what was not delivered, by topic, and each is counted and told', async (t) => {
  const clock = new FakeClock();
  const { bus, told } = memoryBus(t, {
    clock,
    endpoints: { push: { connect: ['memory://nobody'] }, request: { connect: ['memory://none'] } },
  });
  const calls = [bus.push('x', 1), bus.push('x', 2), bus.push('y', 1), bus.request('z', 1)].map(codeOf);
  await turns(10);
  const report = await bounded(closed(bus, { timeoutMs: 100 }, clock), 'the close');
  assert.deepEqual(report, { undelivered: 4, cancelled: 0, byTopic: { x: 2, y: 1, z: 1 } });
  assert.deepEqual(await Promise.all(calls), ['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED']);
  const { outbound_dropped, errors, messages_sent } = bus.metrics();
  assert.deepEqual({ outbound_dropped, errors, messages_sent }, { outbound_dropped: 4, errors: 4, messages_sent: 0 });
  assert.deepEqual(told, [], 'the calls were told');
});

test('events that were accepted and then not delivered are in the report, counted and given to onError', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const { bus, told } = memoryBus(t, { clock, transport, hwmPackets: 1, slowSubscribers: 'wait', hwmOutbound: 100 });
  const stuck = memoryBus(t, { transport, publish: false, hwmInbound: 1, hwmPackets: 1 });
  stuck.bus.subscribe('>', () => new Promise(() => {}));
  await bus.ready({ topic: 'a', subscribers: 1 });
  for (let index = 0; index < 10; index++) {
    await bus.publish(index % 2 === 0 ? 'even' : 'odd', index);
    await turns(4);
  }
  const { messages_sent } = bus.metrics();
  assert.ok(messages_sent < 10);
  const { undelivered, byTopic } = await bounded(closed(bus, { timeoutMs: 100 }, clock), 'the close');
  assert.equal(undelivered, 10 - messages_sent);
  assert.equal((byTopic['even'] ?? 0) + (byTopic['odd'] ?? 0), undelivered, 'heartbeats are not among them');
  assert.equal(bus.metrics().messages_sent + undelivered, 10, 'sent or undelivered, each of them');
  assert.equal(bus.metrics().outbound_dropped, undelivered);
  assert.equal(told.length, undelivered);
  assert.deepEqual(new Set(codesTold(told)), new Set(['CLOSED']));
});

test('close() is idempotent: the same promise, the first options', async (t) => {
  const { bus } = memoryBus(t);
  await bus.publish('a', 1);
  const first = bus.close();
  assert.equal(bus.close({ timeoutMs: 1 }), first);
  await first;
  assert.equal(bus.close(), first);
});

test('a bus that never did anything closes at once', async (t) => {
  const { bus } = memoryBus(t);
  assert.deepEqual(await bus.close(), NOTHING);
});

test('await using closes the bus', async (t) => {
  const { bus } = memoryBus(t);
  {
    await using using = bus;
    await using.publish('a', 1);
  }
  assert.equal(await codeOf(bus.publish('a', 2)), 'CLOSED');
});

test('after close() everything is refused, by rejection where there is a promise, and nothing is sent', async (t) => {
  forbidUnhandledRejections(t);
  const { bus } = memoryBus(t);
  await bus.publish('a', 1);
  await bus.close();
  const sent = bus.metrics().messages_sent;
  assert.equal(await codeOf(bus.publish('a', 1)), 'CLOSED');
  assert.equal(await codeOf(bus.push('a', 1)), 'CLOSED');
  assert.equal(await codeOf(bus.request('a', 1)), 'CLOSED');
  assert.equal(await codeOf(bus.ready()), 'CLOSED');
  for (const call of [() => bus.subscribe('a'), () => bus.pull('a'), () => bus.respond('a'), () => bus.messages('a')]) {
    assert.throws(call, /^BusError: CLOSED: the bus is closed\. Make a new bus\./);
  }
  await turns();
  assert.equal(bus.metrics().messages_sent, sent);
});

test('sockets, endpoints and timers are gone when close() has resolved', async (t) => {
  const hub = memoryHub();
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, transport: memory({ hub }) });
  bus.subscribe('a', () => {});
  bus.pull('a', () => {});
  bus.respond('a', () => 1);
  bus.subscribe('b', () => {}, { ownSocket: true });
  await bus.ready();
  await Promise.all([bus.publish('a', 1), bus.push('a', 1), bus.request('a', 1)]);
  assert.ok(bus.metrics().active_connections >= 6);
  await bounded(closed(bus, {}, clock), 'the close');
  assert.equal(bus.metrics().active_connections, 0);
  assert.deepEqual(hub.endpoints, []);
  assert.equal(clock.pending, 0);
  assert.deepEqual(
    bus.describe().links.filter(({ state }) => state === 'open'),
    [],
  );
});

test('a handler that ends after its bus has closed leaves no timer and no reply behind', async (t) => {
  forbidUnhandledRejections(t);
  const clock = new FakeClock();
  const transport = memory();
  const callerClock = new FakeClock();
  const caller = memoryBus(t, { transport, clock: callerClock });
  const { bus } = memoryBus(t, { transport, clock });
  const hold = deferred();
  bus.respond('a', () => hold.promise);
  const call = codeOf(caller.bus.request('a', 1, { timeoutMs: 3_600_000 }));
  await until(() => bus.stats().in_flight_handlers === 1, 'the request');
  await bounded(closed(bus, { timeoutMs: 0 }, clock), 'the close');
  hold.resolve();
  await turns(10);
  assert.equal(clock.pending, 0);
  assert.equal(bus.metrics().outbound_dropped, 1, 'the reply');
  callerClock.advance(3_600_010);
  assert.equal(await call, 'REQUEST_TIMEOUT');
});

test('a subscription that was closed before the bus is waited for like the others', async (t) => {
  const { bus } = memoryBus(t);
  const hold = deferred();
  const subscription = bus.subscribe('a', () => hold.promise);
  await bus.ready();
  await bus.publish('a', 1);
  await until(() => bus.stats().in_flight_handlers === 1, 'the handler');
  await subscription.close();
  let isClosed = false;
  const closing = bus.close().then(() => (isClosed = true));
  await turns(20);
  assert.equal(isClosed, false);
  hold.resolve();
  await bounded(closing, 'the close');
});

test('timeoutMs must be a number from 0, and a wrong one leaves the bus open', async (t) => {
  forbidUnhandledRejections(t);
  const { bus } = memoryBus(t);
  for (const timeoutMs of [-1, NaN, '5' as unknown as number]) {
    await assert.rejects(bus.close({ timeoutMs }), /Expected `timeoutMs` to be a number/);
  }
  assert.equal(await codeOf(bus.publish('a', 1)), 'resolved');
});
