/** The keys of the old config: each with its default, and each seen to do what it says. Time is a clock of the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { memory, memoryHub } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { actor, addressOf, aroundLimit, FREE, handedOver, overZeromq, SpyTransport, watched } from './stage.ts';

/** Publishes into a socket that takes nothing until no call resolves any more; answers how many the queue took. */
async function queueTakes(t: TestContext, config: MessageBusConfig, body: unknown = 1): Promise<number> {
  const spy = new SpyTransport();
  spy.stuck = new Set(['publish']);
  const { bus } = actor(t, { transport: spy.transport, clock: new FakeClock(), ...config });
  let taken = 0;
  for (;;) {
    const call = watched(bus.publish('a', body));
    // A call of a tight loop may be held back for a turn of the event loop although there is room.
    await turns(call.outcome === 'resolved' ? 0 : 6);
    if (call.outcome !== 'resolved') break;
    taken++;
    assert.ok(taken < 2000, 'there is no limit');
  }
  assert.equal(bus.metrics().backpressure_events, 1);
  return taken;
}

test('hwmOutbound: so many messages queue before a call waits; by default 1000', async (t) => {
  assert.equal(await queueTakes(t, { hwmOutbound: 3 }), 3);
  assert.equal(await queueTakes(t, {}), 1000);
});

test('maxQueueBytes bounds the same queue in bytes; by default 64 MB', async (t) => {
  const half = 'x'.repeat(500);
  assert.equal(await queueTakes(t, { maxQueueBytes: 1000 }, half), 2);
  assert.equal(await queueTakes(t, {}, 'x'.repeat(1024 * 1024)), 64);
});

/** Waits for a count to come to where it has to stop, and a while longer; answers where it stands then. */
async function settledAt(count: () => number, expected: number, what: string): Promise<number> {
  await until(
    () => count() >= expected,
    () => `${String(expected)} ${what}, got ${String(count())}`,
  );
  await turns(100);
  return count();
}

/** Sends more than a bus may work on: how many handlers start. */
async function expectStarted(t: TestContext, expected: number, send: number, config: MessageBusConfig): Promise<void> {
  const gate = new Gate();
  const started = { subscribe: 0, pull: 0, respond: 0 };
  const { bus } = actor(t, { publish: true, clock: new FakeClock(), ...config });
  bus.subscribe('a', () => (started.subscribe++, gate.opened));
  bus.pull('b', () => (started.pull++, gate.opened));
  bus.respond('c', () => (started.respond++, gate.opened));
  await bus.ready();
  for (let index = 0; index < send; index++) {
    void bus.publish('a', index);
    void bus.push('b', index);
    void bus.request('c', index);
  }
  for (const verb of ['subscribe', 'pull', 'respond'] as const) {
    assert.equal(await settledAt(() => started[verb], expected, `handlers of ${verb}`), expected);
  }
  gate.open();
}

test('hwmInbound: so many messages are in flight in the handlers of an endpoint; by default 1000', async (t) => {
  await expectStarted(t, 3, 20, { hwmInbound: 3 });
  await expectStarted(t, 1000, 1100, {});
});

/** The high-water mark that each socket is opened with. */
async function packetMarks(t: TestContext, config: MessageBusConfig): Promise<Record<string, number>> {
  const spy = new SpyTransport();
  const { bus } = actor(t, { transport: spy.transport, publish: true, ...config });
  bus.subscribe('a', () => undefined);
  bus.pull('a', () => undefined);
  bus.respond('a', () => undefined);
  await bus.ready();
  await bus.push('a', 1);
  await bus.request('a', 1);
  return Object.fromEntries(spy.specs.map(({ verb, spec }) => [verb, spec.hwmPackets]));
}

test('hwmPackets is the mark of the sockets: 256 where the bus packs, else hwmOutbound and hwmInbound', async (t) => {
  const packed = { publish: 256, subscribe: 256, request: 256, respond: 256 };
  assert.deepEqual(await packetMarks(t, {}), { ...packed, push: 1000, pull: 1000 });
  assert.deepEqual(await packetMarks(t, { hwmOutbound: 7, hwmInbound: 8 }), { ...packed, push: 7, pull: 8 });
  const all = { publish: 9, subscribe: 9, request: 9, respond: 9, push: 9, pull: 9 };
  assert.deepEqual(await packetMarks(t, { hwmPackets: 9 }), all);
});

