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

/** Takes records. */
export interface Reader {
  /** The records of a packet of one topic, or of a run, are about to be taken: false passes over them. */
  begins(packet: PacketInHand): boolean;
}

/** A packet whose records are taken one after the other: how far it has come. */
export class PacketInHand {
  readonly packet: DecodedPacket;
  /** When it was read, on the bus's clock. */
  readonly readAt: number;
  /** What the next record is about; undefined where each record names its own. */
  topic: string | undefined;
  /** The next record. */
  next = 0;
  /** The first record that is not of the run in hand; a packet of one topic is one run. */
  end = 0;
  /** The sequence of the next record is this and its index. */
  #base = 0;
  #runs = 0;

  constructor(topic: string | undefined, packet: DecodedPacket, readAt: number) {
    this.topic = topic;
    this.packet = packet;
    this.readAt = readAt;
  }

  get sequence(): number {
    return this.#base + this.next;
  }

  /** Whether there is one more record to take; goes on to the next run where one has ended. */
  hasNext(reader: Reader): boolean {
    while (this.next === this.end) {
      if (!this.#beginRun()) return false;
      if (!reader.begins(this)) this.next = this.end;
    }
    return true;
  }

  #beginRun(): boolean {
    const { firstSequence, records, runs } = this.packet;
    if (this.next >= records.length) return false;
    const run = runs?.[this.#runs++];
    if (run !== undefined) this.topic = run.topic;
    this.end = run === undefined ? records.length : this.next + run.count;
    this.#base = (run?.firstSequence ?? firstSequence) - this.next;
    return true;
  }
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
