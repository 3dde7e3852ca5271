/** What `trace` does to messages once its bus has started; the why is at the head of trace.ts. */
import { INVALID_SPANID, INVALID_TRACEID, ROOT_CONTEXT, TraceFlags, context, trace as api } from '@opentelemetry/api';
import type { Span, SpanContext } from '@opentelemetry/api';
import type { Clock } from '../core/clock.ts';
import { BusError } from '../core/errors.ts';
import type { MiddlewareHost, Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { Failure } from '../core/reporter.ts';
import { Roster } from '../core/roster.ts';
import { ATTR, SPAN_EVENTS } from '../core/semconv.ts';
import type { SpanKey } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { addSpanEvent } from '../core/span-event.ts';
import { light } from './light-context.ts';
import { MessageSpan, isRecording, setMessageId } from './message-span.ts';
import { RejectedSpans } from './rejected-spans.ts';
import { SpanStarter } from './span-starter.ts';
import { RunningTime, hrTime } from './span-times.ts';
import type { TraceHeaders } from './trace-headers.ts';
import { TraceHooks } from './trace-hooks.ts';
import type { TraceOptions } from './trace-options.ts';
import type { SpanMaker } from './tracer-presence.ts';

const TRACE_ID_LENGTH = 32;
const SPAN_ID_LENGTH = 16;

/** See the head of this file. */
export class Tracing {
  readonly #headers: TraceHeaders;
  readonly #hooks: TraceHooks;
  readonly #link: boolean;
  readonly #follows: boolean;
  readonly #clock: Clock;
  readonly #starter: SpanStarter;
  readonly #rejected: RejectedSpans;
  /** Spans that have not ended. */
  readonly #open = new Roster<MessageSpan>();

  constructor(tracer: SpanMaker, headers: TraceHeaders, options: TraceOptions, host: MiddlewareHost) {
    const { link = false, unsampled = 'follow' } = options;
    this.#headers = headers;
    this.#hooks = new TraceHooks(options, host.logger);
    this.#link = link;
    this.#follows = unsampled === 'follow';
    this.#clock = host.clock;
    this.#starter = new SpanStarter(tracer, host.system);
    this.#rejected = new RejectedSpans(this.#starter, this.#hooks, host.clock);
  }

  /** A message on its way out. */
  send(ctx: SendContext, key: SpanKey, next: Next): Promise<void> {
    const parent = context.active();
    // What the handler of a message that was followed sends is followed too.
    const sender = api.getSpanContext(parent);
    const skips = this.#isFollowed(sender) || !this.#hooks.wants(ctx);
    const added = skips ? undefined : this.#hooks.attributes(ctx);
    const startUs = skips ? 0 : this.#clock.wallUs();
    const span = skips ? undefined : this.#starter.start(key, ctx, { parent, startTime: hrTime(startUs), added });
    if (span === undefined) {
      this.#headers.inject(parent, ctx.headers);
      return next();
    }
    const active = api.setSpan(light(parent), span);
    this.#headers.inject(active, ctx.headers);
    // A span that is not sampled has nothing to record and nothing to end; only its decision travels.
    if (!isRecording(span)) return context.with(active, next);
    return this.#record(span, ctx, startUs).run(active, next);
  }

  /** A message on its way in, its headers verified where the stack does that. */
  receive(ctx: ReceiveContext, key: SpanKey, next: Next): Promise<void> {
    ctx.traced = true;
    const extracted = this.#headers.extract(ctx.headers);
    const given = api.getSpanContext(extracted);
    const remote = given !== undefined && isPlausible(given) ? given : undefined;
    const isMessage = key === 'process';
    const isRoot = isMessage && (ctx.link ?? this.#link);
    const parent = isRoot ? api.deleteSpan(extracted) : extracted;
    const links = isMessage && remote !== undefined ? [{ context: remote }] : undefined;
    const skips = (!isRoot && this.#isFollowed(remote)) || !this.#hooks.wants(ctx);
    const added = skips ? undefined : this.#hooks.attributes(ctx);
    const startUs = skips ? 0 : this.#clock.wallUs();
    const span = skips
      ? undefined
      : this.#starter.start(key, ctx, { parent, startTime: hrTime(startUs), links, added });
    const active = span === undefined ? extracted : api.setSpan(light(parent), span);
    if (active === ROOT_CONTEXT && context.active() === ROOT_CONTEXT) return next();

    ctx.scope = active;
    if (span === undefined || !isRecording(span)) return context.with(active, next);
    if (isMessage) setMessageId(span, ctx.id);
    const recorded = this.#record(span, ctx, startUs);
    if (ctx.missed > 0) addSpanEvent(ctx, SPAN_EVENTS.gap, { [ATTR.missed]: ctx.missed });
    return recorded.run(active, next);
  }

  /** A failure that no call reports. */
  failed(failure: Failure): void {
    this.#rejected.note(failure);
  }

  /** The bus has closed: what still runs is not waited for. */
  close(): void {
    for (const one of this.#open.all()) one.over(new BusError('CLOSED', 'the bus was closed while this was under way'));
  }

  #record(span: Span, ctx: ReceiveContext | SendContext, startUs: number): MessageSpan {
    return new MessageSpan(span, ctx, this.#open, new RunningTime(this.#clock, startUs));
  }

  #isFollowed(sender: SpanContext | undefined): sender is SpanContext {
    if (!this.#follows || sender?.isRemote !== true) return false;
    return (sender.traceFlags & TraceFlags.SAMPLED) === 0 && isPlausible(sender);
  }
}

/**
 * What a propagator has read and passed, which may be anything: it must not cost the message. Only the SDK looks at each digit, when it
 * makes a span of it.
 */
function isPlausible({ traceId, spanId }: { readonly [Id in 'traceId' | 'spanId']?: string }): boolean {
  return (
    traceId?.length === TRACE_ID_LENGTH &&
    spanId?.length === SPAN_ID_LENGTH &&
    traceId !== INVALID_TRACEID &&
    spanId !== INVALID_SPANID
  );
}
