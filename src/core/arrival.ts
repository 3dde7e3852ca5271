/** A message with its place: who gets it, its turn within its topic, and where it is found when the bus closes. */
import { BusError } from './errors.ts';
import type { DecodedPacket } from './packet.ts';
import type { Delivery, ReceiveContext } from './receive-context.ts';
import type { Route } from './routes.ts';
import type { Subscriber } from './subscriber.ts';

/** Gives a message to its handlers: every step before them has passed and it is this message's place in its topic. */
export interface Handling {
  run(ctx: ReceiveContext, subscribers: readonly Subscriber[]): Promise<void> | undefined;
}

/** A packet that pauses the link: how far it has come. */
export interface PacketInHand {
  /** Undefined where each record names its own. */
  readonly topic: string | undefined;
  readonly packet: DecodedPacket;
  next: number;
}

/** See the head of this file. */
export class Arrival implements Delivery {
  readonly #handling: Handling;
  readonly route: Route;
  readonly subscribers: readonly Subscriber[];
  readonly ticket: number;
  /** In the roster of what is in hand. */
  readonly place: number;

  constructor(handling: Handling, route: Route, place: number) {
    this.#handling = handling;
    this.route = route;
    this.subscribers = route.subscribers;
    this.ticket = route.gate.issue();
    this.place = place;
  }

  deliver(ctx: ReceiveContext): Promise<void> | undefined {
    const turn = this.route.gate.turn(this.ticket);
    if (turn !== undefined) return turn.then(() => this.#enter(ctx));
    return this.#enter(ctx);
  }

  #enter(ctx: ReceiveContext): Promise<void> | undefined {
    this.route.gate.pass(this.ticket);
    // A step that did not wait has ended the chain: the message is counted as dropped, so it must not be handled too.
    if (ctx.settled) return undefined;
    // Nothing starts any more on a bus that has closed.
    if (ctx.cancelled) throw closedBefore(ctx.topic, ctx.endpoint);
    return this.#handling.run(ctx, this.subscribers);
  }
}

/** Why a message that was read reaches no handler. */
export function closedBefore(topic: string, endpoint: string): BusError {
  return new BusError('CLOSED', 'the bus closed before a handler had its turn', { topic, endpoint });
}
