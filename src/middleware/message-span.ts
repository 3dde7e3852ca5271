/**
 * The life of one recorded span around one message: run inside its context and ended exactly once, by whichever comes first: its chain,
 * its call, or the end of the bus. Nothing that an SDK, a sampler or an exporter throws gets through to the message; it is told to
 * OpenTelemetry's own diagnostics.
 */
import { SpanStatusCode, context, diag } from '@opentelemetry/api';
import type { Context, HrTime, Span } from '@opentelemetry/api';
import { DONE } from '../core/done.ts';
import { messageOf } from '../core/errors.ts';
import type { Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { Roster } from '../core/roster.ts';
import { ATTR } from '../core/semconv.ts';
import type { SpanTime } from '../core/span-event.ts';
import type { CallWatcher, SendContext } from '../core/send-context.ts';
import { failureType, statusCode } from './message-attributes.ts';

type AnyContext = ReceiveContext | SendContext;

/** See the head of this file. */
export class MessageSpan implements CallWatcher {
  readonly #span: Span;
  readonly #ctx: AnyContext;
  readonly #open: Roster<MessageSpan>;
  readonly #time: SpanTime;
  /** In the roster; undefined once the span has ended. */
  #place: number | undefined;

  /** `open`: the spans that have not ended; it enters itself and leaves when it ends. */
  constructor(span: Span, ctx: AnyContext, open: Roster<MessageSpan>, time: SpanTime) {
    this.#span = span;
    this.#ctx = ctx;
    this.#open = open;
    this.#time = time;
    ctx.span = span;
    ctx.spanTime = time;
    if (ctx.direction === 'send') ctx.watcher = this;
    this.#place = open.add(this);
  }

  /** Runs the rest of the chain inside `active` and ends the span when it has settled, with the error if there was one. */
  run(active: Context, next: Next): Promise<void> {
    let running: Promise<void>;
    try {
      running = context.with(active, next);
    } catch (error) {
      this.over(error);
      throw error;
    }
    if (running !== DONE) return this.#endAfter(running);
    this.#end();
    return DONE;
  }

  async #endAfter(running: Promise<void>): Promise<void> {
    try {
      await running;
    } catch (error) {
      this.over(error);
      throw error;
    }
    this.#end();
  }

  /** The call, or the bus, has ended with an error; the chain may still run. */
  over(error: unknown): void {
    if (this.#place === undefined) return;
    const now = this.#time.now();
    markFailed(this.#span, this.#ctx, error, now);
    this.#end(now);
  }

  #end(now: HrTime = this.#time.now()): void {
    if (this.#place === undefined) return;
    this.#open.delete(this.#place);
    this.#place = undefined;
    const ctx = this.#ctx;
    // What comes later has no span to be an event of.
    ctx.span = undefined;
    ctx.spanTime = undefined;
    if (ctx.direction === 'send' && ctx.pattern !== 'request')
      setMessageId(this.#span, ctx.headers.getText('message-id'));
    try {
      this.#span.end(now);
    } catch (error) {
      thrown(error);
    }
  }
}

/** Says on a span how the message failed, and when. */
export function markFailed(span: Span, ctx: AnyContext, error: unknown, at: HrTime): void {
  quietly(() => {
    const message = messageOf(error);
    const status = statusCode(ctx, error);
    span.setAttribute(ATTR.errorType, failureType(ctx, error));
    if (status !== undefined) span.setAttribute(ATTR.rpcStatusCode, status);
    span.setStatus({ code: SpanStatusCode.ERROR, message });
    span.recordException(error instanceof Error ? error : message, at);
  });
}

/** Plain peers give no id, and a sender knows one only where the caller or a step has set it. */
export function setMessageId(span: Span, id: string | undefined): void {
  if (id === undefined || id === '') return;
  try {
    span.setAttribute(ATTR.messageId, id);
  } catch (error) {
    thrown(error);
  }
}

/** Whether there is anything to record; an SDK that cannot say is left alone. */
export function isRecording(span: Span): boolean {
  try {
    return span.isRecording();
  } catch (error) {
    thrown(error);
    return false;
  }
}

/** Telemetry that throws must not change what becomes of a message. */
export function quietly(run: () => void): void {
  try {
    run();
  } catch (error) {
    thrown(error);
  }
}

/** OpenTelemetry, or what an application has put into it, threw: that is told to its own diagnostics. */
export function thrown(error: unknown): void {
  diag.error('tracebus: OpenTelemetry threw', error);
}
