/**
 * Several buses in one process, some closed, as Prometheus sees them: totals exact against what the test has counted, for the
 * counters and for the histograms. And telemetry that is broken, which must change nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { diag, metrics as api } from '@opentelemetry/api';
import type { MeterProvider } from '@opentelemetry/api';
import type { Bus } from '../../src/core/bus.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { DURATION_BOUNDS_S, FINE_BOUNDS_S } from '../../src/core/semconv.ts';
import { histogramProducer } from '../../src/middleware/histogram-producer.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import type { MetricsOptions } from '../../src/middleware/metrics.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';
import { until } from './memory-bus.ts';
import { Collected } from './metrics-reader.ts';

/** Sends so many of each pattern to itself; every third request is refused by its handler. */
interface Load {
  readonly events: number;
  readonly tasks: number;
  readonly calls: number;
}

async function work(bus: Bus, { events, tasks, calls }: Load, first: boolean): Promise<void> {
  let handled = 0;
  if (first) {
    bus.subscribe('event', () => undefined);
    bus.pull('task', () => undefined);
    bus.respond('call', ({ body }) => {
      if ((body as number) % 3 === 0) throw new Error('refused');
    });
    await bus.ready();
  }
  const before = bus.metrics().messages_received;
  for (let index = 0; index < events; index++) await bus.publish('event', index);
  for (let index = 0; index < tasks; index++) await bus.push('task', index);
  for (let index = 0; index < calls; index++) await bus.request('call', index).catch(() => handled++);
  assert.equal(handled, Math.ceil(calls / 3));
  await until(() => bus.metrics().messages_received === before + events + tasks + 2 * calls);
  await until(() => bus.stats().in_flight_handlers === 0);
}

