/**
 * How many bytes may lie in front of a subscriber that is full.
 *
 * libzmq counts packets, and tells a publisher of room only when half its mark has been read (the subscriber's own queue works the
 * same way). With packets of 1 MiB that half is 128 MiB, which no machine reads in the time that 128 packets of 32 KB take. Nothing
 * tells how far a subscriber has got in between, so the policy waits for as long as a healthy one may need.
 */

const MIB = 1_048_576;

/**
 * What is waited for each MiB of the backlog. The backlog is the whole mark and up to half as much again, so half of it is given
 * 16 to 24 ms per MiB: a subscriber that reads 64 MiB a second keeps up.
 */
const MS_PER_MIB = 8;

/** Adds up what a socket has taken lately. */
export class Backlog {
  readonly #half: number;
  /** Bytes of the present half mark and of the two before it: at least what a full queue can hold. */
  #present = 0;
  #last = 0;
  #lastButOne = 0;
  #packets = 0;

  constructor(hwmPackets: number) {
    this.#half = Math.ceil(hwmPackets / 2);
  }

  /** A packet was taken. */
  add(bytes: number): void {
    this.#present += bytes;
    if (++this.#packets < this.#half) return;
    this.#packets = 0;
    this.#lastButOne = this.#last;
    this.#last = this.#present;
    this.#present = 0;
  }

  /** How long a healthy subscriber may need to make room, in milliseconds. */
  get drainMs(): number {
    return ((this.#lastButOne + this.#last + this.#present) / MIB) * MS_PER_MIB;
  }
}
