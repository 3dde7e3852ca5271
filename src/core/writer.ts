/**
 * Takes from the bounded queue in front of a sink (outbox.ts), packs records and offers packets until they are taken.
 *
 *     reserve (at the call) -> fill (at the end of the chain) -> queue -> packet -> sink
 *
 * - A packet takes what is queued when it is made: until the end of the current turn of the event loop, or until it is full (about
 *   {@link PACK_BYTES}, or `maxRecords`), or while an earlier packet is not taken yet. There is no timer, so a lone message leaves at once.
 * - A sequence is used up only when the sink has taken the packet: what is given up leaves no gap.
 */
import type { Clock } from './clock.ts';
import type { Lane } from './lane.ts';
import { Mix } from './mix.ts';
import { Outbox } from './outbox.ts';
import type { OutboxOptions } from './outbox.ts';
import { OutgoingPacket } from './outgoing-packet.ts';
import type { Slot } from './slot.ts';
import type { Streams } from './streams.ts';
import type { PacketSink } from './transport.ts';

/** A packet is closed at about this size: larger ones gain nothing, and a subscriber's queue is counted in packets. */
export const PACK_BYTES = 32_768;

/** After this many accepted messages in one turn of the event loop a caller waits for the next: timers and sockets get theirs. */
const MESSAGES_PER_TURN = 512;

/** After this many packets, in one go or one by one, the writer lets the event loop turn. */
const PACKETS_PER_TURN = 64;

/** How often a sink that has no room is asked again, in milliseconds, once asking at the next turn did not help. */
const RETRY_MS = 1;

/** How a writer packs. */
export interface WriterOptions extends OutboxOptions {
  /** Most records in one packet. */
  readonly maxRecords: number;
  /** Records of one packet share a topic (published ones). */
  readonly byTopic: boolean;
  readonly clock: Clock;
  /** Called for each packet that the sink has taken. */
  onTaken?(packet: OutgoingPacket): void;
  /** Called when the sink throws: what was in the packet has been told. */
  onRefused?(error: unknown): void;
}

/** See the head of this file. */
export class Writer extends Outbox {
  readonly #options: WriterOptions;
  readonly #streams: Streams;
  /** Topics may share packets. */
  readonly #mixes: boolean;
  #sink: PacketSink | undefined;
  #draining = false;
  #scheduled = false;
  #turnCount = 0;
  /** Packets that left in this turn because they were full. */
  #fullPackets = 0;
  #turn: Promise<void> | undefined;

  constructor(options: WriterOptions, streams: Streams) {
    super(options);
    this.#options = options;
    this.#streams = streams;
    this.#mixes = options.byTopic && options.order === 'global';
  }

  /** From now on packets go to this sink (or, with `undefined`, stay in the queue). */
  attach(sink: PacketSink | undefined): void {
    this.#sink = sink;
    if (sink !== undefined && this.queued > 0) this.#schedule();
  }

  /** For callers in a tight loop: resolves with the next turn of the event loop, once this turn had its share. */
  turn(): Promise<void> | undefined {
    if (++this.#turnCount < MESSAGES_PER_TURN) {
      if (this.#turnCount === 1) this.#schedule();
      return undefined;
    }
    this.#turn ??= new Promise((resolve) => setImmediate(resolve));
    return this.#turn;
  }

  protected onWork(): void {
    // Also where a packet leaves: the next turn is to come, whatever the caller does in this one.
    this.#schedule();
    if (!this.#isFull || this.#draining || this.#fullPackets >= PACKETS_PER_TURN) return;
    this.#fullPackets++;
    void this.#drain(false);
  }

  protected onWorkLater(): void {
    this.#schedule();
  }

  /** What is queued fills a packet. Where each record is a packet of its own, they leave with what else was sent in the turn. */
  get #isFull(): boolean {
    const { maxRecords } = this.#options;
    return this.queuedBytes >= PACK_BYTES || (maxRecords > 1 && this.queued >= maxRecords);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turnCount = 0;
      this.#fullPackets = 0;
      this.#turn = undefined;
      if (!this.#draining) void this.#drain(true);
    });
  }

