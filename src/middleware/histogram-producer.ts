/**
 * Hands the histograms of histogram-store.ts to the metric readers of an SDK, which asks for them when it collects. No SDK is
 * imported: what is here has the shape of its `MetricProducer`, in both of its lines. The points are those that
 * `histogram.record` would have made: names, units, descriptions, bounds, attributes and scope.
 */
import { ValueType } from '@opentelemetry/api';
import type { Attributes, HrTime } from '@opentelemetry/api';
import { aBoolean, optionsCheck } from '../core/option-checks.ts';
import { DURATION_METRICS, SCOPE_NAME } from '../core/semconv.ts';
import { HistogramStore, sharedHistograms, timeNow } from './histogram-store.ts';
import type { HistogramSeries } from './histogram-store.ts';

/** The SDK's `AggregationTemporality.CUMULATIVE` and `DataPointType.HISTOGRAM`, the same numbers in both lines. */
const CUMULATIVE = 1;
const HISTOGRAM = 0;

/** One series of a {@link CollectedHistogram}: seconds, and how many of them in which bucket. */
export interface HistogramPoint {
  readonly attributes: Attributes;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly value: {
    readonly buckets: { boundaries: number[]; counts: number[] };
    readonly sum: number;
    readonly count: number;
    readonly min: number;
    readonly max: number;
  };
}

/** One histogram with its series. */
export interface CollectedHistogram {
  readonly descriptor: { name: string; description: string; unit: string; valueType: ValueType };
  readonly aggregationTemporality: 1;
  readonly dataPointType: 0;
  readonly dataPoints: HistogramPoint[];
}

/** A resource without attributes, in the shape of the SDK's. */
export interface CollectedResource {
  readonly attributes: Attributes;
  /** Answers the other resource. */
  merge<Other>(other: Other | null): Other;
  /** Answers none. */
  getRawAttributes(): [];
}

/** What a reader gets. It keeps the resource of its own SDK. */
export interface CollectedHistograms {
  readonly resourceMetrics: {
    resource: CollectedResource;
    scopeMetrics: { scope: { name: string; version: string }; metrics: CollectedHistogram[] }[];
  };
  readonly errors: unknown[];
}

/** Fits the `metricProducers` of every metric reader. */
export interface HistogramProducer {
  /** All histograms as they are now, cumulative; never rejects. */
  collect(): Promise<CollectedHistograms>;
}

/** Options of {@link histogramProducer}. */
export interface HistogramProducerOptions {
  /**
   * `true` exports the durations of all buses on the global MeterProvider; `false` those of the buses alone whose
   * `metrics({ meterProvider, histogramProducer })` it is given to.
   * @default true
   */
  readonly shared?: boolean;
}

const checkOptions = optionsCheck({ shared: aBoolean });

const stores = new WeakMap<HistogramProducer, HistogramStore>();

/**
 * Exports the durations of messages from an SDK of your own, for nanoseconds a message instead of the microseconds that
 * `histogram.record` takes. `startTelemetry` does it by itself. Call it before the bus starts, which then counts in buckets of
 * its own, and give it to every reader: one without it shows no durations. The totals are cumulative, also to a reader that
 * prefers deltas.
 *
 * @throws TypeError for options that are none
 * @example
 * ```ts
 * import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
 * import { NodeSDK } from '@opentelemetry/sdk-node';
 * import { histogramProducer } from 'tracebus/telemetry';
 *
 * const exporter = new PrometheusExporter({ host: '127.0.0.1', metricProducers: [histogramProducer()] });
 * new NodeSDK({ metricReaders: [exporter] }).start();
 * ```
 */
export function histogramProducer(options: HistogramProducerOptions = {}): HistogramProducer {
  checkOptions(options);
  const { shared = true } = options;
  const store = shared ? sharedHistograms : new HistogramStore();
  store.exported(); // for good: a reader does not tell when it is gone
  return producerOf(store);
}

/** A producer of a store; the store is not told. */
export function producerOf(store: HistogramStore): HistogramProducer {
  const producer: HistogramProducer = { collect: () => Promise.resolve(collected(store)) };
  stores.set(producer, store);
  return producer;
}

/** The store that a producer exports; undefined for a producer of somebody else. */
export function storeOf(producer: HistogramProducer): HistogramStore | undefined {
  return stores.get(producer);
}

function collected(store: HistogramStore): CollectedHistograms {
  const endTime = timeNow();
  const metrics = Array.from(store.all(), ([metric, series]): CollectedHistogram => {
    const { name, description, unit } = DURATION_METRICS[metric];
    return {
      descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
      aggregationTemporality: CUMULATIVE,
      dataPointType: HISTOGRAM,
      dataPoints: series.map((one) => point(one, endTime)),
    };
  });
  const resource = { attributes: {}, merge: (other: unknown) => other as never, getRawAttributes: (): [] => [] };
  const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: SCOPE_NAME, version: '' }, metrics }];
  return { resourceMetrics: { resource, scopeMetrics }, errors: [] };
}

/** A copy: what is exported must not change while it is on its way. */
function point(series: HistogramSeries, endTime: HrTime): HistogramPoint {
  const { attributes, startTime, bounds, counts, sum, count, min, max } = series;
  return {
    attributes,
    startTime,
    endTime,
    value: { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count, min, max },
  };
}
