/**
 * Takes from the bounded queue in front of a sink (outbox.ts), packs records and offers packets until they are taken.
 *
 *     reserve (at the call) -> fill (at the end of the chain) -> queue -> packet -> sink
 *
 * - A packet takes what is queued when it is made: until the end of the current turn of the event loop, or until it is full (about
 *   {@link PACK_BYTES}, or `maxRecords`), or while an earlier packet is not taken yet. There is no timer.
 * - A lone message waits for no end of a turn: where nothing of the bus is to leave before it (turn.ts) and the load is low (turn-share.ts), it
 *   is offered before the call returns. Where each message is a packet of its own, they leave so one after the other.
 * - A sequence is used up only when the sink has taken the packet: what is given up leaves no gap.
 */
import type { Clock } from './clock.ts';
import type { Lane } from './lane.ts';
import { beginMix } from './mix.ts';
import type { Mix } from './mix.ts';
import { Outbox } from './outbox.ts';
import type { OutboxOptions } from './outbox.ts';
import { OutgoingPacket } from './outgoing-packet.ts';
import { gather, PACK_BYTES } from './packing.ts';
import type { Offer, PackingOptions } from './packing.ts';
import type { Slot } from './slot.ts';
import type { Streams } from './streams.ts';
import { topicRoutes } from './topic-lanes.ts';
import type { PacketSink } from './transport.ts';
import { nextTurn, pause, Turn } from './turn.ts';
import { PACKETS_PER_TURN, TurnShare } from './turn-share.ts';

/** How a writer packs. */
export interface WriterOptions extends OutboxOptions, PackingOptions {
  readonly clock: Clock;
  /** What the writers of one bus share. @default one of its own */
  readonly turn?: Turn;
  /** Called for each packet that the sink has taken. */
  onTaken?(packet: OutgoingPacket): void;
  /** Called when the sink throws: what was in the packet has been told. */
  onRefused?(error: unknown): void;
}

/** See the head of this file. */
export class Writer extends Outbox {
  readonly #options: WriterOptions;
  readonly #streams: Streams;
  #sink: PacketSink | undefined;
  #draining = false;
  /** There may be something to offer: what came while packets were being offered, too. */
  #worked = true;
  /** A lone message while it is being offered: one at a time, so it needs no closures of its own. */
  #lone: Offer | undefined = undefined;
  #scheduled = false;
  readonly #turn: Turn;
  readonly #share: TurnShare;

  constructor(options: WriterOptions, streams: Streams) {
    super(options);
    this.#options = options;
    this.#streams = streams;
    this.#turn = options.turn ?? new Turn();
    this.#share = new TurnShare(this.#turn, options.maxRecords === 1);
  }

  /** From now on packets go to this sink (or, with `undefined`, stay in the queue). */
  attach(sink: PacketSink | undefined): void {
    this.#sink = sink;
    if (sink !== undefined && this.queued > 0) this.#schedule();
  }

  /** For callers in a tight loop: resolves with the next turn of the event loop, once this turn had its share. */
  turn(): Promise<void> | undefined {
    return this.#share.breather();
  }

  protected onWork(slot: Slot): void {
    this.#share.accept();
    if (!this.#draining && this.#leaveAlone(slot)) return;
    // Also where a packet leaves: the next turn is to come, whatever the caller does in this one.
    this.#schedule();
    if (this.#isFull && !this.#draining && this.#share.takeFull()) void this.#drain(false);
  }

  protected onWorkLater(): void {
    this.#schedule();
  }

  onTurnEnd(): void {
    this.#scheduled = false;
    if (!this.#draining) void this.#drain(true);
  }

  /** Offers a lone message in its own turn, see the head of this file; false where it has to wait for the end of it. */
  #leaveAlone(slot: Slot): boolean {
    const sink = this.#sink;
    const isAlone = this.queued === 1 && this.laneOf(slot)?.first() === slot;
    if (!isAlone || sink === undefined || !this.#share.takeLone(this)) return false;
    this.#draining = true;
    const lone = this.#seal([slot], this.#mixOf(sink, slot));
    this.#lone = lone;
    try {
      const answer = sink.trySend(lone.packet, 0);
      if (typeof answer === 'boolean') this.#loneAnswered(answer);
      else answer.then(this.#loneAnswered, this.#loneFailed);
    } catch (error) {
      this.#loneFailed(error);
    }
    return true;
  }

  readonly #loneAnswered = (isTaken: boolean): void => {
    const lone = this.#lone;
    if (lone === undefined) return;
    if (isTaken) this.#taken(lone);
    else for (const slot of lone.slots) slot.offered = true;
    this.#loneLeft(lone);
  };

  readonly #loneFailed = (error: unknown): void => {
    const lone = this.#lone;
    if (lone === undefined) return;
    this.#refused(lone, error);
    this.#loneLeft(lone);
    this.#options.onRefused?.(error);
  };

  #loneLeft({ slots }: Offer): void {
    this.#lone = undefined;
    this.#draining = false;
    for (const slot of slots) this.leaveLane(slot);
    if (this.queued > 0) this.#schedule();
    this.checkIdle();
  }

  /** What is queued fills a packet. Where each record is a packet of its own, they leave with what else was sent in the turn. */
  get #isFull(): boolean {
    const { maxRecords } = this.#options;
    return this.queuedBytes >= PACK_BYTES || (maxRecords > 1 && this.queued >= maxRecords);
  }

