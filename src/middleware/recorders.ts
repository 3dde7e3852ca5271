/** What takes the times of one series, and the slower of the two kinds: a meter's histograms, for an SDK without our producer. */
import type { Attributes, Meter } from '@opentelemetry/api';
import { DURATION_BOUNDS_S, DURATION_METRICS, FINE_BOUNDS_S } from '../core/semconv.ts';
import type { DurationMetric } from '../core/semconv.ts';
import { quietly } from './message-span.ts';

/** Takes the times of one series. Never throws. */
export interface Recorder {
  record(seconds: number): void;
}

/** Gives the recorder of a series. */
export type RecorderFactory = (metric: DurationMetric, attributes: Attributes) => Recorder;

/** The upper bounds of a metric's buckets. */
export function boundsOf(metric: DurationMetric): readonly number[] {
  return metric === 'transportLag' || metric === 'dwell' ? FINE_BOUNDS_S : DURATION_BOUNDS_S;
}

/** Records through a meter's own histograms, which keep the attribute objects. @throws what the meter throws */
export function meterRecorders(meter: Meter): RecorderFactory {
  const histograms = Object.fromEntries(
    Object.entries(DURATION_METRICS).map(([metric, { name, unit, description }]) => {
      const advice = { explicitBucketBoundaries: [...boundsOf(metric as DurationMetric)] };
      return [metric, meter.createHistogram(name, { unit, description, advice })];
    }),
  );
  return (metric, attributes) => ({
    record: (seconds) => {
      if (seconds >= 0) quietly(() => histograms[metric]?.record(seconds, attributes));
    },
  });
}
