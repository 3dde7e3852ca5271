/** One request from its arrival to its reply, and why it may not be run. */
import type { Bucket, Expirable } from './deadlines.ts';
import { BusError } from './errors.ts';
import type { Delivery, ReceiveContext } from './receive-context.ts';
import type { Route } from './routes.ts';
import type { Subscriber } from './subscriber.ts';
import type { Peer } from './transport.ts';

/** Gives a request to its handler, and the reply to its peer. */
type RunCall = (call: RespondCall) => Promise<void> | undefined;

/** See the head of this file. */
export class RespondCall implements Delivery, Expirable {
  bucket: Bucket | undefined = undefined;
  place = 0;
  readonly peer: Peer;
  readonly route: Route;
  readonly responder: Subscriber | undefined;
  readonly ticket: number;
  readonly ctx: ReceiveContext;
  /** Nobody waits for the answer any more. While the bus closes, the caller of a cancelled call still does. */
  abandoned = false;
  /** Why a reply could not be sent: the caller has that in its place. */
  answered: { readonly error: unknown } | undefined = undefined;
  /** How the wait that it is in is given up: that rejects with the reason. */
  giveUp: ((reason: Error) => void) | undefined = undefined;
  /** What a cancel finds it by. */
  readonly key: string;
  readonly #run: RunCall;

  constructor(peer: Peer, route: Route, ctx: ReceiveContext, run: RunCall) {
    this.peer = peer;
    this.route = route;
    this.ctx = ctx;
    this.#run = run;
    this.key = callKey(ctx);
    this.responder = route.subscribers.find(({ handler }) => handler !== undefined);
    this.ticket = route.gate.issue();
  }

  deliver(): Promise<void> | undefined {
    // A step repeats it, and nobody waits for another answer.
    if (this.answered !== undefined) throw this.answered.error;
    const turn = this.route.gate.turn(this.ticket);
    return turn === undefined ? this.#run(this) : turn.then(() => this.#run(this));
  }

  /** The deadline has passed: nobody waits for the answer any more. */
  expire(): void {
    this.abandon('EXPIRED', 'the caller has stopped waiting');
  }

  /** Aborts the handler's signal: its caller has gone. */
  abandon(code: 'EXPIRED' | 'CANCELLED', why: string): void {
    this.abandoned = true;
    this.cancel(new BusError(code, why, { topic: this.ctx.topic }));
  }

  /** Aborts the handler's signal; one that has not started waits no longer, and leaves its place to others. */
  cancel(reason: Error): void {
    this.ctx.cancel(reason);
    this.giveUp?.(reason);
  }
}

/** @throws BusError EXPIRED or CANCELLED for a request that nobody waits for any more */
export function expectWanted(ctx: ReceiveContext): void {
  if (ctx.cancelled) throw ctx.signal.reason as Error;
}

/** The two ends that the caller knows of already. */
export function isEnd(error: unknown): error is BusError {
  return error instanceof BusError && (error.code === 'EXPIRED' || error.code === 'CANCELLED');
}

export function overflow(ctx: ReceiveContext): BusError {
  return new BusError('OVERFLOW', 'as many requests are waiting as may', {
    topic: ctx.topic,
    endpoint: ctx.endpoint,
    hint: 'Try again later; on the responder raise `concurrency`, `maxQueued` or `hwmInbound`.',
  });
}

export function closing(ctx: ReceiveContext): BusError {
  return new BusError('CLOSED', 'the responder is closing', { topic: ctx.topic, endpoint: ctx.endpoint });
}

export function noHandler(ctx: ReceiveContext): BusError {
  return new BusError('NO_HANDLER', `nothing answers "${ctx.topic}" here`, {
    topic: ctx.topic,
    endpoint: ctx.endpoint,
    hint: 'Register one with respond(topic, handler), or check the topic.',
  });
}

/** Of the peer as the transport knows it: correlation ids are what strangers say. */
export function callKey({ peer = '', correlation = '' }: ReceiveContext): string {
  return `${peer}\u0000${correlation}`;
}
