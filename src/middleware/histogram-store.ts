/**
 * Histograms of the messages' times, in plain numbers: a record is a search through fifteen bounds and five additions, about
 * a hundredth of what `histogram.record` costs, which sorts and joins the attributes each time.
 *
 * Nothing here is sent anywhere: histogram-producer.ts hands it to whoever collects. Live and closed buses add to the same
 * series, and nothing is reset while anybody exports it, so that several readers, whenever they come, all see the totals.
 */
import type { Attributes, HrTime } from '@opentelemetry/api';
import { ATTR, OTHER_DESTINATION, OTHER_METHOD, SERIES_CAP } from '../core/semconv.ts';
import type { DurationMetric } from '../core/semconv.ts';
import { boundsOf } from './recorders.ts';
import type { Recorder } from './recorders.ts';

/** One series of one histogram; see the head of this file. */
export class HistogramSeries implements Recorder {
  readonly attributes: Attributes;
  readonly bounds: readonly number[];
  readonly startTime: HrTime = timeNow();
  /** One more than there are bounds: the last bucket is open. */
  readonly counts: number[];
  count = 0;
  sum = 0;
  min: number = Infinity;
  max = 0;

  constructor(attributes: Attributes, bounds: readonly number[]) {
    this.attributes = attributes;
    this.bounds = bounds;
    this.counts = [0, ...bounds.map(() => 0)];
  }

  record(seconds: number): void {
    if (!(seconds >= 0)) return; // an SDK takes no negative number and no NaN either
    let bucket = 0;
    while (seconds > (this.bounds[bucket] ?? Infinity)) bucket++; // a bound is part of its bucket
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.count++;
    this.sum += seconds;
    if (seconds < this.min) this.min = seconds;
    if (seconds > this.max) this.max = seconds;
  }
}

/** See the head of this file. */
export class HistogramStore {
  readonly #metrics = new Map<DurationMetric, Map<string, HistogramSeries>>();
  #exporters = 0;

  /** True while somebody exports this store: only then may durations go into it. */
  get isExported(): boolean {
    return this.#exporters > 0;
  }

  /** Says that somebody exports this store, until the function that it returns is called. */
  exported(): () => void {
    let isOver = false;
    // What was told before nobody exported any more belongs to an SDK that has stopped; like its counters, it is not told by the next.
    if (this.#exporters === 0) this.#metrics.clear();
    this.#exporters++;
    return () => {
      if (!isOver) this.#exporters--;
      isOver = true;
    };
  }

  /** The series of these attributes: keep it and record into it. */
  series(metric: DurationMetric, attributes: Attributes): HistogramSeries {
    const known = this.#metrics.get(metric);
    const all = known ?? new Map<string, HistogramSeries>();
    if (known === undefined) this.#metrics.set(metric, all);
    const key = JSON.stringify(attributes);
    const found = all.get(key);
    if (found !== undefined) return found;
    const fewer = all.size >= SERIES_CAP ? collapsed(attributes) : attributes;
    const fewerKey = fewer === attributes ? key : JSON.stringify(fewer);
    const made = all.get(fewerKey) ?? new HistogramSeries(Object.freeze(fewer), boundsOf(metric));
    all.set(fewerKey, made);
    return made;
  }

  /** Every metric that has series, with those that something was recorded into. */
  *all(): Generator<[metric: DurationMetric, series: HistogramSeries[]]> {
    for (const [metric, series] of this.#metrics) {
      const used = [...series.values()].filter(({ count }) => count > 0);
      if (used.length > 0) yield [metric, used];
    }
  }
}

/** The store of all buses on the global MeterProvider. */
export const sharedHistograms: HistogramStore = new HistogramStore();

/** These attributes with everything that there may be many of made one. */
function collapsed(attributes: Attributes): Attributes {
  const few: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name === ATTR.serverAddress || name === ATTR.serverPort) continue;
    if (name === ATTR.destinationName || name === ATTR.destinationTemplate)
      few[ATTR.destinationName] = OTHER_DESTINATION;
    else few[name] = name === ATTR.rpcMethod ? OTHER_METHOD : value;
  }
  return few;
}

/** Now, as seconds since 1970 and nanoseconds. */
export function timeNow(): HrTime {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.floor((ms - seconds * 1000) * 1e6)];
}
