/**
 * Latencies in buckets that grow by 5 %, so percentiles are right to 5 % and a million values take no more room than ten.
 * As plain data it crosses processes, and histograms of several processes add up.
 */

/** A histogram as it travels. */
export interface HistogramData {
  /** Bucket number and how many values it holds, for those that hold any. */
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly maxMs: number;
}

/** What is shown of one. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const GROWTH = Math.log(1.05);

export class Histogram {
  readonly #counts = new Map<number, number>();
  #maxMs = 0;

  /** Times below a microsecond, or below zero because two clocks differ, count as a microsecond. */
  record(ms: number): void {
    this.#add(Math.ceil(Math.log(Math.max(1, ms * 1000)) / GROWTH), 1);
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  add(data: HistogramData): this {
    for (const [bucket, count] of data.buckets) this.#add(bucket, count);
    this.#maxMs = Math.max(this.#maxMs, data.maxMs);
    return this;
  }

  /** Takes away what had been recorded before: what is left is what came since. The maximum stays. */
  subtract(data: HistogramData): this {
    for (const [bucket, count] of data.buckets) this.#add(bucket, -count);
    return this;
  }

  /** Milliseconds that `share` (0 to 1) of the values do not exceed; 0 when there are none. */
  percentile(share: number): number {
    const sorted = this.#sorted();
    const wanted = share * sorted.reduce((sum, [, count]) => sum + count, 0);
    let seen = 0;
    for (const [bucket, count] of sorted) {
      seen += count;
      if (seen >= wanted) return Math.min(Math.exp(bucket * GROWTH) / 1000, this.#maxMs);
    }
    return 0;
  }

  percentiles(): Percentiles {
    return { p50: round(this.percentile(0.5)), p99: round(this.percentile(0.99)), max: round(this.#maxMs) };
  }

  data(): HistogramData {
    return { buckets: this.#sorted(), maxMs: this.#maxMs };
  }

  #add(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
  }

  #sorted(): [number, number][] {
    return [...this.#counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  }
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