  #schedule(): void {
    if (!this.#scheduled) this.#turn.atEnd(this);
    this.#scheduled = this.#worked = true;
  }

  /**
   * Offers packets. At the end of a turn all that was queued then leaves; within a turn only full packets do, so that what
   * the turn still brings can share one. Never rejects: what fails is told to the owners.
   */
  async #drain(endOfTurn: boolean): Promise<void> {
    this.#draining = true;
    this.#turn.leaving++;
    let due = endOfTurn ? this.queued : 0;
    let packets = 0;
    this.#worked = true;
    try {
      while (this.#worked && (due > 0 || this.#isFull)) {
        this.#worked = false;
        for (const [key, lane] of this.lanes) {
          const sink = this.#sink;
          if (sink === undefined) return;
          const taken = await this.#offer(sink, lane);
          // Not one that began meanwhile, when all of this one was given up.
          if (lane.first() === undefined && this.lanes.get(key) === lane) this.lanes.delete(key);
          // A new sink came while the old one was being asked: what was due is due there.
          if (taken > 0 || this.#sink !== sink) this.#worked = true;
          due -= taken;
          if (++packets % PACKETS_PER_TURN === 0) await nextTurn();
        }
      }
    } finally {
      this.#draining = false;
      this.#turn.leaving--;
      // What is held back by a running chain is scheduled again when it is filled.
      if (this.#worked && this.queued > 0) this.#schedule();
      this.checkIdle();
    }
  }

  /** Offers the next packet of a lane until it is taken or refused. Answers of how many messages; 0 when none is ready. */
  async #offer(sink: PacketSink, lane: Lane): Promise<number> {
    const { clock, maxRecords, order } = this.#options;
    const routes = order === 'topic' ? topicRoutes(sink, maxRecords) : undefined;
    const since = clock.now();
    for (let round = 0; ; round++) {
      if (this.#sink !== sink) return 0;
      // Gathered anew each time: what was given up meanwhile must not leave, what came meanwhile may.
      const first = routes === undefined ? lane.first() : this.firstOf(lane, routes);
      // The head of a lane goes first even over the marks: what is queued behind it cannot leave before it.
      if (first?.state === 'waiting') this.accept(first);
      const mix = this.#mixOf(sink, first);
      const slots = gather(lane, mix, this.#options);
      if (slots.length === 0) return 0;
      const offer = this.#seal(slots, mix);
      try {
        const answer = sink.trySend(offer.packet, clock.now() - since);
        if (typeof answer === 'boolean' ? answer : await answer) {
          this.#taken(offer);
          lane.dropSettled();
          return slots.length;
        }
        for (const slot of slots) slot.offered = true;
      } catch (error) {
        this.#refused(offer, error);
        lane.dropSettled();
        this.#options.onRefused?.(error);
        return slots.length;
      }
      // Who waits for room keeps nobody else from leaving.
      this.#turn.leaving--;
      await (round === 0 ? nextTurn() : pause());
      this.#turn.leaving++;
    }
  }

  /** Begins a packet of several topics, where topics may share one. */
  #mixOf(sink: PacketSink, first: Slot | undefined): Mix | undefined {
    return this.#options.byTopic ? beginMix(this.#streams, sink, first?.topic) : undefined;
  }

  #seal(slots: readonly Slot[], mix: Mix | undefined): Offer {
    const sentAtUs = this.#options.clock.wallUs();
    if (mix !== undefined) {
      mix.seal();
      const stamp = { epoch: mix.epoch, firstSequence: 0, sentAtUs };
      return { slots, mix, packet: new OutgoingPacket(undefined, slots, stamp, mix) };
    }
    const topic = this.#options.byTopic ? slots[0]?.topic : undefined;
    return { slots, mix, packet: new OutgoingPacket(topic, slots, this.#streams.stamp(topic ?? '', sentAtUs)) };
  }

  #taken({ slots, packet, mix }: Offer): void {
    if (mix === undefined) this.#streams.advance(packet.topic ?? '', slots.length);
    else for (const { stream, count } of mix.runs) this.#streams.move(stream, count);
    for (const slot of slots) {
      // Given up while the sink was deciding: it is on the wire all the same, but its caller has been told.
      const wanted = slot.state === 'queued';
      slot.state = 'sent';
      if (wanted) this.leave(slot);
      if (wanted) slot.owner?.onSent(slot);
      else slot.takenLate?.();
    }
    this.#options.onTaken?.(packet);
  }

  #refused({ slots }: Offer, error: unknown): void {
    for (const slot of slots) {
      if (slot.state !== 'queued') continue;
      slot.state = 'void';
      this.leave(slot);
      slot.owner?.onFailed(slot, error);
    }
  }
}
