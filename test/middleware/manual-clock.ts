/** A clock that stands still until it is told to go, or (`jumping`) leaps to each timer as soon as it is set. */
import type { Clock } from '../../src/core/clock.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  /** The waits that were asked for, in milliseconds. */
  readonly waits: number[] = [];
  readonly #jumping: boolean;
  readonly #timers = new Set<Timer>();
  #now = 1000;

  constructor({ jumping = false }: { readonly jumping?: boolean } = {}) {
    this.#jumping = jumping;
  }

  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  wallUs(): number {
    return this.#now * 1000;
  }

  setTimeout(run: () => void, ms: number): Timer {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    this.waits.push(ms);
    if (this.#jumping) queueMicrotask(() => this.advance(ms));
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > this.#now || !this.#timers.delete(timer)) continue;
      timer.run();
    }
  }
}
