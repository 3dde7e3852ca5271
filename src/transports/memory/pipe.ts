/**
 * One direction of a connection: a bounded queue of packets, first in, first out. The sender's high-water mark bounds it; it
 * is full until its reader takes something out, and that is all the back-pressure there is.
 */
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';

/** A packet on its way, as bytes of its own. */
export interface Parcel {
  readonly topic: string | undefined;
  readonly frames: readonly Uint8Array[];
}

/** Copies what was handed over, once for all its receivers: the sender's buffers have no part in it from here on. */
export function parcelOf(packet: OutgoingPacket): Parcel {
  return { topic: packet.topic, frames: packet.frames().map((frame) => Buffer.from(frame)) };
}

/** A bounded queue between two links. */
export class Pipe {
  /** The publisher goes on without this receiver; see {@link Pipe.drained}. */
  leftBehind = false;
  /** Set by the reader: something came into the pipe. */
  onParcel: (() => void) | undefined = undefined;
  /** Set by a closing writer: the last parcel was taken out, or lost with the reader. */
  onEmpty: (() => void) | undefined = undefined;
  readonly #capacity: number;
  #parcels: Parcel[] = [];
  #open = true;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get open(): boolean {
    return this.#open;
  }

  get empty(): boolean {
    return this.#parcels.length === 0;
  }

  get full(): boolean {
    return this.#parcels.length >= this.#capacity;
  }

  /** Half empty again: below that a receiver that was left behind would be full again at once. */
  get drained(): boolean {
    return this.#parcels.length <= this.#capacity / 2;
  }

  /** Only while open and not full. */
  put(parcel: Parcel): void {
    this.#parcels.push(parcel);
    this.onParcel?.();
  }

  take(): Parcel | undefined {
    const parcel = this.#parcels.shift();
    if (this.#parcels.length === 0) this.onEmpty?.();
    return parcel;
  }

  /** What is still in it is lost. */
  close(): void {
    this.#open = false;
    this.#parcels = [];
    this.onEmpty?.();
  }
}
