/** What left the SDK over OTLP/HTTP with JSON, as the checker's plain data. */
import type { OtlpSink } from '../otlp-sink.ts';
import type { Attributes, HistogramPoint, Log, Metric, NumberPoint, Scope, Span, Telemetry } from './model.ts';

interface Value {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly Value[] };
}
type KeyValues = readonly { readonly key: string; readonly value: Value }[];

interface Scoped {
  readonly scope: { readonly name: string; readonly version?: string };
  readonly schemaUrl?: string;
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: KeyValues;
  readonly events?: readonly {
    readonly name: string;
    readonly timeUnixNano: string;
    readonly attributes?: KeyValues;
  }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface OtlpPoint {
  readonly attributes?: KeyValues;
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly count?: number | string;
  readonly sum?: number;
  readonly max?: number;
  readonly bucketCounts?: readonly (number | string)[];
  readonly explicitBounds?: readonly number[];
}
interface OtlpPoints {
  readonly aggregationTemporality?: number;
  readonly isMonotonic?: boolean;
  readonly dataPoints: readonly OtlpPoint[];
}
interface OtlpMetric {
  readonly name: string;
  readonly description?: string;
  readonly unit?: string;
  readonly sum?: OtlpPoints;
  readonly gauge?: OtlpPoints;
  readonly histogram?: OtlpPoints;
}

interface OtlpLog {
  readonly eventName?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body?: Value;
  readonly attributes?: KeyValues;
  readonly traceId?: string;
  readonly spanId?: string;
}

interface Resource {
  readonly resource: { readonly attributes: KeyValues };
}
interface OtlpBody {
  readonly resourceSpans?: readonly (Resource & {
    readonly scopeSpans: readonly (Scoped & { readonly spans: readonly OtlpSpan[] })[];
  })[];
  readonly resourceMetrics?: readonly (Resource & {
    readonly scopeMetrics: readonly (Scoped & { readonly metrics: readonly OtlpMetric[] })[];
  })[];
  readonly resourceLogs?: readonly (Resource & {
    readonly scopeLogs: readonly (Scoped & { readonly logRecords: readonly OtlpLog[] })[];
  })[];
}

/** Numbers of the protocol by what they mean. */
const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUS = ['UNSET', 'OK', 'ERROR'];
const TEMPORALITY = ['unspecified', 'delta', 'cumulative'];

/** Everything that the sink has got; of the metrics the last export, which has the totals. */
export function read({ exports }: OtlpSink, elapsedS: number): Telemetry {
  const bodies = exports.map(({ body }) => body as OtlpBody);
  const lastMetrics = bodies.filter(({ resourceMetrics }) => resourceMetrics !== undefined).at(-1);
  return {
    spans: bodies.flatMap(spansOf),
    metrics: lastMetrics === undefined ? [] : metricsOf(lastMetrics),
    logs: bodies.flatMap(logsOf),
    started: undefined,
    complaints: [],
    elapsedS,
  };
}

function spansOf({ resourceSpans = [] }: OtlpBody): Span[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scoped) =>
      scoped.spans.map((span) => spanOf(span, scopeOf(scoped), attributesOf(resource.attributes))),
    ),
  );
}

function spanOf(span: OtlpSpan, scope: Scope, resource: Attributes): Span {
  const { traceId, spanId, parentSpanId, name, kind, status, links = [], events = [] } = span;
  return {
    traceId,
    spanId,
    parentId: parentSpanId === undefined || parentSpanId === '' ? undefined : parentSpanId,
    name,
    kind: KINDS[kind] ?? String(kind),
    links: links.map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
    attributes: attributesOf(span.attributes),
    events: events.map((event) => ({
      name: event.name,
      at: BigInt(event.timeUnixNano),
      attributes: attributesOf(event.attributes),
    })),
    status: { code: STATUS[status.code] ?? String(status.code), message: status.message },
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    scope,
    resource,
  };
}

function metricsOf({ resourceMetrics = [] }: OtlpBody): Metric[] {
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap((scoped) =>
      scoped.metrics.map((metric) => metricOf(metric, scopeOf(scoped), attributesOf(resource.attributes))),
    ),
  );
}

function metricOf(metric: OtlpMetric, scope: Scope, resource: Attributes): Metric {
  const { name, description = '', unit = '', sum, gauge, histogram } = metric;
  const temporality = TEMPORALITY[(sum ?? histogram)?.aggregationTemporality ?? 0] ?? 'unknown';
  const instrument =
    sum === undefined
      ? gauge === undefined
        ? 'histogram'
        : 'gauge'
      : sum.isMonotonic === true
        ? 'counter'
        : 'up-down-counter';
  return {
    name,
    description,
    unit,
    instrument,
    temporality,
    points: ((sum ?? gauge)?.dataPoints ?? []).map(numberPoint),
    histogram: (histogram?.dataPoints ?? []).map(histogramPoint),
    scope,
    resource,
  };
}

function numberPoint({ attributes, asInt, asDouble }: OtlpPoint): NumberPoint {
  return { attributes: attributesOf(attributes), value: Number(asInt ?? asDouble) };
}

function histogramPoint({
  attributes,
  count,
  sum,
  max,
  bucketCounts = [],
  explicitBounds = [],
}: OtlpPoint): HistogramPoint {
  return {
    attributes: attributesOf(attributes),
    count: Number(count),
    sum: Number(sum),
    max,
    bounds: [...explicitBounds],
    counts: bucketCounts.map(Number),
  };
}

function logsOf({ resourceLogs = [] }: OtlpBody): Log[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap((scoped) =>
      scoped.logRecords.map((record) => logOf(record, scopeOf(scoped), attributesOf(resource.attributes))),
    ),
  );
}

function logOf(record: OtlpLog, scope: Scope, resource: Attributes): Log {
  const { eventName, severityNumber, severityText, body, traceId = '', spanId = '' } = record;
  return {
    eventName,
    severityNumber,
    severityText,
    body: body && valueOf(body),
    attributes: attributesOf(record.attributes),
    place: spanId === '' ? undefined : { traceId, spanId },
    scope,
    resource,
  };
}

function scopeOf({ scope, schemaUrl }: Scoped): Scope {
  return { name: scope.name, version: scope.version, schemaUrl };
}

function attributesOf(attributes: KeyValues = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf({ stringValue, boolValue, intValue, doubleValue, arrayValue }: Value): unknown {
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(valueOf);
  return stringValue ?? boolValue ?? (intValue === undefined ? doubleValue : Number(intValue));
}