let names = 0;

/** Pushes over inproc, where nothing but the two queues stands between, to a puller that stands still: how many are taken. */
async function expectTaken(
  t: TestContext,
  expected: number,
  pushing: MessageBusConfig,
  pulling: MessageBusConfig,
): Promise<void> {
  const endpoint = `inproc://hwm-${String(++names)}`;
  const gate = new Gate();
  const puller = overZeromq(t, { endpoints: { pull: { bind: endpoint } }, ...pulling });
  puller.bus.pull('>', () => gate.opened);
  const { bus } = overZeromq(t, { endpoints: { push: { connect: [endpoint] } }, ...pushing });
  await bus.ready();
  for (let index = 0; index < 100; index++) void bus.push(index);
  assert.equal(await settledAt(() => bus.metrics().messages_sent, expected, 'messages'), expected);
  gate.open();
}

test('over ZeroMQ the marks reach the sockets: hwmOutbound the PUSH, hwmInbound the PULL, hwmPackets both', async (t) => {
  // The marks of both sides add up. The few that the puller has read are credited in batches, not one by one.
  await expectTaken(t, 15, { hwmOutbound: 10 }, { hwmInbound: 1, hwmPackets: 5 });
  await expectTaken(t, 25, { hwmPackets: 20 }, { hwmInbound: 1, hwmPackets: 5 });
  await expectTaken(t, 14, { hwmPackets: 10 }, { hwmInbound: 4 });
});

test('over ZeroMQ hwmPackets reaches the publisher and the subscriber', async (t) => {
  const endpoint = 'inproc://hwm-publish';
  const [publishing, subscribing] = [15, 25];
  const gate = new Gate();
  const marks = { slowSubscribers: 'wait', hwmPackets: publishing } as const;
  const publisher = overZeromq(t, { endpoints: { publish: { bind: endpoint } }, ...marks });
  const config = { endpoints: { subscribe: { connect: [endpoint] } }, hwmInbound: 1, hwmPackets: subscribing };
  const subscriber = overZeromq(t, config);
  subscriber.bus.subscribe('>', () => gate.opened);
  subscriber.bus.subscribe('a', () => gate.opened);
  await publisher.bus.ready();
  await subscriber.bus.ready();
  // A topic that somebody asks for by name shares no packet with another, so each of these is a packet.
  for (let index = 0; index < 100; index++) void publisher.bus.publish(index % 2 === 0 ? 'a' : 'b', index);
  // Beside them there are the echoes of ready() and a heartbeat or two.
  const least = publishing + subscribing - 10;
  const taken = await settledAt(() => publisher.bus.metrics().messages_sent, least, 'packets');
  gate.open();
  assert.ok(taken <= publishing + subscribing, String(taken));
});

/** A publish that finds its queue full. */
function publishIntoFull(t: TestContext, clock: FakeClock, config: MessageBusConfig): Promise<void> {
  const spy = new SpyTransport();
  spy.stuck = new Set(['publish']);
  const { bus } = actor(t, { transport: spy.transport, hwmOutbound: 1, clock, ...config });
  void bus.publish('a', 1);
  return bus.publish('a', 2);
}

test('publishTimeoutMs: a publish that finds no room rejects after it; by default 1000', async (t) => {
  const clock = new FakeClock();
  assert.deepEqual(await aroundLimit(clock, 1000, publishIntoFull(t, clock, {})), ['pending', 'SEND_TIMEOUT']);
  const short = publishIntoFull(t, clock, { publishTimeoutMs: 200 });
  assert.deepEqual(await aroundLimit(clock, 200, short), ['pending', 'SEND_TIMEOUT']);
});

test('pushTimeoutMs: a push that no puller takes rejects after it; by default 1000', async (t) => {
  const clock = new FakeClock();
  assert.deepEqual(await aroundLimit(clock, 1000, actor(t, { clock }).bus.push(1)), ['pending', 'SEND_TIMEOUT']);
  const short = actor(t, { clock, pushTimeoutMs: 200 }).bus.push(1);
  assert.deepEqual(await aroundLimit(clock, 200, short), ['pending', 'SEND_TIMEOUT']);
});

