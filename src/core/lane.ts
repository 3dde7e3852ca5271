/** A FIFO of slots: an array with a moving head, so that taking from the front costs nothing. */
import type { Slot } from './slot.ts';

/** Below this many dead slots a compaction would cost more than it frees. */
const COMPACT_FROM = 1024;

/** The queue of one writer, or of one topic of it. */
export class Lane {
  #slots: Slot[] = [];
  #head = 0;
  /** How many were given up since the last compaction, at most. */
  #dead = 0;
  /** How many of the first stand in groups. */
  #grouped = 0;

  push(slot: Slot): void {
    this.#slots.push(slot);
  }

  get length(): number {
    return this.#slots.length - this.#head;
  }

  at(index: number): Slot | undefined {
    return this.#slots[this.#head + index];
  }

  /** All of them, as they are now. */
  all(): readonly Slot[] {
    return this.#slots.slice(this.#head);
  }

  /** Drops the first `count`. */
  drop(count: number): void {
    this.#head += count;
    this.#grouped = Math.max(0, this.#grouped - count);
    if (this.#head === this.#slots.length) {
      this.#slots = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
  }

  /** One of them was given up. Where the first one is stuck, those that give up behind it must not pile up. */
  forget(): void {
    if (++this.#dead < COMPACT_FROM || this.#dead * 2 < this.length) return;
    this.#slots = this.#slots.slice(this.#head).filter(({ state }) => state !== 'void');
    this.#head = 0;
    this.#dead = 0;
    this.#grouped = 0;
  }

  /** Drops leading slots that are done with. */
  dropSettled(): void {
    let settled = 0;
    for (;;) {
      const state = this.at(settled)?.state;
      if (state !== 'sent' && state !== 'void') break;
      settled++;
    }
    if (settled > 0) this.drop(settled);
  }

  /** Drops leading slots that are done with, and answers the first that counts. */
  first(): Slot | undefined {
    this.dropSettled();
    return this.at(0);
  }

  /** Takes out those that are wanted, wherever they stand, and answers them in their order. What is done with goes too. */
  take(isWanted: (slot: Slot) => boolean): readonly Slot[] {
    const taken: Slot[] = [];
    const rest: Slot[] = [];
    for (const slot of this.all()) {
      if (slot.state === 'void' || slot.state === 'sent') continue;
      (isWanted(slot) ? taken : rest).push(slot);
    }
    this.#slots = rest;
    this.#head = 0;
    this.#dead = 0;
    this.#grouped = 0;
    return taken;
  }

  /**
   * Brings together those of one key, each in its order, among the queued ones that stand before all others. Does nothing until those that it has
   * grouped before have left: so each is looked at once.
   */
  group(keyOf: (slot: Slot) => unknown): void {
    if (this.#grouped > 0) return;
    const queued: Slot[] = [];
    for (let slot = this.at(0); slot?.state === 'queued' || slot?.state === 'void'; slot = this.at(queued.length)) {
      queued.push(slot);
    }
    this.#grouped = queued.length;
    const keys = queued.map(keyOf);
    // Mostly all have one.
    if (keys.every((key) => key === keys[0])) return;
    const groups = new Map<unknown, Slot[]>();
    for (const [index, slot] of queued.entries()) {
      const group = groups.get(keys[index]);
      if (group === undefined) groups.set(keys[index], [slot]);
      else group.push(slot);
    }
    let index = this.#head;
    for (const group of groups.values()) for (const slot of group) this.#slots[index++] = slot;
  }
}
