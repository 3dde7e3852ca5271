/**
 * The bounded writer in front of one packet sink: it keeps the order of the calls, bounds what waits, packs records and
 * offers packets until they are taken.
 *
 *     reserve (at the call) -> fill (at the end of the chain) -> queue -> packet -> sink
 *
 * - Slots leave a lane in the order in which they were reserved; a slot whose chain still runs holds back what comes after it.
 * - The queue accepts up to `hwm` messages and `maxBytes`; what comes then waits, in order, until there is room.
 * - A packet takes what is queued when it is made: until the end of the current turn of the event loop, or about
 *   {@link PACK_BYTES}, or while an earlier packet is not taken yet. There is no timer, so a lone message leaves at once.
 * - A sequence is used up only when the sink has taken the packet: what is given up leaves no gap.
 */
import type { Clock } from './clock.ts';
import { BusError } from './errors.ts';
import { Lane } from './lane.ts';
import { OutgoingPacket } from './outgoing-packet.ts';
import { RECORD_OVERHEAD_BYTES } from './packet-layout.ts';
import { Slot } from './slot.ts';
import type { Streams } from './streams.ts';
import type { PacketSink } from './transport.ts';

/** A packet is closed at about this size: larger ones gain nothing, and a subscriber's queue is counted in packets. */
export const PACK_BYTES = 32_768;

/** After this many accepted messages in one turn of the event loop a caller waits for the next: timers and sockets get theirs. */
const MESSAGES_PER_TURN = 512;

/** After this many packets the writer lets the event loop turn. */
const PACKETS_PER_TURN = 64;

/** How often a sink that has no room is asked again, in milliseconds, once asking at the next turn did not help. */
const RETRY_MS = 1;

/** How a writer packs. */
export interface WriterOptions {
  /** Messages in the queue before callers wait. */
  readonly hwm: number;
  /** Bytes in the queue before callers wait. */
  readonly maxBytes: number;
  /** Most records in one packet. */
  readonly maxRecords: number;
  /** `global` keeps the order across topics; `topic` lets each topic pack by itself. */
  readonly order: 'global' | 'topic';
  /** Records of one packet share a topic (published ones). */
  readonly byTopic: boolean;
  readonly clock: Clock;
  /** Called for each packet that the sink has taken. */
  onTaken?(packet: OutgoingPacket): void;
}

