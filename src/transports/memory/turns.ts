/** Deals packets to the peers of a link in turn, passing over those that are full: for push and for requests. */
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import type { End } from './hub.ts';
import { parcelOf } from './pipe.ts';

/** Whose turn it is. */
export class Turns {
  readonly #ends: ReadonlyMap<string, End>;
  #next = 0;

  constructor(ends: ReadonlyMap<string, End>) {
    this.#ends = ends;
  }

  /** False when there is no peer, or none with room. */
  put(packet: OutgoingPacket): boolean {
    const ends = [...this.#ends.values()];
    for (let passed = 0; passed < ends.length; passed++) {
      const index = (this.#next + passed) % ends.length;
      const out = ends[index]?.out;
      if (out === undefined || out.full) continue;
      out.put(parcelOf(packet));
      this.#next = index + 1;
      return true;
    }
    return false;
  }
}
