/** The options and answers of the calls of a bus. */
import type { LinkDescription } from './channels.ts';
import type { EndpointChoice } from './endpoint-roles.ts';
import type { HeadersInit } from './headers.ts';

/** What publish, push and request have in common. */
export interface SendOptions {
  /** A whole endpoint, or a port on the bus's host. @default the configured one */
  readonly endpoint?: EndpointChoice;
  readonly headers?: HeadersInit;
  /** Ends the call: it rejects with ABORTED, and a request is cancelled at the responder. */
  readonly signal?: AbortSignal;
  /** Repeat this message on retryable errors: `true` opts a publish in, `false` a push or request out. */
  readonly retry?: boolean;
}

/** Options of one request. */
export interface RequestOptions extends SendOptions {
  /** Deadline of the whole call in milliseconds, attempts included. @default the bus's `requestTimeoutMs` */
  readonly timeoutMs?: number;
  /** Running it twice does no harm, so it may be repeated after it was sent. @default false */
  readonly idempotent?: boolean;
}

/** Options of a registered handler. */
export interface HandlerOptions {
  /** A whole endpoint, or a port on the bus's host. @default the configured one */
  readonly endpoint?: EndpointChoice;
  /** How many messages this handler works on at once. @default unlimited, within `hwmInbound` */
  readonly concurrency?: number;
  /** How many more may wait for it; only with `concurrency`. @default the bus's `hwmInbound` */
  readonly maxQueued?: number;
}

/** Options of one `pull()`. */
export interface PullOptions extends HandlerOptions {
  /**
   * `true` starts a new trace for each message, which only links to the sender's; `false` makes the sender's span the parent. Where several
   * subscriptions get one message, the first that gives the option decides. @default the option `link` of `trace()`
   */
  readonly link?: boolean;
}

/** Options of one subscription. */
export interface SubscribeOptions extends PullOptions {
  /** What happens when `maxQueued` wait: the socket is not read, or the oldest is dropped (and counted). Only with `concurrency`. @default 'block' */
  readonly overflow?: 'block' | 'drop-oldest';
  /** A socket of its own: when this handler blocks, others go on. @default false */
  readonly ownSocket?: boolean;
}

/** Options of `messages()`, where `maxQueued` and `overflow` imply `concurrency: 1`: a loop takes one message at a time. */
export interface MessagesOptions extends SubscribeOptions {
  /** Ends the loop. */
  readonly signal?: AbortSignal;
}

/** Options of `ready()`. */
export interface ReadyOptions {
  /** @default 5000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The publisher's side: wait until this topic has `subscribers`. Binds the publisher. */
  readonly topic?: string;
  /** @default 1 */
  readonly subscribers?: number;
  /** Wait for this many publishers behind a forwarder. @default 1 */
  readonly publishers?: number;
}

/** What `describe()` shows. */
export interface BusDescription {
  readonly serviceName: string;
  readonly system: string;
  /** The steps of both chains in the order in which they run. */
  readonly send: readonly string[];
  readonly receive: readonly string[];
  readonly links: readonly LinkDescription[];
}

/** What the bus counts beyond the nine documented figures; docs/metrics.md defines each. */
export interface BusStats {
  readonly gaps: number;
  readonly unrouted: number;
  readonly no_handler: number;
  readonly unverified: number;
  readonly late_replies: number;
  readonly retries: number;
  readonly subscribers_left_behind: number;
  readonly reconnects: number;
  readonly cool_downs: number;
  readonly handshake_failures: number;
  readonly in_flight_handlers: number;
  readonly queued_messages: number;
  readonly cooling_down: number;
}
