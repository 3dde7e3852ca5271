/** An SDK in memory, registered globally as an application does it: everything that is recorded, as the checker's plain data. */
import { DiagLogLevel, SpanKind, SpanStatusCode, context, diag, metrics, propagation, trace } from '@opentelemetry/api';
import type { Context, HrTime, SpanContext } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { AggregationTemporality, DataPointType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { MetricData, ScopeMetrics } from '@opentelemetry/sdk-metrics';
import { AlwaysOnSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { MessageBus } from '../../../src/message-bus.ts';
import type { Log, Metric, Place, Scope, Span, Telemetry } from './model.ts';

/** Options that the reader of the metrics is made with: where a producer of metrics belongs. */
type ReaderOptions = NonNullable<ConstructorParameters<typeof MetricReader>[0]>;

/** How an SDK is made. */
export interface Observing extends Pick<ReaderOptions, 'metricProducers'> {
  /** `always_on` samples also what the parent does not. */
  readonly sampler?: 'always_on';
}

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** A log record as the Logs API takes it. */
interface EmittedRecord {
  readonly eventName?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body?: unknown;
  readonly attributes?: Record<string, unknown>;
  readonly context?: Context;
}

/** Where the Logs API keeps its provider, behind a function. */
const LOGS_KEY = Symbol.for('io.opentelemetry.js.api.logs');

/** A registered SDK. */
export interface Observed {
  /** Does something to each bus before it is used. */
  readonly prepare?: (bus: MessageBus) => void;
  /** Ends the observation and unregisters the SDK. */
  finish(): Promise<Telemetry>;
}

/** Registers an SDK that, unless it is told otherwise, samples what its parent says, and roots always. */
export function observe({ sampler, metricProducers = [] }: Observing = {}): Observed {
  const started: string[] = [];
  const ended: ReadableSpan[] = [];
  const complaints: string[] = [];
  const processor: SpanProcessor = {
    onStart: (span) => void started.push(span.spanContext().spanId),
    onEnd: (span) => void ended.push(span),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const complain = (message: string, ...more: unknown[]): void => void complaints.push([message, ...more].join(' '));
  const quiet = (): void => undefined;
  const logger = { verbose: quiet, debug: quiet, info: quiet, warn: complain, error: complain };
  const reader = new Reader({ metricProducers });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const startedAt = performance.now();

  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  );
  trace.setGlobalTracerProvider(
    new TracerProvider({
      spanProcessors: [processor],
      ...(sampler !== undefined && { sampler: new AlwaysOnSampler() }),
    }),
  );
  metrics.setGlobalMeterProvider(meterProvider);
  const logs: Log[] = [];
  const loggerProvider = {
    getLogger: (name: string, version?: string, options?: { schemaUrl?: string }) => ({
      emit: (record: EmittedRecord) => void logs.push(logOf(record, scopeOf({ name, version, ...options }))),
    }),
  };
  (globalThis as Record<symbol, unknown>)[LOGS_KEY] = () => loggerProvider;

  return {
    async finish() {
      const { resourceMetrics, errors } = await reader.collect();
      for (const error of errors) complaints.push(String(error));
      Reflect.deleteProperty(globalThis, LOGS_KEY);
      for (const api of [trace, metrics, propagation, context, diag]) api.disable();
      const resource = { ...resourceMetrics.resource.attributes };
      return {
        spans: ended.map(spanOf),
        metrics: resourceMetrics.scopeMetrics.flatMap((scope) => metricsOf(scope, resource)),
        logs: logs.map((log) => ({ ...log, resource })),
        started,
        complaints,
        elapsedS: (performance.now() - startedAt) / 1000,
      };
    },
  };
}

function spanOf(span: ReadableSpan): Span {
  const { status, instrumentationScope } = span;
  return {
    ...placeOf(span.spanContext()),
    name: span.name,
    kind: SpanKind[span.kind],
    parentId: span.parentSpanContext?.spanId,
    links: span.links.map((link) => placeOf(link.context)),
    attributes: { ...span.attributes },
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      at: nanoseconds(time),
      attributes: { ...attributes },
    })),
    status: { code: SpanStatusCode[status.code], message: status.message },
    start: nanoseconds(span.startTime),
    end: nanoseconds(span.endTime),
    scope: scopeOf(instrumentationScope),
    resource: { ...span.resource.attributes },
  };
}

function placeOf({ traceId, spanId }: SpanContext): Place {
  return { traceId, spanId };
}

function scopeOf(scope: { name: string; version?: string | undefined; schemaUrl?: string | undefined }): Scope {
  return { name: scope.name, version: scope.version, schemaUrl: scope.schemaUrl };
}

function logOf(record: EmittedRecord, scope: Scope): Log {
  const spanContext = record.context && trace.getSpanContext(record.context);
  return {
    eventName: record.eventName,
    severityNumber: record.severityNumber,
    severityText: record.severityText,
    body: record.body,
    attributes: { ...record.attributes },
    place: spanContext && placeOf(spanContext),
    scope,
    resource: {},
  };
}

function metricsOf({ scope, metrics: all }: ScopeMetrics, resource: Record<string, unknown>): Metric[] {
  return all.map((metric) => ({
    name: metric.descriptor.name,
    instrument: instrumentOf(metric),
    unit: metric.descriptor.unit,
    description: metric.descriptor.description,
    temporality: AggregationTemporality[metric.aggregationTemporality].toLowerCase(),
    ...pointsOf(metric),
    scope: scopeOf(scope),
    resource,
  }));
}

function instrumentOf(metric: MetricData): string {
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? 'counter' : 'up-down-counter';
  return DataPointType[metric.dataPointType].toLowerCase();
}

function pointsOf(metric: MetricData): Pick<Metric, 'points' | 'histogram'> {
  if (metric.dataPointType === DataPointType.HISTOGRAM) {
    const histogram = metric.dataPoints.map(({ attributes, value }) => ({
      attributes: { ...attributes },
      count: value.count,
      sum: value.sum ?? Number.NaN,
      max: value.max,
      bounds: [...value.buckets.boundaries],
      counts: [...value.buckets.counts],
    }));
    return { points: [], histogram };
  }
  const points = metric.dataPoints.map(({ attributes, value }) => ({
    attributes: { ...attributes },
    value: Number(value),
  }));
  return { points, histogram: [] };
}

function nanoseconds([seconds, rest]: HrTime): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest);
}
