/**
 * The contract of a middleware, and the one idea of this bus: everything that happens to a message between the application
 * and the wire is a step with Koa's `(ctx, next)` shape.
 *
 *     outgoing: application -> observe -> context -> body -> serialize -> payload -> packet -> transport
 *     incoming: transport -> packet -> admit -> observe -> payload -> context -> deserialize -> body -> handler
 *
 * Within a stage, `send` runs in the order of `bus.use` and `receive` in the reverse, so that what was done last on the way
 * out is undone first on the way in.
 *
 * `next()` may be called once (any number of times by a `repeatable` middleware) and must be awaited or returned. On the way
 * out it settles: for publish when the bounded queue, for push when a peer's socket has accepted the message; for request
 * after the reply came through the receive chain (then `ctx.reply` is set); for a reply when it is queued. On the way in it
 * settles when the handler has settled. Throwing rejects the message; returning without calling `next()` is a
 * MIDDLEWARE_MISUSE: a step that refuses a message says so with `throw new BusError('REJECTED', ...)`.
 */
import type { Clock } from './clock.ts';
import type { Counters } from './counters.ts';
import type { Logger } from './logger.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { Failure } from './reporter.ts';
import type { SendContext } from './send-context.ts';

/** Runs the rest of the chain. */
export type Next = () => Promise<void>;

/** Where a middleware stands. `observe` is outermost; `payload` sees bytes; see the head of this file. */
export type Stage = 'observe' | 'context' | 'body' | 'serialize' | 'payload';

/** The stages in the order of the way out. */
export const SEND_STAGES: readonly Stage[] = ['observe', 'context', 'body', 'serialize', 'payload'];

/** The stages in the order of the way in. */
export const RECEIVE_STAGES: readonly Stage[] = ['observe', 'payload', 'context', 'serialize', 'body'];

/** Called exactly once when an admitted message has settled, whatever became of it. */
export type Release = () => void;

/** What `admit` answers: nothing, or what to call when the message has settled, at once or later. */
export type Admission = Release | undefined | Promise<Release | undefined>;

/** The `admit` of a middleware, bound to it. */
export type AdmitStep = (ctx: ReceiveContext) => Admission;

/** What a middleware may know of the bus it runs in; given to `attach` once, before the first message. */
export interface MiddlewareHost {
  readonly serviceName: string;
  /** The transport's system name, the value of `messaging.system.name`: `zeromq`, `memory`. */
  readonly system: string;
  /** `plain` peers know no headers: nothing can be signed, encrypted or marked as compressed. */
  readonly wire: 'native' | 'plain';
  /** The bus's option `audience`. */
  readonly audience: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  /** A number from 0 to 1, for jitter and sampling. */
  readonly random: () => number;
  /** Counts, logs and hands an error that no call can report to the bus's `onError`. */
  report(error: unknown, ctx?: ReceiveContext | SendContext): void;
  /**
   * Tells of every failure that no call reports, a dropped message for instance, after it was counted and logged; until the
   * function that it returns is called. What the listener throws is counted and logged.
   */
  onFailure(listener: (failure: Failure) => void): () => void;
}

/** One step of the pipeline; see the head of this file. */
export interface Middleware {
  /** Unique in a bus: shown by `describe()`, and what a replacement is matched by. */
  readonly name: string;
  readonly stage: Stage;
  /** Runs for each outgoing message: publish, push, request, reply and error reply (cancels pass the payload stage alone). */
  send?(ctx: SendContext, next: Next): Promise<void> | void;
  /** Runs for each incoming message: event, pushed message, request, reply and error reply (cancels: the payload stage alone). */
  receive?(ctx: ReceiveContext, next: Next): Promise<void> | void;
  /**
   * Awaited by the receive loop before it reads on, so that a limit becomes back-pressure on the socket. Not asked for
   * replies, error replies, cancels and heartbeats: a handler at its limit may itself await a reply.
   */
  admit?(ctx: ReceiveContext): Admission;
  /** Declares that this step may call `next()` again for this message: each repeat starts from the message as it was before. */
  repeatable?(ctx: ReceiveContext | SendContext): boolean;
  /**
   * Promises that `send` and `receive` always await or return what `next()` answers. The bus then spares the guard that keeps a
   * forgotten rejection from ending the process. @default false
   */
  readonly awaitsNext?: boolean;
  /**
   * Declares that `receive`, at stage payload, throws for whatever is not authentic. The sequences of messages, by which gaps are found, then
   * count only once they have passed it, and heartbeats, which nobody signs, move nothing. @default false
   */
  readonly verifies?: boolean;
  /** Steps that this one must not stand beside: by their name, why not and what to do. */
  readonly excludes?: Readonly<Record<string, string>>;
  /** Called once, when the bus starts. */
  attach?(host: MiddlewareHost): void;
  /** Called once, when the bus has closed; the steps that observe are told last, and so see how the others end. */
  detach?(): void | Promise<void>;
}

/** A bare function given to `bus.use`: runs in both directions at stage `body`; `ctx.direction` tells which. */
export type MiddlewareFunction = (ctx: ReceiveContext | SendContext, next: Next) => Promise<void> | void;
