/**
 * A span per message: it carries W3C trace headers out, takes them in, and runs the handler inside the context they bring.
 *
 * Outermost on the way out, so that one span covers all attempts of a send; on the way in it stands after the payload stage,
 * so that nothing is taken from headers that the stack has not verified. A reply has no span and no headers: the respond
 * span covers it, and the requester knows its own context.
 *
 * Invariants: a span that was started ends exactly once, whatever happens; nothing that OpenTelemetry throws reaches a
 * message; a message enters a context at most once per direction. Without an SDK there is no valid span, and the step does
 * nothing but call `next()`.
 */
import { ROOT_CONTEXT, context, isSpanContextValid, propagation, trace as api } from '@opentelemetry/api';
import type { Span, TextMapPropagator, Tracer, TracerProvider } from '@opentelemetry/api';
import { BusError } from '../core/errors.ts';
import type { Middleware } from '../core/middleware.ts';
import { ATTR, SCHEMA_URL, SCOPE_NAME } from '../core/semconv.ts';
import type { SpanKey } from '../core/semconv.ts';
import { DestinationCache } from './destination-cache.ts';
import { receivedDestination, spanTemplate } from './message-attributes.ts';
import type { SpanTemplate } from './message-attributes.ts';
import { runInSpan, startMessageSpan } from './message-span.ts';
import { hasPropagator, hasTracer } from './tracer-presence.ts';
import { extractContext, injectContext } from './trace-headers.ts';

/** Options of {@link trace}. */
export interface TraceOptions {
  /** @default the global provider, asked for when the bus starts */
  readonly tracerProvider?: TracerProvider;
  /** Writes and reads the trace headers. @default the global propagator: W3C traceparent, tracestate and baggage */
  readonly propagator?: Pick<TextMapPropagator, 'inject' | 'extract'>;
  /**
   * `true` starts a new trace for each event and pushed message received, which only links to the sender's; baggage still
   * comes along. By default the sender's span is parent and link. Requests always continue the caller's trace.
   * @default false
   */
  readonly link?: boolean;
}

type Templates = Readonly<Record<SpanKey, DestinationCache<SpanTemplate>>>;

/** What is known once the bus has started. */
interface Attached {
  readonly tracer: Tracer;
  readonly templates: Templates;
  /** True while there is neither a tracer nor a propagator: then there is nothing to do. */
  isIdle(): boolean;
}

/**
 * Traces every message: publish and push PRODUCER, processing CONSUMER, request CLIENT, respond SERVER; see
 * docs/observability.md.
 *
 * @example
 * ```ts
 * import { Bus } from 'tracebus/core';
 * import { memory } from 'tracebus/memory';
 * import { serialize, trace } from 'tracebus/middleware';
 *
 * const bus = new Bus('prices', { transport: memory() }).use(trace({ link: true })).use(serialize());
 * ```
 */
export function trace(options: TraceOptions = {}): Middleware {
  const { tracerProvider, propagator = propagation, link = false } = options;
  expectOptions(options);
  let attached: Attached | undefined;

  return {
    name: 'trace',
    stage: 'context',
    awaitsNext: true,

    attach({ system }) {
      if (attached !== undefined) {
        throw new BusError('INVALID_PIPELINE', 'one trace() is used by two buses', { hint: 'Make one for each bus.' });
      }
      // Not before the bus starts: an application may start its SDK after it has built the bus.
      const provider = tracerProvider ?? api.getTracerProvider();
      const tracer = provider.getTracer(SCOPE_NAME, undefined, { schemaUrl: SCHEMA_URL });
      // An SDK may come later still, and then it stays.
      let isLive = tracerProvider !== undefined || propagator !== propagation;
      const isIdle = (): boolean => {
        isLive ||= hasTracer(provider);
        return !isLive && !hasPropagator();
      };
      attached = { tracer, templates: templatesFor(system), isIdle };
    },

    detach() {
      attached = undefined;
    },

    send(ctx, next) {
      if (attached === undefined || ctx.pattern === 'reply' || attached.isIdle()) return next();
      const { pattern: key, topic, endpoint, headers } = ctx;
      const parent = context.active();
      const template = attached.templates[key].get(endpoint, topic);
      const span = startMessageSpan(attached.tracer, { key, template, topic, parent });
      if (span === undefined || !isSpanContextValid(span.spanContext())) {
        injectContext(propagator, parent, headers);
        return next();
      }
      const active = api.setSpan(parent, span);
      injectContext(propagator, active, headers);
      return runInSpan(span, active, ctx, next);
    },

    receive(ctx, next) {
      if (attached === undefined || ctx.pattern === 'reply' || attached.isIdle()) return next();
      const extracted = extractContext(propagator, ctx.headers);
      const remote = api.getSpanContext(extracted);
      const key = ctx.pattern === 'request' ? 'respond' : 'process';
      const links = remote === undefined || key === 'respond' ? undefined : [{ context: remote }];
      const parent = link && key === 'process' ? api.deleteSpan(extracted) : extracted;
      const template = attached.templates[key].get(ctx.endpoint, receivedDestination(ctx));
      const span = startMessageSpan(attached.tracer, { key, template, topic: ctx.topic, parent, links });
      const isObserved = span !== undefined && isSpanContextValid(span.spanContext());
      const active = isObserved ? api.setSpan(parent, span) : extracted;
      if (active === ROOT_CONTEXT) return next();

      ctx.scope = (fn) => context.with(active, fn);
      if (!isObserved) return context.with(active, next);
      if (span.isRecording()) setMessageId(span, ctx.id);
      return runInSpan(span, active, ctx, next);
    },
  };
}

function setMessageId(span: Span, id: string): void {
  if (id !== '') span.setAttribute(ATTR.messageId, id); // plain peers give none
}

function templatesFor(system: string): Templates {
  const cache = (key: SpanKey) =>
    new DestinationCache((endpoint, destination) => spanTemplate(key, system, endpoint, destination));
  return {
    publish: cache('publish'),
    push: cache('push'),
    process: cache('process'),
    request: cache('request'),
    respond: cache('respond'),
  };
}

function expectOptions({ tracerProvider, propagator, link }: TraceOptions): void {
  if (tracerProvider !== undefined && typeof tracerProvider.getTracer !== 'function') {
    throw new TypeError(`Expected \`tracerProvider\` to be a TracerProvider, got ${typeof tracerProvider}`);
  }
  if (
    propagator !== undefined &&
    (typeof propagator.inject !== 'function' || typeof propagator.extract !== 'function')
  ) {
    throw new TypeError(`Expected \`propagator\` to be a TextMapPropagator, got ${typeof propagator}`);
  }
  if (link !== undefined && typeof link !== 'boolean') {
    throw new TypeError(`Expected \`link\` to be a boolean, got ${typeof link}`);
  }
}
