/**
 * The limit of one subscription: how many handlers run at once and how many messages may wait for them. `block` makes the
 * receive loop wait for room; `drop-oldest` lets the newest in and gives the oldest waiting one up.
 */
import { BusError } from './errors.ts';

/** What happens when as many wait as may. */
export type Overflow = 'block' | 'drop-oldest';

interface Waiter {
  /** Who waits, for who takes it back. */
  readonly who: unknown;
  start(): void;
  drop(error: unknown): void;
}

/** See the head of this file. */
export class Limiter {
  readonly #concurrency: number;
  readonly #maxQueued: number;
  readonly #overflow: Overflow;
  #entered = 0;
  #running = 0;
  readonly #queue: Waiter[] = [];
  readonly #outside: (() => void)[] = [];

  constructor(concurrency: number, maxQueued: number, overflow: Overflow) {
    this.#concurrency = concurrency;
    this.#maxQueued = maxQueued;
    this.#overflow = overflow;
  }

  /** Counts a message in before it is read on; a promise means that the receive loop has to wait for room. */
  enter(): Promise<void> | undefined {
    if (this.#overflow === 'drop-oldest' || this.#entered < this.#concurrency + this.#maxQueued) {
      this.#entered++;
      return undefined;
    }
    return new Promise((resolve) => this.#outside.push(resolve));
  }

  /** The same for who cannot wait: false when there is no room. */
  tryEnter(): boolean {
    if (this.#entered >= this.#concurrency + this.#maxQueued) return false;
    this.#entered++;
    return true;
  }

  /** The message will not come any more, or is done. */
  leave(): void {
    const next = this.#outside.shift();
    // The place goes straight to who waits for it.
    if (next !== undefined) next();
    else this.#entered--;
  }

  /** Waits for a running place, first come first served. Rejects with OVERFLOW when it is given up for a newer one. */
  start(topic: string, who?: unknown): Promise<void> | undefined {
    if (this.#running < this.#concurrency) {
      this.#running++;
      return undefined;
    }
    if (this.#overflow === 'drop-oldest' && this.#queue.length >= this.#maxQueued) {
      const error = new BusError('OVERFLOW', 'given up for a newer message', {
        topic,
        hint: 'Raise `concurrency` or `maxQueued`, or make the handler faster.',
      });
      const oldest = this.#queue.shift();
      // With no queue at all the newcomer is the oldest that waits.
      if (oldest === undefined) return Promise.reject(error);
      oldest.drop(error);
    }
    return new Promise((resolve, reject) => this.#queue.push({ who, start: resolve, drop: reject }));
  }

  /** Takes back the wait of `who`, which rejects; nothing happens when it has its place already. */
  giveUp(who: unknown, error: unknown): void {
    const index = this.#queue.findIndex((one) => one.who === who);
    if (index >= 0) this.#queue.splice(index, 1)[0]?.drop(error);
  }

  /** A handler has ended. */
  end(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next.start();
  }
}
