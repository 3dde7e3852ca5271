import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics as api } from '@opentelemetry/api';
import type { Histogram } from '@opentelemetry/sdk-metrics';
import type { Clock } from '../../src/core/clock.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Counters } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware, Next } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { DURATION_BOUNDS_S } from '../../src/core/semconv.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { Collected } from './metrics-reader.ts';
import { middlewareHost } from './middleware-host.ts';

const DURATIONS = [
  'messaging.client.operation.duration',
  'messaging.process.duration',
  'rpc.client.call.duration',
  'rpc.server.call.duration',
];

/** A clock that says a quarter of a second later each time it is asked. */
function steppingClock(): Clock {
  let now = 0;
  return { ...systemClock, now: () => (now += 250) };
}

function run(step: Middleware, ctx: ReceiveContext | SendContext, next: Next = done): Promise<void> | void {
  return ctx.direction === 'send' ? step.send?.(ctx, next) : step.receive?.(ctx, next);
}

/** The histogram of one metric, which has one series. */
async function histogram(collected: Collected, name: string) {
  const points = (await collected.metrics()).get(name)?.dataPoints ?? [];
  assert.equal(points.length, 1, name);
  return { value: points[0]!.value as Histogram, attributes: points[0]!.attributes };
}

test('publishing is measured in seconds, with the bounds of the conventions', async () => {
  const collected = new Collected();
  const step = metrics({ meterProvider: collected.provider });
  step.attach?.(middlewareHost({ clock: steppingClock() }));
  await run(step, sendContext({ topic: 'price.tick', endpoint: 'tcp://127.0.0.1:5555' }));
  const { value, attributes } = await histogram(collected, 'messaging.client.operation.duration');
  assert.equal(value.count, 1);
  assert.equal(value.sum, 0.25);
  assert.deepEqual(value.buckets.boundaries, DURATION_BOUNDS_S);
  assert.deepEqual(attributes, {
    'messaging.system.name': 'zeromq',
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'price.tick',
    'server.address': '127.0.0.1',
    'server.port': 5555,
  });
  const metric = (await collected.metrics()).get('messaging.client.operation.duration')!;
  assert.equal(metric.descriptor.unit, 's');
});

test('processing, requests and responses have histograms of their own', async () => {
  const collected = new Collected();
  const step = metrics({ meterProvider: collected.provider });
  step.attach?.(middlewareHost());
  await run(step, receiveContext({ topic: 'price.tick', subscription: 'price.*' }));
  await run(step, sendContext({ pattern: 'request', topic: 'state.get' }));
  await run(step, receiveContext({ pattern: 'request', topic: 'no.such' }));
  const seen = await Promise.all(DURATIONS.slice(1).map(async (name) => (await histogram(collected, name)).attributes));
  assert.deepEqual(seen, [
    {
      'messaging.system.name': 'zeromq',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.template': 'price.*',
    },
    { 'messaging.system.name': 'zeromq', 'rpc.system.name': 'tracebus', 'rpc.method': 'state.get' },
    { 'messaging.system.name': 'zeromq', 'rpc.system.name': 'tracebus', 'rpc.method': '_OTHER' },
  ]);
});

test('a failure is measured under its error.type, and goes on unchanged', async () => {
  const collected = new Collected();
  const step = metrics({ meterProvider: collected.provider });
  step.attach?.(middlewareHost());
  const error = new BusError('REQUEST_TIMEOUT', 'no reply');
  const fails: Next[] = [
    () => Promise.reject(error),
    () => {
      throw error;
    },
  ];
  for (const next of fails) {
    await assert.rejects(async () => run(step, sendContext({ pattern: 'request' }), next), error);
  }
  const { value, attributes } = await histogram(collected, 'rpc.client.call.duration');
  assert.equal(value.count, 2);
  assert.equal(attributes['error.type'], 'timeout');
});

