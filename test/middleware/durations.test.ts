import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Histogram } from '@opentelemetry/sdk-metrics';
import { Bus } from '../../src/core/bus.ts';
import { BusError } from '../../src/core/errors.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { AnyHandler } from '../../src/core/subscriber.ts';
import { histogramProducer } from '../../src/middleware/histogram-producer.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ENDPOINTS, memoryBus } from '../support/memory-bus.ts';
import type { RigOptions } from '../support/memory-bus.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { until } from './memory-bus.ts';
import { Collected } from './metrics-reader.ts';
import { middlewareHost } from './middleware-host.ts';

const LAG = 'messagebus.transport_lag';
const DWELL = 'messagebus.dwell';

function observed(clock = new FakeClock()) {
  const producer = histogramProducer({ shared: false });
  const collected = new Collected([producer]);
  const step = metrics({ meterProvider: collected.provider, histogramProducer: producer });
  const points = async (name: string): Promise<[Record<string, unknown>, Histogram][]> =>
    ((await collected.metrics()).get(name)?.dataPoints ?? []).map(({ attributes, value }) => [
      attributes,
      value as Histogram,
    ]);
  const one = async (name: string): Promise<Histogram> => {
    const all = await points(name);
    assert.equal(all.length, 1, name);
    return all[0]![1];
  };
  const receive = async (ctx: ReceiveContext, next = done): Promise<void> => step.receive?.(ctx, next);
  return { clock, collected, step, points, one, receive };
}

/** Driven by hand on a clock that stands still. */
function byHand() {
  const rig = observed();
  rig.step.attach?.(middlewareHost({ clock: rig.clock }));
  return rig;
}

test('the lag of a message is from when its sender handed it over until the packet was read', async () => {
  const { clock, receive, one } = byHand();
  const sentAtUs = clock.wallUs();
  clock.advance(40);
  const receivedAt = clock.now();
  clock.advance(500); // what comes after is not lag
  await receive(receiveContext({ sentAtUs, receivedAt }));
  const { count, sum } = await one(LAG);
  assert.deepEqual([count, sum], [1, 0.04]);
});

test('a lag is right again within seconds after the time of the machine was set', async () => {
  const { clock, receive, one, points } = byHand();
  await receive(receiveContext({ sentAtUs: clock.wallUs(), receivedAt: clock.now() }));
  clock.setBy(3_600_000);
  clock.advance(10_001);
  await receive(receiveContext({ sentAtUs: clock.wallUs() - 40_000, receivedAt: clock.now() }));
  assert.equal((await points(LAG)).length, 1);
  const { count, sum } = await one(LAG);
  assert.deepEqual([count, sum], [2, 0.04]);
});

test('a lag below zero, beyond a day, or of a message without a sent time says nothing and is left out', async () => {
  const { clock, receive, one, points } = byHand();
  const now = clock.wallUs();
  const receivedAt = clock.now();
  for (const sentAtUs of [0, 1, now + 3, now + 60e6, now - 86_400e6]) {
    await receive(receiveContext({ sentAtUs, receivedAt }));
  }
  assert.deepEqual(await points(LAG), []);
  // Within the resolution of the sent time it was no time at all.
  for (const sentAtUs of [now, now + 1, now + 2]) await receive(receiveContext({ sentAtUs, receivedAt }));
  const { count, sum } = await one(LAG);
  assert.deepEqual([count, sum], [3, 0]);
  assert.equal((await one('messaging.process.duration')).count, 8);
});

test('the dwell of a message is from when it was read until its first handler starts, however many there are', async () => {
  const { clock, receive, one } = byHand();
  const ctx = receiveContext({ receivedAt: clock.now() });
  clock.advance(3);
  await receive(ctx, () => {
    clock.advance(4);
    ctx.start();
    clock.advance(100);
    ctx.start();
    return done();
  });
  const { count, sum } = await one(DWELL);
  assert.deepEqual([count, sum], [1, 0.007]);
  assert.equal((await one('messaging.process.duration')).sum, 0.104);
});

test('a message that no handler gets has a lag and no dwell; a reply has neither', async () => {
  const { clock, receive, one, points } = byHand();
  const init = { sentAtUs: clock.wallUs(), receivedAt: clock.now() };
  const refused = receive(receiveContext(init), () => Promise.reject(new BusError('REJECTED', 'no')));
  await assert.rejects(refused, { code: 'REJECTED' });
  const reply = receiveContext({ ...init, pattern: 'reply' });
  await receive(reply);
  reply.start();
  assert.equal((await one(LAG)).count, 1);
  assert.deepEqual(await points(DWELL), []);
});

test('lag and dwell are kept by operation and destination, the pattern where one matched, and `other` for unknown methods', async () => {
  const { clock, receive, points } = byHand();
  const init = { sentAtUs: clock.wallUs(), receivedAt: clock.now() };
  for (const ctx of [
    receiveContext({ ...init, subscription: 'price.*', endpoint: 'tcp://127.0.0.1:1' }),
    receiveContext({ ...init, subscription: 'price.*', endpoint: 'tcp://127.0.0.1:2' }),
    receiveContext({ ...init, pattern: 'push', topic: 'task', subscription: 'task' }),
    receiveContext({ ...init, pattern: 'request', topic: 'get', subscription: 'get' }),
    receiveContext({ ...init, pattern: 'request', topic: 'no.such' }),
  ]) {
    await receive(ctx, () => {
      ctx.start();
      return done();
    });
  }
  const system = { 'messaging.system.name': 'zeromq' };
  const row = (operation: string, destination: object, count: number) => [
    { ...system, 'messaging.operation.name': operation, ...destination },
    count,
  ];
  for (const name of [LAG, DWELL]) {
    assert.deepEqual(
      (await points(name)).map(([attributes, { count }]) => [attributes, count]),
      [
        row('subscribe', { 'messaging.destination.template': 'price.*' }, 2),
        row('pull', { 'messaging.destination.name': 'task' }, 1),
        row('respond', { 'messaging.destination.name': 'get' }, 1),
        row('respond', { 'messaging.destination.name': 'other' }, 1),
      ],
    );
  }
});

