/**
 * The durations of sends, handlers and calls, as histograms with the conventions' bounds.
 *
 * `record` with attributes is the dearest step of the hot path (it sorts and joins them each time), hence the switch in
 * metrics.ts; the attribute objects at least are made once per endpoint, destination and error type.
 */
import type { Attributes, Histogram, Meter } from '@opentelemetry/api';
import { ATTR, DURATION_BOUNDS_S, DURATION_METRICS, OTHER_DESTINATION, OTHER_METHOD, SPANS } from '../core/semconv.ts';
import type { DurationMetric, SpanKey } from '../core/semconv.ts';
import { DestinationCache } from './destination-cache.ts';
import { endpointAttributes } from './endpoint-attributes.ts';
import { destinationAttributes, rpcAttributes } from './message-attributes.ts';

/** The attributes of one endpoint and destination: on success, and per error type. */
interface Outcomes {
  readonly ok: Attributes;
  readonly failed: Map<string, Attributes>;
}

interface Timer {
  readonly histogram: Histogram;
  readonly outcomes: DestinationCache<Outcomes>;
}

const METRIC_OF: Readonly<Record<SpanKey, DurationMetric>> = {
  publish: 'operation',
  push: 'operation',
  process: 'process',
  request: 'clientCall',
  respond: 'serverCall',
};

/** What one message was and how long it took. */
interface Timed {
  readonly key: SpanKey;
  readonly endpoint: string;
  readonly destination: string;
  readonly seconds: number;
}

/** The histograms of one bus. Several buses may record into the same one: `record` adds. */
export class Durations {
  readonly #timers: Readonly<Record<SpanKey, Timer>>;

  constructor(meter: Meter, system: string) {
    const timer = (key: SpanKey): Timer => {
      const { name, unit, description } = DURATION_METRICS[METRIC_OF[key]];
      const advice = { explicitBucketBoundaries: [...DURATION_BOUNDS_S] };
      const ok = (endpoint: string, destination: string | undefined) =>
        Object.freeze(durationAttributes(key, system, endpoint, destination));
      return {
        histogram: meter.createHistogram(name, { unit, description, advice }),
        outcomes: new DestinationCache((...place) => ({ ok: ok(...place), failed: new Map() })),
      };
    };
    this.#timers = {
      publish: timer('publish'),
      push: timer('push'),
      process: timer('process'),
      request: timer('request'),
      respond: timer('respond'),
    };
  }

  /** Records a success, or a failure by its `error.type`. */
  record({ key, endpoint, destination, seconds }: Timed, type: string | undefined): void {
    const { histogram, outcomes } = this.#timers[key];
    const { ok, failed } = outcomes.get(endpoint, destination);
    if (type === undefined) {
      histogram.record(seconds, ok);
      return;
    }
    let attributes = failed.get(type);
    if (attributes === undefined) {
      attributes = Object.freeze({ ...ok, [ATTR.errorType]: type });
      failed.set(type, attributes);
    }
    histogram.record(seconds, attributes);
  }
}

function durationAttributes(
  key: SpanKey,
  system: string,
  endpoint: string,
  destination: string | undefined,
): Attributes {
  const { operation, type } = SPANS[key];
  const { [ATTR.networkTransport]: _transport, ...server } = endpointAttributes(endpoint);
  const what =
    operation === undefined || type === undefined
      ? rpcAttributes(destination ?? OTHER_METHOD)
      : {
          [ATTR.operationName]: operation,
          [ATTR.operationType]: type,
          ...destinationAttributes(destination ?? OTHER_DESTINATION),
        };
  return { [ATTR.systemName]: system, ...what, ...server };
}