test('replies are not measured: the call they belong to is', async () => {
  const collected = new Collected();
  const step = metrics({ meterProvider: collected.provider });
  step.attach?.(middlewareHost());
  const answer = done();
  assert.equal(
    run(step, sendContext({ pattern: 'reply' }), () => answer),
    answer,
  );
  await run(step, receiveContext({ pattern: 'reply' }));
  const all = await collected.metrics();
  assert.deepEqual(
    DURATIONS.filter((name) => all.has(name)),
    [],
  );
});

test('durations: false leaves the counts and nothing to run per message', async () => {
  const collected = new Collected();
  const counters = new Counters();
  const step = metrics({ meterProvider: collected.provider, durations: false });
  assert.deepEqual(Object.keys(step), ['name', 'stage', 'awaitsNext', 'attach', 'detach']);
  step.attach?.(middlewareHost({ counters }));
  counters.failedBinds.add();
  assert.deepEqual(await collected.lines('messagebus.failed_bind_count'), ['{"messaging.system.name":"zeromq"} 1']);
  const all = await collected.metrics();
  assert.equal(
    DURATIONS.some((name) => all.has(name)),
    false,
  );
});

test('topics beyond the cap are measured as one', async () => {
  const collected = new Collected();
  const step = metrics({ meterProvider: collected.provider });
  step.attach?.(middlewareHost());
  for (let index = 0; index < 150; index++) await run(step, sendContext({ topic: `t.${String(index)}` }));
  const points = (await collected.metrics()).get('messaging.client.operation.duration')!.dataPoints;
  assert.equal(points.length, 101);
  const other = points.find(({ attributes }) => attributes['messaging.destination.name'] === 'other')!;
  assert.equal((other.value as Histogram).count, 50);
});

test('without an SDK the step is next() and nothing else', () => {
  const step = metrics();
  step.attach?.(middlewareHost());
  const answer = done();
  assert.equal(
    run(step, sendContext(), () => answer),
    answer,
  );
  assert.equal(
    run(step, receiveContext(), () => answer),
    answer,
  );
  void step.detach?.();
});

test('the global provider is asked for when the bus starts, not before', async () => {
  const collected = new Collected();
  const step = metrics();
  api.setGlobalMeterProvider(collected.provider);
  try {
    step.attach?.(middlewareHost());
    assert.deepEqual(await collected.lines('messagebus.active_connections'), ['{"messaging.system.name":"zeromq"} 0']);
  } finally {
    api.disable();
  }
});

test('the totals of a closed bus stay; one metrics() serves one bus at a time', async () => {
  const collected = new Collected();
  const counters = new Counters();
  const step = metrics({ meterProvider: collected.provider });
  step.attach?.(middlewareHost({ counters }));
  assert.throws(() => step.attach?.(middlewareHost()), { code: 'INVALID_PIPELINE' });
  counters.lateReplies.add(undefined, undefined, 4);
  await step.detach?.();
  step.attach?.(middlewareHost());
  assert.deepEqual(await collected.lines('messagebus.late_replies'), ['{"messaging.system.name":"zeromq"} 4']);
});

test('a histogram that throws changes nothing for the message', async () => {
  const collected = new Collected();
  const broken = {
    getMeter: (name: string) => {
      const meter = collected.provider.getMeter(name);
      meter.createHistogram = () => ({
        record: () => {
          throw new Error('broken');
        },
      });
      return meter;
    },
  };
  const step = metrics({ meterProvider: broken });
  step.attach?.(middlewareHost());
  await run(step, sendContext());
  await assert.rejects(async () => run(step, sendContext(), () => Promise.reject(new Error('mine'))), /mine/);
});

test('wrong options are refused', () => {
  const wrong = (options: object) => metrics(options);
  assert.throws(() => wrong({ durations: 1 }), /Expected `durations` to be true or false, got 1/);
  assert.throws(
    () => wrong({ meterProvider: {} }),
    /Expected `meterProvider` to be a MeterProvider with getMeter, got object/,
  );
  assert.throws(() => wrong({ meterProvider: null }), /Expected `meterProvider` to be a MeterProvider/);
  assert.throws(() => wrong({ duration: false }), /Unknown option `duration`; did you mean `durations`\?/);
  assert.throws(() => wrong(null as never), /Expected `options` to be an object, got null/);
});
