/** A FIFO of slots: an array with a moving head, so that taking from the front costs nothing. */
import type { Slot } from './slot.ts';

/** Below this many taken slots a compaction would cost more than it frees. */
const COMPACT_FROM = 1024;

/** The queue of one writer, or of one topic of it. */
export class Lane {
  #slots: Slot[] = [];
  #head = 0;

  push(slot: Slot): void {
    this.#slots.push(slot);
  }

  get length(): number {
    return this.#slots.length - this.#head;
  }

  at(index: number): Slot | undefined {
    return this.#slots[this.#head + index];
  }

  /** Drops the first `count`. */
  drop(count: number): void {
    this.#head += count;
    if (this.#head === this.#slots.length) {
      this.#slots = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Drops leading slots that were given up, and answers the first that counts. */
  first(): Slot | undefined {
    let dead = 0;
    while (this.at(dead)?.state === 'void') dead++;
    if (dead > 0) this.drop(dead);
    return this.at(0);
  }
}
