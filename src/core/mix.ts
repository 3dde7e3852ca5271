/**
 * Puts together a packet of several topics: which records may follow in it, and the runs that they make.
 *
 * Topics share a packet only where that changes nothing for anybody: the transport says that they go to the very same receivers
 * (one {@link PacketRoute}), and their streams are of one epoch. A topic that has a route always goes by it, also alone: were it
 * sent now by its route and now by its own name, a receiver that the transport knows of a moment before its publisher does could
 * get one record and miss the next.
 */
import type { PacketRoute } from './outgoing-packet.ts';
import { RUN_OVERHEAD_BYTES } from './packet-layout.ts';
import type { OutgoingRun } from './packet.ts';
import type { Stream, Streams } from './streams.ts';
import { isReserved } from './topics.ts';
import type { PacketSink } from './transport.ts';

/** Records of one topic in a row. */
export class MixedRun implements OutgoingRun {
  readonly stream: Stream;
  readonly topic: string;
  readonly topicBytes: Uint8Array;
  readonly firstSequence: number;
  count = 1;

  constructor(stream: Stream) {
    this.stream = stream;
    this.topic = stream.topic;
    this.topicBytes = stream.topicBytes;
    this.firstSequence = stream.last + stream.gathered + 1;
  }
}

/** See the head of this file. */
export class Mix {
  readonly route: PacketRoute;
  readonly runs: MixedRun[];
  /** What the last record has added to the packet beside itself: the head of its run, where it began one. */
  lastBytes: number;
  readonly #sink: PacketSink;
  readonly #streams: Streams;
  #last: MixedRun;

  constructor(streams: Streams, sink: PacketSink, topic: string, route: PacketRoute) {
    this.route = route;
    this.#sink = sink;
    this.#streams = streams;
    this.#last = new MixedRun(streams.of(topic));
    this.runs = [this.#last];
    this.lastBytes = RUN_OVERHEAD_BYTES + this.#last.topicBytes.length;
  }

  get epoch(): number {
    return this.#last.stream.epoch;
  }

  /** Takes one more record; false when it may not be in this packet. */
  take(topic: string): boolean {
    const last = this.#last;
    if (last.topic === topic) {
      last.count++;
      this.lastBytes = 0;
      return true;
    }
    if (this.#sink.routeOf?.(topic) !== this.route) return false;
    const stream = this.#streams.of(topic);
    if (stream.epoch !== last.stream.epoch) return false;
    last.stream.gathered += last.count;
    this.#last = new MixedRun(stream);
    this.runs.push(this.#last);
    this.lastBytes = RUN_OVERHEAD_BYTES + this.#last.topicBytes.length;
    return true;
  }

  /** The packet is complete: nothing is used up until the transport has it. */
  seal(): void {
    for (const { stream } of this.runs) stream.gathered = 0;
  }
}

/** Begins with a record of `topic`; undefined where that goes in packets of its own, as the bus's own topics always do. */
export function beginMix(streams: Streams, sink: PacketSink, topic: string | undefined): Mix | undefined {
  if (topic === undefined || isReserved(topic)) return undefined;
  const route = sink.routeOf?.(topic);
  return route === undefined ? undefined : new Mix(streams, sink, topic, route);
}