test('requestTimeoutMs: a request that nobody answers rejects after it; by default 5000; timeoutMs is for one call', async (t) => {
  const cases = [
    [{}, {}, 5000],
    [{ requestTimeoutMs: 200 }, {}, 200],
    [{}, { timeoutMs: 300 }, 300],
  ] as const;
  for (const [config, options, limitMs] of cases) {
    const clock = new FakeClock();
    const { bus } = actor(t, { clock, ...config });
    bus.respond('state', () => new Promise(() => {}));
    const call = bus.request('state', 1, options);
    await handedOver(bus, 1);
    assert.deepEqual(await aroundLimit(clock, limitMs, call), ['pending', 'REQUEST_TIMEOUT']);
  }
});

test('requestTimeoutMs is one deadline for sending and receiving, not half for each', async (t) => {
  const clock = new FakeClock();
  const { bus } = actor(t, { clock });
  const call = bus.request('state', 1);
  await clock.pass(4000, 200);
  const gate = new Gate();
  let arrived = false;
  bus.respond('state', async () => {
    arrived = true;
    await gate.opened;
    return 'in time';
  });
  await until(() => arrived, 'the request, late by the old rule');
  await clock.pass(900, 100);
  gate.open();
  assert.equal(await bounded(call, 'the reply'), 'in time');
});

for (const [verb, limitMs] of [
  ['push', 1000],
  ['request', 5000],
] as const) {
  test(`the time-out of a ${verb} is for the whole call, its middleware and all attempts included`, async (t) => {
    const clock = new FakeClock();
    const { bus } = actor(t, { clock });
    bus.use({
      name: 'slow',
      stage: 'body',
      async send(_ctx, next) {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, limitMs / 2));
        await next();
      },
    });
    assert.deepEqual(await aroundLimit(clock, limitMs, bus[verb](1)), ['pending', 'SEND_TIMEOUT']);
  });
}

test('rep_recv_timeout has no counterpart: a responder that was idle for ten minutes still answers', async (t) => {
  const clock = new FakeClock();
  const { bus, log, errors } = actor(t, { clock });
  bus.respond('state', ({ body }) => body);
  assert.equal(await bounded(bus.request('state', 1), 'the first reply'), 1);
  const opened = bus.metrics().active_connections;
  for (const idleMs of [31_000, 600_000]) {
    await clock.pass(idleMs, 1000);
    assert.equal(await bounded(bus.request('state', idleMs), 'the reply'), idleMs);
  }
  assert.deepEqual([log.at('info', 'warn', 'error'), errors, bus.metrics().errors], [[], [], 0]);
  assert.equal(bus.metrics().active_connections, opened);
});

test('replySendTimeoutMs: a reply that its requester does not take is given up after it, and counted; by default 5000', async (t) => {
  for (const [config, limitMs] of [
    [{}, 5000],
    [{ replySendTimeoutMs: 200 }, 200],
  ] as const) {
    const clock = new FakeClock();
    const spy = new SpyTransport();
    spy.stuck = new Set(['respond']);
    const { bus, errors } = actor(t, { clock, transport: spy.transport, requestTimeoutMs: 60_000, ...config });
    let answered = false;
    bus.respond('state', () => (answered = true));
    void bus.request(1);
    await until(() => answered, 'the request');
    await clock.pass(limitMs - 10, limitMs / 20);
    assert.equal(bus.metrics().outbound_dropped, 0);
    await clock.pass(20);
    assert.equal(bus.metrics().outbound_dropped, 1);
    assert.deepEqual(
      errors.map((error) => (error as { code?: unknown }).code),
      ['SEND_TIMEOUT'],
    );
  }
});