/** See the head of this file. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #streams: Streams;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Lane();
  #sink: PacketSink | undefined;
  #queued = 0;
  #queuedBytes = 0;
  #draining = false;
  #scheduled = false;
  #turnCount = 0;
  #turn: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  constructor(options: WriterOptions, streams: Streams) {
    this.#options = options;
    this.#streams = streams;
  }

  /** Messages accepted and not yet taken by the transport. */
  get queued(): number {
    return this.#queued;
  }

  /** From now on packets go to this sink (or, with `undefined`, stay in the queue). */
  attach(sink: PacketSink | undefined): void {
    this.#sink = sink;
    if (sink !== undefined && this.#queued > 0) this.#schedule();
  }

  /** Takes the next place in the order of calls. */
  reserve(topic: string): Slot {
    const slot = new Slot(topic, this.#release);
    const key = this.#options.order === 'topic' ? topic : '';
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane();
      this.#lanes.set(key, lane);
    }
    lane.push(slot);
    return slot;
  }

  /** Fills a reserved slot. Answers whether the queue took it at once; if not it waits, and its owner is told. */
  fill(slot: Slot): boolean {
    if (slot.state !== 'reserved') throw new BusError('CLOSED', 'the place in the queue was given up', { topic: slot.topic });
    slot.size = RECORD_OVERHEAD_BYTES + slot.headerBlock.length + slot.payload.length;
    if (this.#waiting.length === 0 && this.#hasRoom()) {
      this.#accept(slot);
      return true;
    }
    slot.state = 'waiting';
    this.#waiting.push(slot);
    this.#schedule();
    return false;
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

  readonly #release = (slot: Slot): void => {
    if (slot.state === 'sent' || slot.state === 'void') return;
    const wasQueued = slot.state === 'queued';
    slot.state = 'void';
    if (wasQueued) this.#leave(slot);
    if (this.#queued > 0 || this.#waiting.length > 0) this.#schedule();
    else this.#checkIdle();
  };

  /** Resolves when nothing is queued, waiting or reserved any more. */
  flushed(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up everything that is left: the owners are told, each with an error of its own. Answers how many messages of each topic that were. */
  abandon(error: (slot: Slot) => BusError): Map<string, number> {
    const left = new Map<string, number>();
    for (const lane of this.#lanes.values()) {
      for (let index = 0; index < lane.length; index++) {
        const slot = lane.at(index);
        if (slot === undefined || slot.state === 'void' || slot.state === 'sent') continue;
        slot.state = 'void';
        if (!slot.control) left.set(slot.topic, (left.get(slot.topic) ?? 0) + 1);
        slot.owner?.onFailed(slot, error(slot));
      }
    }
    this.#lanes.clear();
    this.#waiting.drop(this.#waiting.length);
    this.#queued = 0;
    this.#queuedBytes = 0;
    this.#checkIdle();
    return left;
  }

  #hasRoom(): boolean {
    return this.#queued < this.#options.hwm && (this.#queued === 0 || this.#queuedBytes < this.#options.maxBytes);
  }

  #accept(slot: Slot): void {
    slot.state = 'queued';
    this.#queued++;
    this.#queuedBytes += slot.size;
    slot.owner?.onQueued(slot);
    if (this.#queuedBytes >= PACK_BYTES && !this.#draining) void this.#drain(false);
    else this.#schedule();
  }

  #leave(slot: Slot): void {
    this.#queued--;
    this.#queuedBytes -= slot.size;
    for (;;) {
      const next = this.#nextWaiting();
      if (next === undefined || !this.#hasRoom()) return;
      this.#waiting.drop(1);
      this.#accept(next);
    }
  }

  #nextWaiting(): Slot | undefined {
    for (;;) {
      const next = this.#waiting.at(0);
      if (next === undefined || next.state === 'waiting') return next;
      this.#waiting.drop(1);
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turnCount = 0;
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
    let due = endOfTurn ? this.#queued : 0;
    let packets = 0;
    let worked = true;
    try {
      while (worked && (due > 0 || this.#queuedBytes >= PACK_BYTES)) {
        worked = false;
        for (const [key, lane] of this.#lanes) {
          const sink = this.#sink;
          if (sink === undefined) return;
          const taken = await this.#offer(sink, lane);
          if (lane.first() === undefined) this.#lanes.delete(key);
          // A new sink came while the old one was being asked: what was due is due there.
          if (taken > 0 || this.#sink !== sink) worked = true;
          due -= taken;
          if (++packets % PACKETS_PER_TURN === 0) await nextTurn();
        }
      }
    } finally {
      this.#draining = false;
      // What is held back by a running chain is scheduled again when it is filled.
      if (worked && this.#queued > 0) this.#schedule();
      this.#checkIdle();
    }
  }

  /** Offers the next packet of a lane until it is taken or refused. Answers of how many messages; 0 when none is ready. */
  async #offer(sink: PacketSink, lane: Lane): Promise<number> {
    const since = this.#options.clock.now();
    for (let round = 0; ; round++) {
      if (this.#sink !== sink) return 0;
      // Gathered anew each time: what was given up meanwhile must not leave, what came meanwhile may.
      const slots = this.#gather(lane);
      const first = slots[0];
      if (first === undefined) return 0;
      const topic = this.#options.byTopic ? first.topic : undefined;
      const stamp = this.#streams.stamp(topic ?? '', this.#options.clock.wallUs());
      const packet = new OutgoingPacket(topic, slots, stamp);
      try {
        const answer = sink.trySend(packet, this.#options.clock.now() - since);
        if (typeof answer === 'boolean' ? answer : await answer) {
          this.#taken(slots, packet, topic ?? '');
          dropSettled(lane);
          return slots.length;
        }
      } catch (error) {
        this.#refused(slots, error);
        dropSettled(lane);
        return slots.length;
      }
      await (round === 0 ? nextTurn() : pause());
    }
  }

  #gather(lane: Lane): Slot[] {
    const slots: Slot[] = [];
    const first = lane.first();
    // The head of a lane goes first even over the marks: what is queued behind it cannot leave before it.
    if (first?.state === 'waiting') this.#accept(first);
    if (first === undefined || first.state === 'reserved') return slots;
    let bytes = 0;
    for (let index = 0; slots.length < this.#options.maxRecords && bytes < PACK_BYTES; index++) {
      const slot = lane.at(index);
      if (slot === undefined) break;
      if (slot.state === 'void') continue;
      if (slot.state !== 'queued' || (this.#options.byTopic && slot.topic !== first.topic)) break;
      // Alone, so that the small ones do not share its fate when it turns out to be too large.
      if (slots.length > 0 && slot.size >= PACK_BYTES) break;
      slots.push(slot);
      bytes += slot.size;
    }
    return slots;
  }

  #taken(slots: readonly Slot[], packet: OutgoingPacket, topic: string): void {
    this.#streams.advance(topic, slots.length);
    for (const slot of slots) {
      // Given up while the sink was deciding: it is on the wire all the same, but its caller has been told.
      const wanted = slot.state === 'queued';
      slot.state = 'sent';
      if (!wanted) continue;
      this.#leave(slot);
      slot.owner?.onSent(slot);
    }
    this.#options.onTaken?.(packet);
  }

  #refused(slots: readonly Slot[], error: unknown): void {
    for (const slot of slots) {
      if (slot.state !== 'queued') continue;
      slot.state = 'void';
      this.#leave(slot);
      slot.owner?.onFailed(slot, error);
    }
  }

  #isIdle(): boolean {
    if (this.#queued > 0 || this.#nextWaiting() !== undefined) return false;
    for (const lane of this.#lanes.values()) if (lane.first() !== undefined) return false;
    return true;
  }

  #checkIdle(): void {
    if (this.#idle.length === 0 || !this.#isIdle()) return;
    for (const resolve of this.#idle.splice(0)) resolve();
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
