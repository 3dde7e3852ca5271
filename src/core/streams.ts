/**
 * The publishing side of gap detection: which sequence each topic has reached. A stream is (epoch, topic); its sequence counts
 * the records that the transport has accepted, contiguous from 1. The table is bounded: a topic that was
 * evicted and comes back starts a new epoch, which resets the subscriber's base line. The bus's own topics share one stream
 * outside of the table: nobody counts them, and each `ready()` of a subscriber makes two new ones.
 */
import { randomInt } from 'node:crypto';
import type { PacketStamp } from './packet.ts';
import { isReserved } from './topics.ts';

/** Sequences kept per topic; beyond it the least recently used is evicted. */
export const MAX_STREAMS = 10_000;

/** One topic of one publisher. */
export interface Stream {
  readonly topic: string;
  readonly epoch: number;
  /** The last sequence that was accepted; 0 before the first. */
  last: number;
  changed: boolean;
}

/** Positive and never 0, which stands for "no epoch" (plain peers); 48 bits are what randomInt gives. */
function newEpoch(): number {
  return randomInt(1, 2 ** 48 - 1);
}

/** The streams of one sender. Senders without topics (push, request, reply) use the one stream of the empty topic. */
export class Streams {
  readonly #streams = new Map<string, Stream>();
  readonly #changed: Stream[] = [];
  readonly #max: number;
  readonly #reserved: Stream = { topic: '', epoch: newEpoch(), last: 0, changed: true };
  #recent: Stream | undefined;
  #turn: Iterator<Stream> | undefined;

  constructor(max: number = MAX_STREAMS) {
    this.#max = max;
  }

  /** The stamp of the next packet of a topic. Nothing is used up until {@link Streams.advance}. */
  stamp(topic: string, sentAtUs: number): PacketStamp {
    const stream = this.#stream(topic);
    return { epoch: stream.epoch, firstSequence: stream.last + 1, sentAtUs };
  }

  /** The transport has accepted `count` records of a topic. */
  advance(topic: string, count: number): void {
    const stream = this.#stream(topic);
    stream.last += count;
    if (!stream.changed) {
      stream.changed = true;
      this.#changed.push(stream);
    }
  }

  /** The streams that moved since the last call: what a heartbeat tells. */
  takeChanged(): readonly Stream[] {
    const taken = this.#changed.splice(0);
    for (const stream of taken) stream.changed = false;
    return taken;
  }

  /**
   * Up to `count` streams in turn, whether they moved or not: the heartbeat that told of them was lost to a subscriber that was
   * full at the time, and so was all that it would have told.
   */
  takeTurn(count: number): readonly Stream[] {
    const taken: Stream[] = [];
    for (let left = Math.min(count, this.#streams.size); left > 0; left--) {
      let next = this.#turn?.next();
      if (next === undefined || next.done === true) {
        this.#turn = this.#streams.values();
        next = this.#turn.next();
      }
      if (next.done !== true && !taken.includes(next.value)) taken.push(next.value);
    }
    return taken;
  }

  #stream(topic: string): Stream {
    if (this.#recent?.topic === topic) return this.#recent;
    if (isReserved(topic)) return this.#reserved;
    let stream = this.#streams.get(topic);
    if (stream === undefined) {
      stream = { topic, epoch: newEpoch(), last: 0, changed: false };
      if (this.#streams.size >= this.#max) {
        const oldest = this.#streams.keys().next();
        if (oldest.done !== true) this.#streams.delete(oldest.value);
      }
    } else if (this.#streams.size * 2 > this.#max) {
      // Only a table that may have to evict pays for the order of use.
      this.#streams.delete(topic);
    }
    this.#streams.set(topic, stream);
    this.#recent = stream;
    return stream;
  }
}
