/**
 * The publishing side of gap detection: which sequence each topic has reached. A stream is (epoch, topic); its sequence counts
 * the records that the transport has accepted, contiguous from 1. The streams of a sender share an epoch, so that its topics can
 * share packets. The table is bounded: a topic that was evicted and comes back starts a new epoch, which resets the subscriber's
 * base line, so streams made after an eviction get another epoch than the evicted one had. The bus's own topics share one stream
 * outside of the table: nobody counts them, and each `ready()` of a subscriber makes two new ones.
 */
import { randomInt } from 'node:crypto';
import type { PacketStamp } from './packet.ts';
import { isReserved } from './topics.ts';

/** Sequences kept per topic; beyond it the least recently used is evicted. */
export const MAX_STREAMS = 10_000;

const encoder = new TextEncoder();

/** One topic of one publisher. */
export class Stream {
  readonly topic: string;
  readonly epoch: number;
  /** The last sequence that was accepted; 0 before the first. */
  last = 0;
  /** Records of the packet that is being put together, in runs that are complete; see mix.ts. */
  gathered = 0;
  changed = false;
  #topicBytes: Uint8Array | undefined = undefined;

  constructor(topic: string, epoch: number) {
    this.topic = topic;
    this.epoch = epoch;
  }

  /** The topic in UTF-8, kept from the first time on. */
  get topicBytes(): Uint8Array {
    // Not Buffer.from, which takes a slice of a shared pool.
    return (this.#topicBytes ??= encoder.encode(this.topic));
  }
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
  readonly #reserved: Stream = new Stream('', newEpoch());
  /** Of the streams that are made from now on. */
  #epoch: number = newEpoch();
  #recent: Stream | undefined;
  #turn: Iterator<Stream> | undefined;

  constructor(max: number = MAX_STREAMS) {
    this.#max = max;
    this.#reserved.changed = true;
  }

  /** The stamp of the next packet of a topic. Nothing is used up until {@link Streams.advance}. */
  stamp(topic: string, sentAtUs: number): PacketStamp {
    const stream = this.of(topic);
    return { epoch: stream.epoch, firstSequence: stream.last + 1, sentAtUs };
  }

  /** The transport has accepted `count` records of a topic. */
  advance(topic: string, count: number): void {
    this.move(this.of(topic), count);
  }

  /** The same for a stream that is at hand. */
  move(stream: Stream, count: number): void {
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

  /** The stream of a topic; made, where there is none. */
  of(topic: string): Stream {
    if (this.#recent?.topic === topic) return this.#recent;
    if (isReserved(topic)) return this.#reserved;
    let stream = this.#streams.get(topic);
    if (stream === undefined) {
      if (this.#streams.size >= this.#max) this.#evict();
      stream = new Stream(topic, this.#epoch);
    } else if (this.#streams.size * 2 > this.#max) {
      // Only a table that may have to evict pays for the order of use.
      this.#streams.delete(topic);
    }
    this.#streams.set(topic, stream);
    this.#recent = stream;
    return stream;
  }

  #evict(): void {
    const oldest = this.#streams.values().next();
    if (oldest.done === true) return;
    this.#streams.delete(oldest.value.topic);
    // Whoever comes back must not get the epoch that it had.
    if (oldest.value.epoch === this.#epoch) this.#epoch = newEpoch();
  }
}
