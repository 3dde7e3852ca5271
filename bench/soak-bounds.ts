/** What samples of a process' memory say: flat, or growing. */
import { slope } from './statistics.ts';

export interface Sample {
  /** Since the scene began. */
  readonly seconds: number;
  /** After a collection. */
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
}

export interface Trend {
  /** By how much the regression says it has grown over the time of the samples, in bytes. */
  readonly heapGrowth: number;
  readonly externalGrowth: number;
  /** The mean of the last quarter divided by that of the first. */
  readonly rssRatio: number;
  readonly heapMean: number;
  readonly externalMean: number;
  readonly rssMean: number;
}

/** Compiled code and caches settle within the first part of a scene, which is left out. */
const SETTLING = 0.15;
/** What counts as flat: growth below a twentieth of the mean, or below so many bytes where the mean is small. */
const FLAT_SHARE = 0.05;
const FLAT_HEAP_BYTES = 2 * 2 ** 20;

/** Bounds of a scene. */
export interface Limits {
  readonly flatExternalBytes: number;
  /** The resident set of the last quarter by that of the first. */
  readonly rssRatio: number;
}

/**
 * At full load the packets on their way to a socket (at most 256 of 32 KB) come and go, which the regression wavers with and the allocator
 * keeps room for.
 */
export const LIMITS: Readonly<Record<'half' | 'full', Limits>> = {
  half: { flatExternalBytes: 2 * 2 ** 20, rssRatio: 1.05 },
  full: { flatExternalBytes: 4 * 2 ** 20, rssRatio: 1.15 },
};

/** Fewer say nothing. */
const LEAST_SAMPLES = 8;

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

/** @throws Error when there are too few samples to tell */
export function trendOf(samples: readonly Sample[]): Trend {
  const settled = samples.slice(Math.floor(samples.length * SETTLING));
  if (settled.length < LEAST_SAMPLES) throw new Error(`${settled.length} samples say nothing: soak longer`);
  const span = (settled.at(-1)?.seconds ?? 0) - (settled[0]?.seconds ?? 0);
  const growth = (pick: (sample: Sample) => number): number =>
    slope(settled.map((sample) => [sample.seconds, pick(sample)] as const)) * span;
  const quarter = Math.floor(settled.length / 4);
  const rss = settled.map((sample) => sample.rss);
  return {
    heapGrowth: growth((sample) => sample.heapUsed),
    externalGrowth: growth((sample) => sample.external),
    rssRatio: mean(rss.slice(-quarter)) / mean(rss.slice(0, quarter)),
    heapMean: mean(settled.map((sample) => sample.heapUsed)),
    externalMean: mean(settled.map((sample) => sample.external)),
    rssMean: mean(rss),
  };
}

/** Which bounds a trend violates. */
export function violations(trend: Trend, limits: Limits): string[] {
  const isFlat = (growth: number, of: number, least: number): boolean => growth <= Math.max(least, of * FLAT_SHARE);
  return [
    ...(isFlat(trend.heapGrowth, trend.heapMean, FLAT_HEAP_BYTES) ? [] : ['heap grows']),
    ...(isFlat(trend.externalGrowth, trend.externalMean, limits.flatExternalBytes) ? [] : ['external memory grows']),
    ...(trend.rssRatio <= limits.rssRatio ? [] : ['RSS grows']),
  ];
}
