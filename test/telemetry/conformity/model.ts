/**
 * Telemetry as the checker sees it: one plain shape for what the SDK hands to an exporter in memory and for what leaves it over
 * OTLP. Everything is mutable data, so that a test can spoil a copy.
 */

/** Attributes as exported: a rule says which type each has. */
export type Attributes = Record<string, unknown>;

/** Where a record comes from. */
export interface Scope {
  name: string;
  version: string | undefined;
  schemaUrl: string | undefined;
}

export interface Place {
  traceId: string;
  spanId: string;
}

export interface SpanEvent {
  name: string;
  /** Nanoseconds since 1970. */
  at: bigint;
  attributes: Attributes;
}

export interface Span extends Place {
  name: string;
  kind: string;
  parentId: string | undefined;
  links: Place[];
  attributes: Attributes;
  events: SpanEvent[];
  status: { code: string; message: string | undefined };
  /** Nanoseconds since 1970. */
  start: bigint;
  end: bigint;
  scope: Scope;
  resource: Attributes;
}

/** A value of a counter or gauge. */
export interface NumberPoint {
  attributes: Attributes;
  value: number;
}

export interface HistogramPoint {
  attributes: Attributes;
  count: number;
  sum: number;
  max: number | undefined;
  bounds: number[];
  counts: number[];
}

export interface Metric {
  name: string;
  /** `counter` is a monotonic sum, `up-down-counter` one that is not. */
  instrument: string;
  unit: string;
  description: string;
  temporality: string;
  points: NumberPoint[];
  histogram: HistogramPoint[];
  scope: Scope;
  resource: Attributes;
}

export interface Log {
  eventName: string | undefined;
  severityNumber: number | undefined;
  severityText: string | undefined;
  body: unknown;
  attributes: Attributes;
  place: Place | undefined;
  scope: Scope;
  resource: Attributes;
}

/** Everything that was recorded while something ran. */
export interface Telemetry {
  spans: Span[];
  metrics: Metric[];
  logs: Log[];
  /** The ids of the spans that were started, where that could be seen. */
  started: string[] | undefined;
  /** What OpenTelemetry itself complained about, such as a span that was ended twice. */
  complaints: string[];
  /** How long it ran. No duration can be longer. */
  elapsedS: number;
}

/** What is particular about what ran; without any of it the strictest rules hold. */
export interface Particulars {
  /** Of these span names, each CONSUMER span starts a trace of its own and only links to the sender's. */
  readonly linked?: readonly string[];
  /** Metrics were not recorded. */
  readonly isUnmeasured?: boolean;
  /** Messages came in without trace headers, so their spans are roots. */
  readonly foreign?: boolean;
  /** More topics than may become names. */
  readonly isBeyondCap?: boolean;
  /** Not every message has a span: some were not sampled, or refused before there was one. */
  readonly isPartlySpanned?: boolean;
  /** Refused before they were verified: spans of these error types are roots without links. */
  readonly refused?: readonly string[];
  /** Texts of bodies, headers and baggage, which must appear nowhere. */
  readonly secrets?: readonly string[];
  /** Span ids of others, who have exported nothing: parents that nobody knows. */
  readonly strangers?: readonly string[];
  /** Names of headers that the application wants to see on spans. */
  readonly headers?: readonly string[];
  /** Attributes that the application has asked for. */
  readonly extraAttributes?: readonly string[];
}
