/**
 * One message on its way out, as middleware sees it. A class with every field set in the constructor, so that all messages
 * have one shape; what is rarely used (`state`, `signal`) costs nothing until it is asked for.
 */
import type { Span } from '@opentelemetry/api';
import type { MessageHeaders } from './headers.ts';
import type { Clock } from './clock.ts';
import type { BusError } from './errors.ts';
import type { Kind, MessagePattern } from './kinds.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { Slot } from './slot.ts';
import type { SpanTime } from './span-event.ts';

const EMPTY: Uint8Array = new Uint8Array(0);

/** The end of the way out: hands a message whose chain has run to the queue of an endpoint. */
export interface OutChannel {
  /** Settles as the pattern promises; `undefined` when that is at once. */
  handOver(ctx: SendContext): Promise<void> | undefined;
}

/** A wait that can be ended. */
export interface Waiting {
  /** It is the end of the chain, and marks on the context that this has settled. */
  readonly marksEnd?: boolean;
  /** Ends it with an error. */
  giveUp(error: BusError): void;
}

/** Told when a call has ended: its chain may run on, and what belongs to the call must not. */
export interface CallWatcher {
  /** The call has ended with an error, although its chain may still run. */
  over(error: unknown): void;
}

/** What the bus gives when it makes a {@link SendContext}. */
export interface SendInit {
  readonly pattern: MessagePattern;
  readonly kind: Kind;
  readonly topic: string;
  readonly body: unknown;
  readonly headers: MessageHeaders;
  readonly endpoint: string;
  readonly correlation?: string | undefined;
  readonly clock: Clock;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly request?: ReceiveContext | undefined;
  readonly idempotent?: boolean | undefined;
  readonly retry?: boolean | undefined;
}

/** An outgoing message: publish, push, request, reply or error reply. */
export class SendContext {
  readonly direction = 'send' as const;
  readonly pattern: MessagePattern;
  readonly kind: Kind;
  readonly topic: string;
  /** Sent with the message; frozen once encrypted or signed. */
  headers: MessageHeaders;
  /** The application's value. A body middleware replaces it and never mutates it. */
  body: unknown;
  /** The endpoint as configured, for instance `tcp://127.0.0.1:5555`. */
  endpoint: string;
  /** Which attempt this is, from 1; a repeating middleware counts it up. */
  attempt = 1;
  /** The correlation id of a request, its reply and its cancel. */
  readonly correlation: string | undefined;
  /** How long the whole call may take, in milliseconds: it began so long before its deadline. */
  readonly timeoutMs: number | undefined;
  /** The caller's signal, when it gave one. */
  readonly signal: AbortSignal | undefined;
  /** The request that this reply answers. */
  readonly request: ReceiveContext | undefined;
  /** The caller says that running this request twice does no harm. */
  readonly idempotent: boolean;
  /** The caller opted this publish in to retries, or a request or push out of them. */
  readonly retry: boolean | undefined;
  /** The reply to a request, set when `next()` has settled. */
  reply: ReceiveContext | undefined = undefined;
  /** The span of this message, set by the trace step where it is recorded: other steps add their events to it. */
  span: Span | undefined = undefined;
  /** The time on that span. @internal */
  spanTime: SpanTime | undefined = undefined;
  /** True once the transport has accepted the message (or, for publish and reply, the queue has). @internal */
  accepted = false;
  /** True once this attempt has reached the end of the chain. @internal */
  reached = false;
  /** True once the end of the chain has settled; false again where it is run anew. @internal */
  ended = false;
  /** True once a step called next() twice. @internal */
  doubled = false;
  /** True once a step came to its end without the promise of its next(). @internal */
  forgotten = false;
  /** True once the chain has settled: what fails afterwards has no caller to go to. @internal */
  settled = false;
  /** Why the call has ended although its chain may still run: nothing of it may be sent any more. @internal */
  over: BusError | undefined = undefined;
  /** The wait at the end of the chain, while there is one. @internal */
  waiting: Waiting | undefined = undefined;
  /** Who has to know of a failed call that may have ended before its chain: its span. @internal */
  watcher: CallWatcher | undefined = undefined;
  /** Where the message goes. @internal */
  channel: OutChannel | undefined = undefined;
  /** The place in the queue that was taken when the call was made. @internal */
  slot: Slot | undefined = undefined;
  readonly #clock: Clock;
  #deadline: number | undefined = undefined;
  #text: string | undefined = undefined;
  #bytes: Uint8Array | undefined = undefined;
  #state: Record<string, unknown> | undefined = undefined;

  constructor(init: SendInit) {
    this.pattern = init.pattern;
    this.kind = init.kind;
    this.topic = init.topic;
    this.body = init.body;
    this.headers = init.headers;
    this.endpoint = init.endpoint;
    this.correlation = init.correlation;
    this.#clock = init.clock;
    this.timeoutMs = init.timeoutMs;
    this.signal = init.signal;
    this.request = init.request;
    this.idempotent = init.idempotent ?? false;
    this.retry = init.retry;
  }

  /**
   * When the call ends, on the bus's clock (monotonic milliseconds). Reckoned when it is first asked for, in the turn of the call: a
   * message that is accepted at once never asks for the time.
   */
  get deadline(): number | undefined {
    if (this.timeoutMs === undefined) return undefined;
    this.#deadline ??= this.#clock.now() + this.timeoutMs;
    return this.#deadline;
  }

  /** The bytes of the message; empty until the serialize stage. Text set by `payloadText` is encoded when first read. */
  get payload(): Uint8Array {
    if (this.#bytes === undefined) {
      if (this.#text === undefined) return EMPTY;
      this.#bytes = Buffer.from(this.#text, 'utf8');
      this.#text = undefined;
    }
    return this.#bytes;
  }

  set payload(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#text = undefined;
  }

  /** The payload as text while nobody has asked for its bytes, which are its UTF-8: codecs that make text spare a copy. */
  get unencoded(): string | undefined {
    return this.#text;
  }

  set payloadText(text: string) {
    this.#text = text;
    this.#bytes = undefined;
  }

  /** A bag for values that middleware hand to each other; never sent. */
  get state(): Record<string, unknown> {
    this.#state ??= Object.create(null) as Record<string, unknown>;
    return this.#state;
  }
}