/** The value of the only line of the text with this name and all of these labels; undefined where there is none. */
function value(
  text: readonly string[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = text.filter(
    (line) =>
      line.startsWith(`${name}{`) && Object.entries(labels).every(([key, label]) => line.includes(`${key}="${label}"`)),
  );
  assert.ok(found.length <= 1, `${name}: ${found.join('; ')}`);
  return found[0] === undefined ? undefined : Number(found[0].split(' ').at(-1));
}

/** A histogram's count, once it agrees with its buckets and has a sum. */
function counted(
  text: readonly string[],
  name: string,
  bounds: readonly number[],
  labels: Readonly<Record<string, string>>,
): number | undefined {
  const count = value(text, `${name}_count`, labels);
  if (count === undefined) return undefined;
  const buckets = [...bounds.map(String), '+Inf'].map((le) => value(text, `${name}_bucket`, { ...labels, le }));
  assert.deepEqual(
    buckets,
    [...buckets].sort((one, two) => one! - two!),
    'buckets are cumulative',
  );
  assert.equal(buckets.at(-1), count);
  const sum = value(text, `${name}_sum`, labels)!;
  assert.ok(sum >= 0 && sum < 60, `${name} ${String(sum)} s`);
  return count;
}

/** All that the load must have made, and nothing beyond it. */
function expectTotals(text: readonly string[], { events, tasks, calls }: Load): void {
  const operation = (name: string, topic: string) => ({
    messaging_operation_name: name,
    messaging_destination_name: topic,
  });
  const sent = (name: string, topic: string) => value(text, 'messagebus_messages_sent_total', operation(name, topic));
  const received = (name: string, topic: string) =>
    value(text, 'messagebus_messages_received_total', operation(name, topic));
  assert.deepEqual([sent('publish', 'event'), sent('push', 'task'), sent('request', 'call')], [events, tasks, calls]);
  assert.deepEqual(
    [received('subscribe', 'event'), received('pull', 'task'), received('respond', 'call')],
    [events, tasks, calls],
  );
  const failed = (name: string, topic: string, type?: string) => ({
    ...operation(name, topic),
    ...(type !== undefined && { error_type: type }),
  });
  const duration = (name: string, labels: Record<string, string>) => counted(text, name, DURATION_BOUNDS_S, labels);
  assert.equal(duration('messaging_client_operation_duration', failed('publish', 'event')), events);
  assert.equal(duration('messaging_client_operation_duration', failed('push', 'task')), tasks);
  assert.equal(duration('messaging_process_duration', { messaging_destination_name: 'event' }), events);
  assert.equal(duration('messaging_process_duration', { messaging_destination_name: 'task' }), tasks);
  for (const side of ['client', 'server']) {
    const counts = text.filter((line) => line.startsWith(`rpc_${side}_call_duration_count{`));
    const [refused, good] = [true, false].map((bad) =>
      counts.filter((line) => line.includes('error_type') === bad).map((line) => Number(line.split(' ').at(-1))),
    );
    assert.deepEqual([refused, good], [[thirds], [calls - thirds]], side);
  }
  for (const name of ['messagebus_transport_lag', 'messagebus_dwell']) {
    assert.equal(counted(text, name, FINE_BOUNDS_S, operation('subscribe', 'event')), events, name);
    assert.equal(counted(text, name, FINE_BOUNDS_S, operation('pull', 'task')), tasks, name);
    assert.equal(counted(text, name, FINE_BOUNDS_S, operation('respond', 'call')), calls, name);
  }
}
/** How many calls were refused so far. */
let thirds = 0;

function sum(...loads: readonly Load[]): Load {
  thirds = loads.reduce((all, { calls }) => all + Math.ceil(calls / 3), 0);
  return loads.reduce(
    (all, one) => ({ events: all.events + one.events, tasks: all.tasks + one.tasks, calls: all.calls + one.calls }),
    { events: 0, tasks: 0, calls: 0 },
  );
}

function busWith(t: TestContext, options: MetricsOptions = {}): Bus {
  return memoryBus(t, { stack: [metrics(options), serialize()] }).bus;
}

const LOADS: readonly Load[] = [
  { events: 30, tasks: 20, calls: 10 },
  { events: 7, tasks: 5, calls: 3 },
  { events: 11, tasks: 13, calls: 17 },
];

for (const [what, hasProducer] of [
  ['in buckets of our own', true],
  ['through histogram.record', false],
] as const) {
  test(`the totals of buses that run, have closed and come later are exact, ${what}`, async (t) => {
    const producer = hasProducer ? histogramProducer({ shared: false }) : undefined;
    const collected = new Collected(producer && [producer]);
    const other = new Collected();
    const options = { meterProvider: collected.provider, ...(producer && { histogramProducer: producer }) };
    const [one, two] = [busWith(t, options), busWith(t, options)];
    await Promise.all([work(one, LOADS[0]!, true), work(two, LOADS[1]!, true)]);
    expectTotals(await collected.scrape(), sum(LOADS[0]!, LOADS[1]!));

    await one.close();
    expectTotals(await collected.scrape(), sum(LOADS[0]!, LOADS[1]!));

    const [three, elsewhere] = [busWith(t, options), busWith(t, { meterProvider: other.provider })];
    await Promise.all([work(two, LOADS[2]!, false), work(three, LOADS[2]!, true), work(elsewhere, LOADS[1]!, true)]);
    expectTotals(await collected.scrape(), sum(LOADS[0]!, LOADS[1]!, LOADS[2]!, LOADS[2]!));
    await Promise.all([two.close(), three.close(), elsewhere.close()]);
    const text = await collected.scrape();
    expectTotals(text, sum(LOADS[0]!, LOADS[1]!, LOADS[2]!, LOADS[2]!));
    assert.equal(value(text, 'messagebus_active_connections'), 0);
    expectTotals(await other.scrape(), sum(LOADS[1]!));
  });
}

test('what fails because the bus closes is in the totals too', async (t) => {
  const collected = new Collected();
  const slowly = { baseMs: 60_000, capMs: 60_000, random: () => 1 };
  const busy: Middleware = {
    name: 'busy',
    stage: 'payload',
    send: () => {
      throw new BusError('TRANSPORT_FAILED', 'not now', { retryable: true });
    },
  };
  const { bus } = memoryBus(t, {
    requestTimeoutMs: 120_000,
    stack: [metrics({ meterProvider: collected.provider }), retry(slowly), serialize(), busy],
  });
  await bus.ready();
  const calls = [1, 2, 3].map((body) => codeOf(bus.request('call', body)));
  await bus.close({ timeoutMs: 0 });
  assert.deepEqual(await Promise.all(calls), ['CLOSED', 'CLOSED', 'CLOSED']);
  const text = await collected.scrape();
  const labels = { messaging_operation_name: 'request', error_type: 'closed' };
  assert.equal(value(text, 'messagebus_errors_total', labels), bus.metrics().errors);
  assert.equal(value(text, 'messagebus_outbound_dropped_total', labels), bus.metrics().outbound_dropped);
  assert.equal(bus.metrics().errors, 3);
});

test('on the global provider too, with a bus of an injected one beside it', async (t) => {
  const collected = new Collected([histogramProducer()]);
  const other = new Collected();
  api.setGlobalMeterProvider(collected.provider);
  t.after(() => {
    api.disable();
  });
  const [one, elsewhere] = [busWith(t), busWith(t, { meterProvider: other.provider })];
  await Promise.all([work(one, LOADS[0]!, true), work(elsewhere, LOADS[1]!, true)]);
  await one.close();
  const later = busWith(t);
  await work(later, LOADS[2]!, true);
  expectTotals(await collected.scrape(), sum(LOADS[0]!, LOADS[2]!));
  expectTotals(await other.scrape(), sum(LOADS[1]!));
});

// Broken telemetry

const broken = (): never => {
  throw new Error('broken SDK');
};

const BROKEN: Readonly<Record<string, (working: MeterProvider) => MeterProvider>> = {
  'getMeter throws': () => ({ getMeter: broken }),
  'every instrument throws': () => ({
    getMeter: () =>
      ({
        createHistogram: broken,
        createObservableCounter: broken,
        createObservableGauge: broken,
        addBatchObservableCallback: broken,
      }) as never,
  }),
  'createHistogram throws': (working) => ({
    getMeter: (name) => Object.assign(working.getMeter(name), { createHistogram: broken }),
  }),
  'addBatchObservableCallback throws': (working) => ({
    getMeter: (name) => Object.assign(working.getMeter(name), { addBatchObservableCallback: broken }),
  }),
  'a meter is nothing at all': () => ({ getMeter: () => undefined as never }),
};

for (const [what, breaking] of Object.entries(BROKEN)) {
  test(`when ${what} it is told once, and every message is delivered all the same`, async (t) => {
    const told: unknown[] = [];
    const tell = (...args: unknown[]): void => void told.push(args);
    diag.setLogger({ error: tell, warn: tell, info: () => {}, debug: () => {}, verbose: () => {} });
    t.after(() => {
      diag.disable();
    });
    const meterProvider = breaking(new Collected().provider);
    const { bus, logger, told: errors } = memoryBus(t, { stack: [metrics({ meterProvider }), serialize()] });
    await work(bus, { events: 3, tasks: 3, calls: 1 }, true);
    assert.deepEqual(await bus.close(), { undelivered: 0, cancelled: 0, byTopic: {} });
    const lines = logger.at('warn', 'error').filter((line) => line.includes('metrics'));
    assert.ok(lines.length >= 1 && lines.length <= 2, lines.join('; '));
    assert.match(lines[0]!, /^warn metrics are not exported: OpenTelemetry threw: /);
    assert.ok(told.length >= 1);
    assert.equal(errors.length, 1, 'the refused call alone');
  });
}

test('what still works of a broken SDK is used: counters without histograms, histograms without counters', async (t) => {
  const collected = new Collected();
  const { provider } = collected;
  const noHistograms = {
    getMeter: (name: string) => Object.assign(provider.getMeter(name), { createHistogram: broken }),
  };
  const one = busWith(t, { meterProvider: noHistograms });
  await work(one, LOADS[1]!, true);
  const all = await collected.metrics();
  assert.equal(all.has('messagebus.messages_sent'), true);
  assert.equal(all.has('messaging.process.duration'), false);

  const second = new Collected();
  const meterProvider = {
    getMeter: (name: string) => Object.assign(second.provider.getMeter(name), { createObservableCounter: broken }),
  };
  const two = busWith(t, { meterProvider });
  await work(two, LOADS[1]!, true);
  assert.equal((await second.metrics()).has('messaging.process.duration'), true);
});

test('a collection that fails says so to whoever collects, and to no message', async (t) => {
  const collected = new Collected();
  const { bus, told } = memoryBus(t, { stack: [metrics({ meterProvider: collected.provider }), serialize()] });
  let isSpoilt = false;
  const failing = memoryBus(t, {
    stack: [
      {
        name: 'spoils',
        stage: 'body',
        attach: ({ counters }) => {
          counters.queuedMessages = () => (isSpoilt ? broken() : 0);
        },
      },
      metrics({ meterProvider: collected.provider }),
      serialize(),
    ],
  });
  await work(failing.bus, { events: 2, tasks: 2, calls: 1 }, true);
  isSpoilt = true;
  await work(bus, { events: 2, tasks: 2, calls: 1 }, true);
  await failing.bus.publish('event', 1);
  await assert.rejects(collected.metrics(), /collecting failed/);
  assert.equal(told.length, 1, 'the refused call alone');
});