  /**
   * Offers packets. At the end of a turn all that was queued then leaves; within a turn only full packets do, so that what
   * the turn still brings can share one. Never rejects: what fails is told to the owners.
   */
  async #drain(endOfTurn: boolean): Promise<void> {
    this.#draining = true;
    let due = endOfTurn ? this.queued : 0;
    let packets = 0;
    let worked = true;
    try {
      while (worked && (due > 0 || this.#isFull)) {
        worked = false;
        for (const [key, lane] of this.lanes) {
          const sink = this.#sink;
          if (sink === undefined) return;
          const taken = await this.#offer(sink, lane);
          if (lane.first() === undefined) this.lanes.delete(key);
          // A new sink came while the old one was being asked: what was due is due there.
          if (taken > 0 || this.#sink !== sink) worked = true;
          due -= taken;
          if (++packets % PACKETS_PER_TURN === 0) await nextTurn();
        }
      }
    } finally {
      this.#draining = false;
      // What is held back by a running chain is scheduled again when it is filled.
      if (worked && this.queued > 0) this.#schedule();
      this.checkIdle();
    }
  }

  /** Offers the next packet of a lane until it is taken or refused. Answers of how many messages; 0 when none is ready. */
  async #offer(sink: PacketSink, lane: Lane): Promise<number> {
    const since = this.#options.clock.now();
    for (let round = 0; ; round++) {
      if (this.#sink !== sink) return 0;
      // Gathered anew each time: what was given up meanwhile must not leave, what came meanwhile may.
      const mix = this.#mixes ? Mix.begin(this.#streams, sink, lane.first()?.topic) : undefined;
      const slots = this.#gather(lane, mix);
      const first = slots[0];
      if (first === undefined) return 0;
      const packet = this.#seal(slots, first, mix);
      try {
        const answer = sink.trySend(packet, this.#options.clock.now() - since);
        if (typeof answer === 'boolean' ? answer : await answer) {
          this.#taken(slots, packet, mix);
          dropSettled(lane);
          return slots.length;
        }
        for (const slot of slots) slot.offered = true;
      } catch (error) {
        this.#refused(slots, error);
        dropSettled(lane);
        this.#options.onRefused?.(error);
        return slots.length;
      }
      await (round === 0 ? nextTurn() : pause());
    }
  }

  #seal(slots: readonly Slot[], first: Slot, mix: Mix | undefined): OutgoingPacket {
    const sentAtUs = this.#options.clock.wallUs();
    if (mix !== undefined) {
      mix.seal();
      return new OutgoingPacket(undefined, slots, { epoch: mix.epoch, firstSequence: 0, sentAtUs }, mix);
    }
    const topic = this.#options.byTopic ? first.topic : undefined;
    return new OutgoingPacket(topic, slots, this.#streams.stamp(topic ?? '', sentAtUs));
  }

  #gather(lane: Lane, mix: Mix | undefined): Slot[] {
    const slots: Slot[] = [];
    const first = lane.first();
    // The head of a lane goes first even over the marks: what is queued behind it cannot leave before it.
    if (first?.state === 'waiting') this.accept(first);
    if (first === undefined || first.state === 'reserved') return slots;
    const { byTopic, maxRecords } = this.#options;
    let bytes = 0;
    for (let index = 0; slots.length < maxRecords && bytes < PACK_BYTES; index++) {
      const slot = lane.at(index);
      if (slot === undefined) break;
      if (slot.state === 'void') continue;
      if (slot.state !== 'queued') break;
      if (slots.length > 0) {
        // Alone, so that the small ones do not share its fate when it turns out to be too large.
        if (slot.size >= PACK_BYTES) break;
        if (mix === undefined ? byTopic && slot.topic !== first.topic : !mix.take(slot.topic)) break;
      }
      slots.push(slot);
      bytes += slot.size + (mix === undefined ? 0 : mix.lastBytes);
    }
    return slots;
  }

  #taken(slots: readonly Slot[], packet: OutgoingPacket, mix: Mix | undefined): void {
    if (mix === undefined) this.#streams.advance(packet.topic ?? '', slots.length);
    else for (const { stream, count } of mix.runs) this.#streams.move(stream, count);
    for (const slot of slots) {
      // Given up while the sink was deciding: it is on the wire all the same, but its caller has been told.
      const wanted = slot.state === 'queued';
      slot.state = 'sent';
      if (!wanted) continue;
      this.leave(slot);
      slot.owner?.onSent(slot);
    }
    this.#options.onTaken?.(packet);
  }

  #refused(slots: readonly Slot[], error: unknown): void {
    for (const slot of slots) {
      if (slot.state !== 'queued') continue;
      slot.state = 'void';
      this.leave(slot);
      slot.owner?.onFailed(slot, error);
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Real time even under an injected clock: this waits for the operating system, not for a time-out. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}

function dropSettled(lane: Lane): void {
  let settled = 0;
  for (;;) {
    const slot = lane.at(settled);
    if (slot === undefined || (slot.state !== 'sent' && slot.state !== 'void')) break;
    settled++;
  }
  if (settled > 0) lane.drop(settled);
}
