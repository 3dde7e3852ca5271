import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics as api } from '@opentelemetry/api';
import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { DURATION_METRICS, FINE_BOUNDS_S } from '../../src/core/semconv.ts';
import { histogramProducer } from '../../src/middleware/histogram-producer.ts';
import { sharedHistograms } from '../../src/middleware/histogram-store.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import type { MetricsOptions } from '../../src/middleware/metrics.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { Collected } from './metrics-reader.ts';
import { middlewareHost } from './middleware-host.ts';

const NAMES = Object.values(DURATION_METRICS).map(({ name }) => name);

/** Messages of all kinds, with times from 0 to 12 seconds. */
async function traffic(step: Middleware, clock: FakeClock): Promise<void> {
  const times = [0, 5, 5.001, 10, 99, 100, 101, 250, 1000, 7500, 10_000, 12_000];
  for (const [index, ms] of times.entries()) {
    const takes = async (): Promise<void> => {
      clock.advance(ms);
      if (index % 5 === 4) throw new BusError('REQUEST_TIMEOUT', 'late');
      return done();
    };
    const endpoint = `tcp://127.0.0.1:${String(5555 + (index % 2))}`;
    for (const pattern of ['publish', 'push', 'request'] as const) {
      await Promise.resolve(step.send?.(sendContext({ pattern, topic: 'a.b', endpoint }), takes)).catch(
        () => undefined,
      );
      const sentAtUs = clock.wallUs() - index * 100;
      const ctx = receiveContext({
        pattern,
        topic: 'a.b',
        endpoint,
        sentAtUs,
        receivedAt: clock.now(),
        subscription: 'a.*',
      });
      const handles = (): Promise<void> => {
        clock.advance(index / 8);
        ctx.start();
        return takes();
      };
      await Promise.resolve(step.receive?.(ctx, handles)).catch(() => undefined);
    }
  }
}

/** What a bus with such a step exports for that. */
async function exported(collected: Collected, options: MetricsOptions) {
  const clock = new FakeClock();
  const step = metrics({ meterProvider: collected.provider, ...options });
  step.attach?.(middlewareHost({ clock }));
  await traffic(step, clock);
  await step.detach?.();
  const all = await collected.metrics();
  return { metrics: NAMES.map((name) => all.get(name)!), raw: await collected.raw(), text: await collected.scrape() };
}

/** A metric without the times of collecting, and what the SDK keeps for itself. */
function comparable({ descriptor, dataPoints, dataPointType, aggregationTemporality }: MetricData) {
  const { name, unit, description, valueType } = descriptor;
  return {
    descriptor: { name, unit, description, valueType },
    dataPointType,
    aggregationTemporality,
    dataPoints: dataPoints.map(({ attributes, value }) => ({ attributes, value })),
  };
}

test('its points are those of histogram.record, to the last label, in memory and in the text that Prometheus reads', async () => {
  const producer = histogramProducer({ shared: false });
  const own = await exported(new Collected([producer]), { histogramProducer: producer });
  const recorded = await exported(new Collected(), {});
  assert.deepEqual(own.metrics.map(comparable), recorded.metrics.map(comparable));
  const lines = (text: string[]) => text.filter((line) => /(messaging|rpc)_.*duration|_lag|_dwell/.test(line)).sort();
  assert.deepEqual(lines(own.text), lines(recorded.text));
  assert.ok(lines(own.text).length > 300);
  assert.ok(own.text.some((line) => line.includes('otel_scope_name="tracebus"') && line.includes('dwell_bucket')));
});

test('its scope is that of the counters, and its points say since when and until when', async () => {
  const before = Date.now() - 1000;
  const producer = histogramProducer({ shared: false });
  const { raw, metrics: histograms } = await exported(new Collected([producer]), { histogramProducer: producer });
  assert.deepEqual(
    raw.scopeMetrics.map(({ scope }) => [scope.name, scope.version, scope.schemaUrl]),
    [
      ['tracebus', '', undefined],
      ['tracebus', '', undefined],
    ],
  );
  for (const { aggregationTemporality, dataPointType, dataPoints } of histograms) {
    assert.equal(aggregationTemporality, AggregationTemporality.CUMULATIVE);
    assert.equal(dataPointType, DataPointType.HISTOGRAM);
    for (const { startTime, endTime } of dataPoints) {
      const [from, to] = [startTime, endTime].map(([seconds, nanos]) => seconds * 1000 + nanos / 1e6);
      assert.ok(before <= from! && from! <= to! && to! <= Date.now() + 1000);
    }
  }
});

test('two readers see the same totals, at once and later; what one was given does not change', async () => {
  const producer = histogramProducer({ shared: false });
  const [one, two] = [new Collected([producer]), new Collected([producer])];
  const step = metrics({ meterProvider: one.provider, histogramProducer: producer });
  step.attach?.(middlewareHost());
  const counts = async (collected: Collected) =>
    (await collected.metrics()).get('messaging.client.operation.duration')?.dataPoints.map(({ value }) => value);
  await step.send?.(sendContext(), done);
  const first = (await counts(one)) as { count: number; buckets: { counts: number[] } }[];
  await step.send?.(sendContext(), done);
  await step.send?.(sendContext(), done);
  assert.deepEqual(await counts(two), await counts(one));
  assert.equal(((await counts(two)) as { count: number }[])[0]?.count, 3);
  assert.equal(first[0]?.count, 1);
  assert.deepEqual(
    first.map(({ buckets }) => buckets.counts.reduce((sum, count) => sum + count, 0)),
    [1],
  );
});

test('nothing is exported before something was recorded', async () => {
  const { resourceMetrics, errors } = await histogramProducer({ shared: false }).collect();
  assert.deepEqual([resourceMetrics.scopeMetrics, errors], [[], []]);
});

test('the shared one takes the buses on the global provider alone; others record', async () => {
  const shared = new Collected([histogramProducer()]);
  const other = new Collected();
  assert.equal(sharedHistograms.isExported, true);
  api.setGlobalMeterProvider(shared.provider);
  const count = async (collected: Collected) => {
    const points = (await collected.metrics()).get('messaging.client.operation.duration')?.dataPoints ?? [];
    return points.map(({ value }) => (value as { count: number }).count);
  };
  try {
    const steps = [metrics(), metrics({ meterProvider: shared.provider }), metrics({ meterProvider: other.provider })];
    for (const step of steps) {
      step.attach?.(middlewareHost());
      await step.send?.(sendContext(), done);
      await step.detach?.();
    }
    assert.deepEqual([await count(shared), await count(other)], [[2], [1]]);
  } finally {
    api.disable();
  }
});

test('wrong options are refused', () => {
  assert.throws(
    () => histogramProducer({ shared: 1 as unknown as boolean }),
    /Expected `shared` to be true or false, got 1/,
  );
  assert.throws(() => histogramProducer({ share: true } as object), /Unknown option `share`; did you mean `shared`\?/);
  const foreign = { collect: () => histogramProducer({ shared: false }).collect() };
  assert.throws(
    () => metrics({ histogramProducer: foreign }),
    /TypeError: Expected `histogramProducer` to be made by h/,
  );
});

test('lag and dwell have bounds that tell a tenth of a millisecond from a whole one', () => {
  assert.ok(FINE_BOUNDS_S.filter((bound) => bound < 0.001).length >= 3);
});
