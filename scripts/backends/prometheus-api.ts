/** Prometheus' HTTP interface, as far as it is used here. */
import { getJson } from './http.ts';
import type { Query } from './http.ts';

export type Labels = Readonly<Record<string, string>>;

/** A series and its value now. */
export interface Sample {
  readonly metric: Labels;
  readonly value: number;
}

/** A series and its values over time. */
export interface Range {
  readonly metric: Labels;
  /** Seconds since 1970, and the value. */
  readonly values: readonly (readonly [seconds: number, value: number])[];
}

export interface ScrapeTarget {
  readonly labels: Labels;
  readonly scrapeUrl: string;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

export interface ActiveAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: 'pending' | 'firing';
  readonly value: string;
}

/** What is asked of a range. */
export interface RangeQuery {
  readonly expr: string;
  /** Seconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly stepSeconds: number;
}

export class PrometheusApi {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The value of an expression now. A scalar is a series without labels. @throws Error for an expression that makes no sense */
  async query(expr: string): Promise<Sample[]> {
    const { resultType, result } = await this.#data<Vector | Scalar>('/api/v1/query', { query: expr });
    if (resultType === 'scalar') return [{ metric: {}, value: Number(result[1]) }];
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** The values of an expression over a time. */
  async queryRange({ expr, start, end, stepSeconds }: RangeQuery): Promise<Range[]> {
    const query = { query: expr, start, end, step: stepSeconds };
    const { result } = await this.#data<Matrix>('/api/v1/query_range', query);
    return result.map(({ metric, values }) => ({ metric, values: values.map(([at, text]) => [at, Number(text)]) }));
  }

  /** Names of all metrics that it has. */
  metricNames(): Promise<string[]> {
    return this.#data<string[]>('/api/v1/label/__name__/values');
  }

  /** Type and description of each metric, by its name in the exposition. */
  metadata(): Promise<Readonly<Record<string, readonly { readonly type: string; readonly help: string }[]>>> {
    return this.#data('/api/v1/metadata');
  }

  async targets(): Promise<readonly ScrapeTarget[]> {
    const { activeTargets } = await this.#data<{ activeTargets: ScrapeTarget[] }>('/api/v1/targets');
    return activeTargets;
  }

  async alerts(): Promise<readonly ActiveAlert[]> {
    const { alerts } = await this.#data<{ alerts: ActiveAlert[] }>('/api/v1/alerts');
    return alerts;
  }

  /** Labels of the exemplars of the last minutes. */
  async exemplars(expr: string, lookbackSeconds: number): Promise<Labels[]> {
    const now = Date.now() / 1000;
    const query = { query: expr, start: now - lookbackSeconds, end: now };
    const series = await this.#data<{ exemplars: { labels: Labels }[] }[]>('/api/v1/query_exemplars', query);
    return series.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels));
  }

  async #data<T>(path: string, query?: Query): Promise<T> {
    const { data } = await getJson<{ readonly data: T }>(this.url, path, query);
    return data;
  }
}

type Point = readonly [seconds: number, value: string];

interface Vector {
  readonly resultType: 'vector';
  readonly result: readonly { readonly metric: Labels; readonly value: Point }[];
}

interface Scalar {
  readonly resultType: 'scalar';
  readonly result: Point;
}

interface Matrix {
  readonly result: readonly { readonly metric: Labels; readonly values: readonly Point[] }[];
}
