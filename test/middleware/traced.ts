/** What tests of spans share: a provider that records and counts, and buses that are traced with it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { SpanKind, SpanStatusCode, context, diag } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { ReadableSpan, Sampler, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Bus } from '../../src/core/bus.ts';
import type { Middleware, MiddlewareFunction } from '../../src/core/middleware.ts';
import type { CoreBusOptions } from '../../src/core/options.ts';
import { ATTR, SCOPE_NAME, SPANS, SPAN_EVENT_FACTS } from '../../src/core/semconv.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { trace } from '../../src/middleware/trace.ts';
import type { TraceOptions } from '../../src/middleware/trace.ts';
import { memoryBus } from './memory-bus.ts';

export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
export const SPAN_ID = 'b7ad6b7169203331';
export const SAMPLED = `00-${TRACE_ID}-${SPAN_ID}-01`;
export const UNSAMPLED = `00-${TRACE_ID}-${SPAN_ID}-00`;

export const w3c = new CompositePropagator({
  propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
});

const settled = (): Promise<void> => Promise.resolve();

/** A provider with an exporter, that counts starts and ends, and what OpenTelemetry complained of. */
export class Recorder {
  readonly complaints: string[] = [];
  readonly provider: TracerProvider;
  readonly #exporter = new InMemorySpanExporter();
  readonly #open = new Map<string, string>();
  #ends = 0;

  constructor({ sampler, processors = [] }: { sampler?: Sampler; processors?: SpanProcessor[] } = {}) {
    const counting: SpanProcessor = {
      onStart: (span) => void this.#open.set(span.spanContext().spanId, span.name),
      onEnd: (span) => {
        this.#ends++;
        assert.ok(this.#open.delete(span.spanContext().spanId), `${span.name} ended once`);
      },
      forceFlush: settled,
      shutdown: settled,
    };
    this.provider = new TracerProvider({
      ...(sampler !== undefined && { sampler }),
      spanProcessors: [counting, new SimpleSpanProcessor({ exporter: this.#exporter }), ...processors],
    });
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const complain = (...words: unknown[]): void => void this.complaints.push(words.map(String).join(' '));
    const ignore = (): void => {};
    diag.setLogger(
      { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore },
      { suppressOverrideMessage: true },
    );
  }

  /** The spans that have ended, in the order in which they did. */
  get ended(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  get only(): ReadableSpan {
    assert.equal(this.ended.length, 1, this.names.join());
    return this.ended[0]!;
  }

  get names(): string[] {
    return this.ended.map(({ kind, name }) => `${SpanKind[kind]} ${name}`);
  }

  /** Names of those that have not. */
  get open(): string[] {
    return [...this.#open.values()];
  }

  of(kind: SpanKind): ReadableSpan[] {
    return this.ended.filter((span) => span.kind === kind);
  }

  reset(): void {
    this.#exporter.reset();
  }

  /** Every span has ended, none twice, and OpenTelemetry has nothing to say. */
  expectBalance(): void {
    assert.deepEqual(this.open, [], 'every span has ended');
    assert.deepEqual(this.complaints, [], 'and nothing was done to an ended one');
    assert.ok(this.#ends > 0);
    for (const span of this.ended) expectListed(span);
  }
}

/** How a traced bus is made. */
export interface TracedOptions {
  readonly recorder: Recorder;
  readonly options?: TraceOptions;
  /** Besides trace and serialize. */
  readonly steps?: readonly (Middleware | MiddlewareFunction)[];
  readonly bus?: Partial<CoreBusOptions>;
}

/** A bus on the memory transport that is closed when the test ends. */
export function tracedBus(t: TestContext, { recorder, options, steps = [], bus: config }: TracedOptions): Bus {
  const step = trace({ tracerProvider: recorder.provider, propagator: w3c, ...options });
  const { bus } = memoryBus([step, ...steps, serialize()], config);
  t.after(() => bus.close({ timeoutMs: 0 }));
  return bus;
}

/** The events of a span as `name {attributes}`. */
export function eventsOf({ events }: ReadableSpan): string[] {
  return events
    .filter(({ name }) => name !== 'exception')
    .map(({ name, attributes }) => `${name} ${JSON.stringify(attributes)}`);
}

/** A status in words: `ok`, or `error: error.type`; that the two agree is checked. */
export function outcomeOf({ status, attributes }: ReadableSpan): string {
  const type = attributes['error.type'];
  assert.equal(status.code === SpanStatusCode.ERROR, type !== undefined, 'error.type if and only if ERROR');
  return type === undefined ? 'ok' : `error: ${String(type)}`;
}

/** A span of the bus has the attributes and events that semconv.ts lists for it, and no others. */
function expectListed({ name, kind, attributes, events, instrumentationScope }: ReadableSpan): void {
  if (instrumentationScope.name !== SCOPE_NAME) return;
  const [key, facts] =
    Object.entries(SPANS).find(
      ([, one]) => SpanKind[one.kind] === kind && one.operation === attributes[ATTR.operationName],
    ) ?? assert.fail(`${name} is no span of semconv.ts`);
  const own = (one: string): boolean => !one.startsWith(facts.headerPrefix) && !one.startsWith('app.');
  const names = Object.keys(attributes).filter(own);
  const listed = [...facts.required, ...facts.optional];
  assert.deepEqual([name, facts.required.filter((one) => !names.includes(one))], [name, []]);
  assert.deepEqual([name, names.filter((one) => !listed.includes(one))], [name, []]);
  for (const event of events.filter((one) => one.name !== 'exception')) {
    const fact = Object.values(SPAN_EVENT_FACTS).find((one) => one.name === event.name);
    assert.ok(
      fact?.spans.some((one) => one === key),
      `${event.name} on ${name}`,
    );
    assert.deepEqual(Object.keys(event.attributes ?? {}), fact?.attributes);
  }
}
