/**
 * The life of one span around one message: started from a template, run inside its context, ended exactly once. Nothing that
 * an SDK, a sampler or an exporter throws gets through to the message; it is told to OpenTelemetry's own diagnostics.
 */
import { SpanKind, SpanStatusCode, context, diag } from '@opentelemetry/api';
import type { Context, Link, Span, Tracer } from '@opentelemetry/api';
import { messageOf } from '../core/errors.ts';
import type { Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { ATTR, SPANS } from '../core/semconv.ts';
import type { SpanKey } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { failureType } from './message-attributes.ts';
import type { SpanTemplate } from './message-attributes.ts';

type AnyContext = ReceiveContext | SendContext;

const NO_LINKS: Link[] = [];

/** What a span is started from. */
interface MessageSpanInit {
  readonly key: SpanKey;
  readonly template: SpanTemplate;
  readonly topic: string;
  readonly parent: Context;
  readonly links?: Link[] | undefined;
}

/** Starts a span; undefined when the SDK failed to. Attributes are given at once, because samplers look at them. */
export function startMessageSpan(tracer: Tracer, init: MessageSpanInit): Span | undefined {
  const { name, attributes, topicAttribute } = init.template;
  try {
    return tracer.startSpan(
      name,
      {
        kind: SpanKind[SPANS[init.key].kind],
        attributes: topicAttribute === undefined ? attributes : { ...attributes, [topicAttribute]: init.topic },
        links: init.links ?? NO_LINKS,
      },
      init.parent,
    );
  } catch (error) {
    diag.error('tracebus: a span could not be started', error);
    return undefined;
  }
}

/** Runs the rest of the chain inside `active` and ends the span when it has settled, with the error if there was one. */
export function runInSpan(span: Span, active: Context, ctx: AnyContext, next: Next): Promise<void> {
  // A span that is not sampled has nothing to record and nothing to end; only its decision travels.
  return span.isRecording() ? recorded(span, active, ctx, next) : context.with(active, next);
}

async function recorded(span: Span, active: Context, ctx: AnyContext, next: Next): Promise<void> {
  try {
    await context.with(active, next);
  } catch (error) {
    quietly(() => fail(span, error, failureType(ctx, error)));
    throw error;
  } finally {
    quietly(() => span.end());
  }
}

function fail(span: Span, error: unknown, type: string): void {
  const message = messageOf(error);
  span.setAttribute(ATTR.errorType, type);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.recordException(error instanceof Error ? error : message);
}

/** Telemetry that throws must not change what becomes of a message. */
export function quietly(run: () => void): void {
  try {
    run();
  } catch (error) {
    diag.error('tracebus: OpenTelemetry threw', error);
  }
}
