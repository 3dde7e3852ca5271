/**
 * A span per message: it carries W3C trace headers out, takes them in, and runs the handler inside the context they bring.
 *
 * Outermost on the way out, so that one span covers all attempts of a send; on the way in it stands after the payload stage,
 * so that nothing is taken from headers that the stack has not verified. A reply has no span and no headers: the respond
 * span covers it, and the requester knows its own context.
 *
 * Invariants: a span that was started ends exactly once, whatever happens, at the latest when the bus has closed; nothing that
 * OpenTelemetry or a hook throws reaches a message; a message enters a context at most once per direction. Without an SDK
 * there is no valid span, and the step does nothing but call `next()`.
 *
 *     tracing.ts        what happens to a message           span-starter.ts    name, kind and attributes
 *     message-span.ts   the life of one recorded span       rejected-spans.ts  messages dropped before this step
 *     trace-headers.ts  contexts in headers                 trace-hooks.ts     what the application adds
 */
import { propagation } from '@opentelemetry/api';
import { BusError } from '../core/errors.ts';
import type { Middleware } from '../core/middleware.ts';
import { spanKeyOf } from './message-attributes.ts';
import { TraceHeaders } from './trace-headers.ts';
import { checkTraceOptions } from './trace-options.ts';
import type { TraceOptions } from './trace-options.ts';
import { hasPropagator, LateTracer } from './tracer-presence.ts';
import { Tracing } from './tracing.ts';

export type { TraceOptions } from './trace-options.ts';

/** What is known once the bus has started. */
interface Attached {
  readonly tracing: Tracing;
  /** True while there is neither a tracer nor a propagator: then there is nothing to do. */
  isIdle(): boolean;
  /** Hears of no more failures. */
  unlisten(): void;
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
 * const bus = new Bus({ serviceName: 'prices', transport: memory() });
 * bus.use(trace({ headers: ['tenant'], filter: (message) => message.topic !== 'price.heartbeat' })).use(serialize());
 * ```
 */
export function trace(options: TraceOptions = {}): Middleware {
  checkTraceOptions(options);
  const { tracerProvider, propagator = propagation, baggage = true } = options;
  let attached: Attached | undefined;

  return {
    name: 'trace',
    stage: 'context',
    awaitsNext: true,

    attach(host) {
      if (attached !== undefined) {
        throw new BusError('INVALID_PIPELINE', 'one trace() is used by two buses', { hint: 'Make one for each bus.' });
      }
      // Not before the bus starts: an application may start its SDK after it has built the bus.
      const tracer = new LateTracer(tracerProvider);
      const ownPropagator = propagator !== propagation;
      const isIdle = (): boolean => !tracer.isLive && !ownPropagator && !hasPropagator();
      const tracing = new Tracing(tracer, new TraceHeaders(propagator, baggage), options, host);
      const unlisten = host.onFailure((failure) => {
        if (!isIdle()) tracing.failed(failure);
      });
      attached = { tracing, isIdle, unlisten };
    },

    detach() {
      attached?.unlisten();
      attached?.tracing.close();
      attached = undefined;
    },

    send(ctx, next) {
      const key = spanKeyOf(ctx);
      return attached === undefined || key === undefined || attached.isIdle()
        ? next()
        : attached.tracing.send(ctx, key, next);
    },

    receive(ctx, next) {
      const key = spanKeyOf(ctx);
      return attached === undefined || key === undefined || attached.isIdle()
        ? next()
        : attached.tracing.receive(ctx, key, next);
    },
  };
}
