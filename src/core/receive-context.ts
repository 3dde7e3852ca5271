/**
 * One message on its way in, as middleware sees it, and what a handler gets (through the narrower type {@link Message}: no
 * copy). A class with every field set in the constructor; `id`, `signal` and `state` are made when they are asked for.
 */
import { context } from '@opentelemetry/api';
import type { Context, Span } from '@opentelemetry/api';
import { errorType } from './errors.ts';
import type { MessageHeaders } from './headers.ts';
import type { Kind, MessagePattern } from './kinds.ts';
import { ATTR, SPAN_EVENTS } from './semconv.ts';
import { addSpanEvent } from './span-event.ts';
import type { SpanTime } from './span-event.ts';

/** What a handler gets. */
export interface Message<Body = unknown> {
  readonly body: Body;
  readonly topic: string;
  readonly headers: MessageHeaders;
  /** The header `message-id`, else `epoch.topic.sequence`: unique per message. Empty over plain peers. */
  readonly id: string;
  /** The correlation id of a request or reply. */
  readonly correlation: string | undefined;
  /** The service name of the sender, as it says itself (only signatures prove it). */
  readonly sender: string | undefined;
  /** When the sender's bus handed the message over, in milliseconds since 1970, by its clock; undefined over plain peers. */
  readonly sentAt: number | undefined;
  /** Aborted when the caller cancelled, when the deadline passed, and when `close` stops waiting. */
  readonly signal: AbortSignal;
  /** How many messages of the same topic and publisher are known to be missing just before this one; 0 for what is not an event. */
  readonly missed: number;
  /** Runs a function inside the message's trace context: for bodies of `for await`. */
  run<T>(fn: () => T): T;
}

/** The call that a reply ends. */
export interface PendingCall {
  answer(reply: ReceiveContext): void;
  fail(error: unknown): void;
}

/** Wants to know when a handler starts. Must not throw. */
export interface StartWatch {
  handlerStarts(ctx: ReceiveContext): void;
}

/** The end of the way in. */
export interface Delivery {
  /** Settles when the handlers have. */
  deliver(ctx: ReceiveContext): Promise<void> | undefined;
}

/** What the bus gives when it makes a {@link ReceiveContext}. */
export interface ReceiveInit {
  readonly pattern: MessagePattern;
  readonly kind: Kind;
  readonly topic: string;
  readonly headers: MessageHeaders;
  readonly payload: Uint8Array;
  readonly endpoint: string;
  readonly epoch: number;
  readonly sequence: number;
  /** Microseconds since 1970; 0 where the wire carries none. */
  readonly sentAtUs: number;
  readonly receivedAt: number;
  readonly deadline?: number | undefined;
  /** The pattern of the first subscription that matched. */
  readonly subscription?: string | undefined;
  /** The option `link` of the subscriptions that matched. */
  readonly link?: boolean | undefined;
  /** Who it came from, as the transport tells peers apart; only the transport's word counts for cancels. */
  readonly peer?: string | undefined;
  /** Stands for the socket that received it. */
  readonly socket?: object | undefined;
  /** The request that this reply answers: its `SendContext`. */
  readonly request?: object | undefined;
}

