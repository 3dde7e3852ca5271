/** Jaeger's HTTP interface, as far as it is used here. */
import { getJson } from './http.ts';
import type { Query } from './http.ts';

/** A span as Jaeger tells it. */
export interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly {
    readonly refType: 'CHILD_OF' | 'FOLLOWS_FROM';
    readonly traceID: string;
    readonly spanID: string;
  }[];
  /** Microseconds since 1970. */
  readonly startTime: number;
  /** Microseconds. */
  readonly duration: number;
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
  readonly logs: readonly { readonly fields: readonly { readonly key: string; readonly value: unknown }[] }[];
  readonly processID: string;
}

/** A trace as Jaeger tells it. */
export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** An edge of the dependency graph. */
export interface Dependency {
  readonly parent: string;
  readonly child: string;
  readonly callCount: number;
}

/** One series of the service performance figures. */
export interface ServiceMetric {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** What is asked of the service performance figures. */
export interface ServiceMetricsQuery {
  readonly service: string;
  /** Jaeger's own default is `server` alone. */
  readonly spanKind: 'consumer' | 'producer' | 'client' | 'server';
  /** The last so many milliseconds. */
  readonly lookbackMs: number;
  /** What each value is a rate over, in milliseconds. */
  readonly ratePerMs: number;
}

export class JaegerApi {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  services(): Promise<string[]> {
    return this.#data<string[] | null>('/api/services').then((names) => names ?? []);
  }

  /** The latest traces of a service, with the parameters of Jaeger's search: `operation`, `tags`, `limit`, `lookback`. */
  traces(service: string, query: Query = {}): Promise<JaegerTrace[]> {
    return this.#data<JaegerTrace[] | null>('/api/traces', { service, limit: 100, lookback: '1h', ...query }).then(
      (traces) => traces ?? [],
    );
  }

  /** Undefined for one that it does not know (yet). */
  async trace(id: string): Promise<JaegerTrace | undefined> {
    const traces = await this.#data<JaegerTrace[] | null>(`/api/traces/${id}`).catch((error: unknown) => {
      if (error instanceof Error && error.message.includes(' answered 404')) return [];
      throw error;
    });
    return traces?.[0];
  }

  /** The spans of a trace as OpenTelemetry has them. */
  async otlpSpans(id: string): Promise<readonly OtlpSpan[]> {
    const { result } = await getJson<OtlpTrace>(this.url, `/api/v3/traces/${id}`);
    return result.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  }

  /** Who called or sent to whom, in the last `lookbackMs`. */
  dependencies(lookbackMs: number): Promise<Dependency[]> {
    const query = { endTs: Date.now(), lookback: lookbackMs };
    return this.#data<Dependency[] | null>('/api/dependencies', query).then((edges) => edges ?? []);
  }

  /** A figure of the Monitor page. */
  async metrics(figure: 'calls' | 'latencies' | 'errors', query: ServiceMetricsQuery): Promise<ServiceMetric[]> {
    const { service, spanKind, lookbackMs, ratePerMs } = query;
    const answer = await getJson<MetricFamily>(this.url, `/api/metrics/${figure}`, {
      service,
      spanKind,
      lookback: lookbackMs,
      ratePer: ratePerMs,
      step: 1000,
      endTs: Date.now(),
      ...(figure === 'latencies' ? { quantile: 0.95 } : {}),
    });
    return (answer.metrics ?? []).map(({ labels, metricPoints }) => ({
      labels: Object.fromEntries((labels ?? []).map(({ name, value }) => [name, value])),
      values: metricPoints.map(({ gaugeValue }) => Number(gaugeValue.doubleValue)),
    }));
  }

  async #data<T>(path: string, query?: Query): Promise<T> {
    const { data } = await getJson<{ readonly data: T }>(this.url, path, query);
    return data;
  }
}

/** A span, as far as its place among others goes. */
export interface OtlpSpan {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}

interface OtlpTrace {
  readonly result: {
    readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[] }[];
  };
}

interface MetricFamily {
  readonly metrics?: readonly {
    readonly labels?: readonly { readonly name: string; readonly value: string }[];
    readonly metricPoints: readonly { readonly gaugeValue: { readonly doubleValue: number | string } }[];
  }[];
}

/**
 * The parent of a span, by its id; undefined for a root. Where a span is a child of another and links to it as well, this
 * interface of Jaeger tells of one reference, `FOLLOWS_FROM`, and its pages draw that as a child too. (`/api/v3` tells both.)
 */
export function parentOf({ traceID, references }: JaegerSpan): string | undefined {
  const child = references.find(({ refType }) => refType === 'CHILD_OF');
  return (child ?? references.find((reference) => reference.traceID === traceID))?.spanID;
}

/** The value of a tag of a span; its kind is `span.kind`, in small letters. */
export function tagOf(span: JaegerSpan, key: string): unknown {
  return span.tags.find((tag) => tag.key === key)?.value;
}

/** The service that a span is of. */
export function serviceOf({ processes }: JaegerTrace, { processID }: JaegerSpan): string {
  return processes[processID]?.serviceName ?? '';
}