test('failedSocketCooldownMs: a failed endpoint is left alone for so long; by default 10000', async (t) => {
  for (const [config, limitMs] of [
    [{}, 10_000],
    [{ failedSocketCooldownMs: 2000 }, 2000],
  ] as const) {
    const clock = new FakeClock();
    const { bus } = actor(t, { clock, pushTimeoutMs: 100, ...config });
    assert.deepEqual(await aroundLimit(clock, 100, bus.push(1)), ['pending', 'SEND_TIMEOUT']);
    await clock.pass(limitMs - 20, limitMs / 20);
    await bounded(assert.rejects(bus.push(2), { code: 'COOLING_DOWN' }), 'the refusal');
    await clock.pass(20);
    const later = watched(bus.push(3));
    await turns();
    assert.equal(later.outcome, 'pending');
  }
});

test('handlerMaxConcurrency limits the subscription handlers of the bus together, and neither pull nor respond', async (t) => {
  const gate = new Gate();
  const started: string[] = [];
  const { bus } = actor(t, { publish: true, handlerMaxConcurrency: 2 });
  for (const topic of ['a', 'b']) bus.subscribe(topic, () => (started.push('event'), gate.opened), { ownSocket: true });
  bus.pull('>', () => (started.push('result'), gate.opened));
  bus.respond('>', () => (started.push('call'), gate.opened));
  await bus.ready();
  const sends = Array.from({ length: 4 }, (_, index) => {
    return [bus.publish('a', index), bus.publish('b', index), bus.push(index), bus.request(index)];
  });
  await until(() => started.length >= 10, 'the first handlers');
  await turns(20);
  assert.deepEqual(
    ['event', 'result', 'call'].map((kind) => started.filter((one) => one === kind).length),
    [2, 4, 4],
  );
  gate.open();
  await until(() => started.length === 16, 'the rest');
  await Promise.all(sends.flat());
});

test('closeLingerMs is how long close waits for handed-over messages to leave; by default 100', async (t) => {
  for (const [config, limitMs] of [
    [{}, 100],
    [{ closeLingerMs: 2000 }, 2000],
  ] as const) {
    const hub = memoryHub();
    const gate = new Gate();
    const clock = new FakeClock();
    const pulling = actor(t, { transport: memory({ hub }), hwmInbound: 1 });
    pulling.bus.pull('>', () => gate.opened);
    const spy = new SpyTransport(memory({ hub }));
    const { bus } = actor(t, { transport: spy.transport, clock, ...config });
    for (let index = 0; index < 3; index++) await bus.push(index);
    assert.equal(spy.specs[0]!.spec.closeLingerMs, limitMs);
    const closing = bus.close();
    await turns(20);
    assert.deepEqual(await aroundLimit(clock, limitMs, closing), ['pending', 'resolved']);
    gate.open();
  }
});

/** Pushes a lot to a puller that stands still until the pusher is closing, or closed; answers how many messages had arrived. */
async function pushAndClose(t: TestContext, closeLingerMs: number, goesOn: 'while' | 'after'): Promise<() => number> {
  const gate = new Gate();
  let arrived = 0;
  const pulling = overZeromq(t, { endpoints: { pull: { bind: FREE } }, hwmInbound: 1, hwmPackets: 1 });
  pulling.bus.pull('>', () => (arrived++, gate.opened));
  const address = await addressOf(pulling.bus, 'pull');
  const pushing = overZeromq(t, { endpoints: { push: { connect: [address] } }, closeLingerMs });
  // More than the buffers of the two kernels hold, so that most of it waits in the queue of the socket.
  const body = 'x'.repeat(256 * 1024);
  await Promise.all(Array.from({ length: PUSHED }, () => pushing.bus.push(body)));
  const closing = pushing.bus.close();
  if (goesOn === 'after') await bounded(closing, 'the close');
  gate.open();
  await bounded(closing, 'the close');
  return () => arrived;
}

const PUSHED = 100;

test('over ZeroMQ closeLingerMs reaches the socket: what it has taken leaves while it closes', async (t) => {
  const arrived = await pushAndClose(t, 60_000, 'while');
  await until(
    () => arrived() === PUSHED,
    () => `${String(PUSHED)} messages, got ${String(arrived())}`,
  );
});

test('over ZeroMQ a closeLingerMs of 0 waits for nobody: what the socket still had is gone', async (t) => {
  const arrived = await pushAndClose(t, 0, 'after');
  await turns(500);
  assert.ok(arrived() < PUSHED, String(arrived()));
});