/** An incoming message: event, pushed message, request, reply or error reply. */
export class ReceiveContext implements Message {
  readonly direction = 'receive' as const;
  readonly pattern: MessagePattern;
  readonly kind: Kind;
  readonly topic: string;
  readonly headers: MessageHeaders;
  /** The decoded value; undefined before the deserialize step. */
  body: unknown = undefined;
  /** The bytes; views into the packet, read-only. Copy what you keep. */
  payload: Uint8Array;
  readonly endpoint: string;
  /** The sender's attempt, as the header `attempt` says; 1 when it is absent. */
  readonly attempt = 1;
  /** Which delivery to the handler this is, from 1; a repeating middleware counts it up. */
  delivery = 1;
  /** When the packet was read, on the bus's clock (monotonic milliseconds). */
  readonly receivedAt: number;
  /** When the caller stops waiting, on the bus's clock; undefined when it did not say. */
  readonly deadline: number | undefined;
  /** The pattern of the first subscription that matched, a low-cardinality name for the topic. */
  readonly subscription: string | undefined;
  /** The option `link` of the first subscription that gives one: a new trace that links to the sender's, or not. */
  readonly link: boolean | undefined;
  readonly peer: string | undefined;
  /** Stands for the socket that received it, one object for each: what a sender's numbers are compared within. */
  readonly socket: object | undefined;
  /** The request that this reply answers: the very `SendContext` that it was sent with, to look things up by. */
  readonly request: object | undefined;
  /** The reply's body: what the respond handler returned. */
  result: unknown = undefined;
  /** The span of this message, set by the trace step where it is recorded: other steps add their events to it. */
  span: Span | undefined = undefined;
  /** The time on that span. @internal */
  spanTime: SpanTime | undefined = undefined;
  /** How many messages of the same stream are known to be missing just before this one. */
  missed = 0;
  /** True once the trace step was reached, whatever it made of it. @internal */
  traced = false;
  /** The context that the trace step made, for {@link ReceiveContext.run}. @internal */
  scope: Context | undefined = undefined;
  /** Where the message goes at the end of its chain, with its place in the order of its topic. @internal */
  destination: Delivery | undefined = undefined;
  /** The call that this reply answers. @internal */
  call: PendingCall | undefined = undefined;
  /** True once a handler has been called. @internal */
  handled = false;
  /** Told of the first handler that starts; set by a step that measures. @internal */
  watch: StartWatch | undefined = undefined;
  /** True once the handler step was reached. @internal */
  reached = false;
  /** True once the end of the chain has settled. @internal */
  ended = false;
  /** True once a step called next() twice. @internal */
  doubled = false;
  /** True once a step came to its end without the promise of its next(). @internal */
  forgotten = false;
  /** True once the chain has settled. @internal */
  settled = false;
  readonly epoch: number;
  readonly sequence: number;
  readonly sentAtUs: number;
  #abort: AbortController | undefined = undefined;
  #aborted: { readonly reason: unknown } | undefined = undefined;
  #state: Record<string, unknown> | undefined = undefined;

  constructor(init: ReceiveInit) {
    this.pattern = init.pattern;
    this.kind = init.kind;
    this.topic = init.topic;
    this.headers = init.headers;
    this.payload = init.payload;
    this.endpoint = init.endpoint;
    this.receivedAt = init.receivedAt;
    this.deadline = init.deadline;
    this.subscription = init.subscription;
    this.link = init.link;
    this.peer = init.peer;
    this.socket = init.socket;
    this.request = init.request;
    this.epoch = init.epoch;
    this.sequence = init.sequence;
    this.sentAtUs = init.sentAtUs;
  }

  get id(): string {
    const given = this.headers.getText('message-id');
    if (given !== undefined) return given;
    return this.epoch === 0 ? '' : `${epochText(this.epoch)}.${this.topic}.${String(this.sequence)}`;
  }

  get correlation(): string | undefined {
    return this.headers.getText('correlation');
  }

  get sender(): string | undefined {
    return this.headers.getText('sender');
  }

  get sentAt(): number | undefined {
    return this.sentAtUs === 0 ? undefined : this.sentAtUs / 1000;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#aborted !== undefined) this.#abort.abort(this.#aborted.reason);
    }
    return this.#abort.signal;
  }

  /** True once {@link ReceiveContext.cancel} was called. */
  get cancelled(): boolean {
    return this.#aborted !== undefined;
  }

  /** Aborts `signal`: the bus calls it on a cancel, a passed deadline and a close. */
  cancel(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    if (this.span !== undefined) addSpanEvent(this, SPAN_EVENTS.cancel, { [ATTR.errorType]: errorType(reason) });
    this.#abort?.abort(reason);
  }

  /** A bag for values that middleware hand to each other. */
  get state(): Record<string, unknown> {
    this.#state ??= Object.create(null) as Record<string, unknown>;
    return this.#state;
  }

  /** A handler is called now. @internal */
  start(): void {
    this.handled = true;
    const { watch } = this;
    if (watch === undefined) return;
    this.watch = undefined;
    watch.handlerStarts(this);
  }

  run<T>(fn: () => T): T {
    return this.scope === undefined ? fn() : context.with(this.scope, fn);
  }
}

let lastEpoch = 0;
let lastEpochText = '0';

/** Writing such a large number costs more than the rest of an id, and most messages come from the publisher of the one before. */
function epochText(epoch: number): string {
  if (epoch !== lastEpoch) {
    lastEpoch = epoch;
    lastEpochText = epoch.toString(36);
  }
  return lastEpochText;
}
