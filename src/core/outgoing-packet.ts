/**
 * A sealed packet on its way to a sink: 1..n records with the stamp they share. Encoded once, when a native transport first
 * asks for its frames, however often it is offered; a plain transport reads the records instead.
 */
import type { MessageHeaders } from './headers.ts';
import { encodeLone } from './encode-lone.ts';
import { encodePacket } from './packet.ts';
import type { OutgoingRecord, OutgoingRun, PacketStamp } from './packet.ts';

/** A record with the headers it was encoded from, for wires that carry no header block. */
export interface SealedRecord extends OutgoingRecord {
  readonly headers: MessageHeaders;
  /** What it is about, for those who count; on the wire it is the topic frame or a header. */
  readonly topic?: string;
  /** A record of the bus's own, which nobody counts. */
  readonly control?: boolean;
  /** Brings the header block up to date. Not asked of published records, none of which needs it. */
  seal?(): void;
}

/**
 * Where a published packet goes. Topics with the same route, which is the same object until the call that asked for it has returned
 * to the event loop, go to the very same receivers, so that their records may share a packet.
 */
export type PacketRoute = object;

/** What a published packet of several topics has besides its records. */
export interface MixedTopics {
  /** What the sink answered for each of the topics. */
  readonly route: PacketRoute;
  /** Which records are about what: together they have all of them. */
  readonly runs: readonly OutgoingRun[];
}

/** What is offered to a `PacketSink`. */
export class OutgoingPacket {
  /** The topic of a published packet; undefined for push, request and reply, and where it has several. */
  readonly topic: string | undefined;
  readonly records: readonly SealedRecord[];
  readonly stamp: PacketStamp;
  /** Of a published packet that goes by a route: its topics, which may be one. Undefined in every other packet. */
  readonly mixed: MixedTopics | undefined;
  #frames: Uint8Array[] | undefined = undefined;

  constructor(topic: string | undefined, records: readonly SealedRecord[], stamp: PacketStamp, mixed?: MixedTopics) {
    this.topic = topic;
    this.records = records;
    this.stamp = stamp;
    this.mixed = mixed;
  }

  /** `[packet, ...large payloads]`, see docs/wire-format.md. */
  frames(): Uint8Array[] {
    if (this.#frames === undefined) {
      this.#seal();
      this.#frames = encodePacket(this.records, this.stamp, this.mixed?.runs);
    }
    return this.#frames;
  }

  /**
   * The same for a socket that takes text, where it is two small frames in place of one that is not: `[packet, payload]` of a lone
   * record with a payload that is text, if the first frame has at most `mostBytes`. Else what `frames` answers.
   */
  framesWithText(mostBytes: number): (string | Uint8Array)[] {
    const [record] = this.records;
    if (this.#frames !== undefined || this.records.length > 1 || record === undefined) return this.frames();
    this.#seal();
    return encodeLone(record, mostBytes, this.stamp, this.mixed?.runs) ?? this.frames();
  }

  #seal(): void {
    if (this.topic === undefined && this.mixed === undefined) for (const record of this.records) record.seal?.();
  }
}