test('topics beyond the cap share a series of each histogram, and methods are _OTHER', async () => {
  const { clock, step, receive, points } = byHand();
  const init = { sentAtUs: clock.wallUs(), receivedAt: clock.now() };
  for (let index = 0; index < 130; index++) {
    const topic = `t.${String(index)}`;
    await receive(receiveContext({ ...init, topic }));
    await step.send?.(sendContext({ pattern: 'request', topic }), done);
  }
  for (const [name, attribute, other] of [
    [LAG, 'messaging.destination.name', 'other'],
    ['messaging.process.duration', 'messaging.destination.name', 'other'],
    ['rpc.client.call.duration', 'rpc.method', '_OTHER'],
  ] as const) {
    const all = await points(name);
    assert.equal(all.length, 101);
    assert.equal(all.find(([attributes]) => attributes[attribute] === other)?.[1].count, 30);
  }
});

test('a failure that is no BusError has an error.type of the closed list', async () => {
  const { receive, points } = byHand();
  for (const error of [new Error('mine'), 'text', Object.assign(new Error('x'), { code: 'ECONNRESET' })]) {
    const ctx = receiveContext();
    ctx.start();
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    await receive(ctx, () => Promise.reject(error)).catch(() => undefined);
  }
  assert.deepEqual(
    (await points('messaging.process.duration')).map(([attributes, { count }]) => [attributes['error.type'], count]),
    [['handler_failed', 3]],
  );
});

/** A bus that is measured. */
function measuredBus(t: TestContext, options: RigOptions = {}) {
  const rig = observed();
  const { stack = [serialize()], ...rest } = options;
  return { ...rig, ...memoryBus(t, { clock: rig.clock, stack: [rig.step, ...stack], ...rest }) };
}

test('on a bus: events, pushed messages and requests wait for their handlers, in the limits too', async (t) => {
  const { bus, clock, points } = measuredBus(t);
  const running: (() => void)[] = [];
  const works = (): Promise<void> => new Promise((resolve) => running.push(resolve));
  bus.subscribe('event', works, { concurrency: 1 });
  bus.pull('task', works, { concurrency: 1 });
  bus.respond('call', works, { concurrency: 1 });
  await bus.ready();
  const calls = [1, 2].flatMap((body) => [
    bus.publish('event', body),
    bus.push('task', body),
    bus.request('call', body),
  ]);
  await until(() => running.length === 3);
  await until(() => bus.metrics().messages_received === 6);
  clock.advance(250);
  running.splice(0).forEach((end) => {
    end();
  });
  await until(() => running.length === 3);
  running.splice(0).forEach((end) => {
    end();
  });
  await Promise.all(calls);
  const dwells = (await points(DWELL)).map(([attributes, { count, sum }]) => [
    attributes['messaging.operation.name'],
    attributes['messaging.destination.name'],
    count,
    sum,
  ]);
  assert.deepEqual(dwells.sort(), [
    ['pull', 'task', 2, 0.25],
    ['respond', 'call', 2, 0.25],
    ['subscribe', 'event', 2, 0.25],
  ]);
});

class WithFallbacks extends Bus {
  handled = 0;

  protected override pullFallback(): AnyHandler {
    return () => this.handled++;
  }

  protected override respondFallback(): AnyHandler {
    return () => this.handled++;
  }
}

test('on a bus: several handlers of one message start it once, and the fallbacks start it too', async (t) => {
  const { step, points } = observed();
  const bus = new WithFallbacks({
    serviceName: 'test',
    transport: memory(),
    publish: true,
    endpoints: ENDPOINTS,
    logLevel: 'silent',
  });
  t.after(() => bus.close({ timeoutMs: 0 }));
  bus.use(step).use(serialize());
  for (const pattern of ['event', '>', '*']) bus.subscribe(pattern, () => bus.handled++);
  bus.pull();
  bus.respond();
  await bus.ready();
  await bus.publish('event', 1);
  await bus.push('task', 1);
  await bus.request('call', 1);
  await until(() => bus.handled === 5);
  const counts = (await points(DWELL)).map(([attributes, { count }]) => [
    attributes['messaging.operation.name'],
    count,
  ]);
  assert.deepEqual(counts.sort(), [
    ['pull', 1],
    ['respond', 1],
    ['subscribe', 1],
  ]);
});

test('on a bus: what waits inside a packet was read with it', async (t) => {
  const { bus, clock, one } = measuredBus(t, { pack: 10, hwmInbound: 1 });
  const running: (() => void)[] = [];
  bus.pull('task', () => new Promise<void>((resolve) => running.push(resolve)));
  await bus.ready();
  const sent = Promise.all([1, 2, 3].map((body) => bus.push('task', body)));
  for (let message = 1; message <= 3; message++) {
    await until(() => running.length === message);
    clock.advance(100);
    running[message - 1]?.();
  }
  await sent;
  await until(() => bus.stats().in_flight_handlers === 0);
  const [lag, dwell] = [await one(LAG), await one(DWELL)];
  assert.deepEqual([lag.count, lag.sum], [3, 0]);
  assert.deepEqual([dwell.count, Math.round(dwell.sum! * 1000)], [3, 300], '0 + 100 + 200 ms');
});
