/**
 * Latencies in logarithmic buckets, as HDR histograms have them: 64 to each doubling, so that a percentile is at most 1.6 % off, from a
 * microsecond to an hour, in a few kilobytes and without keeping the values.
 */
const PER_DOUBLING = 64;
const SMALLEST_MS = 0.001;
const DOUBLINGS = 32;

/** What a row shows of its latencies, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class Histogram {
  readonly #counts = new Float64Array(PER_DOUBLING * DOUBLINGS);
  #count = 0;
  #max = 0;

  record(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`Expected \`ms\` to be a time from 0, got ${ms}`);
    const index = Math.floor(Math.log2(Math.max(1, ms / SMALLEST_MS)) * PER_DOUBLING);
    const bucket = Math.min(index, this.#counts.length - 1);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
    if (ms > this.#max) this.#max = ms;
  }

  get count(): number {
    return this.#count;
  }

  /** The middle of the bucket that holds the value below which the share `p` (0 to 1) lies; NaN without values. */
  percentile(p: number): number {
    if (this.#count === 0) return NaN;
    const rank = Math.max(1, Math.ceil(p * this.#count));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return Math.min(this.#max, SMALLEST_MS * 2 ** ((bucket + 0.5) / PER_DOUBLING));
    }
    return this.#max;
  }

  percentiles(): Percentiles {
    const at = (p: number): number => this.percentile(p);
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: this.#max };
  }
}
