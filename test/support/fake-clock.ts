/**
 * A clock that stands still until a test moves it. Timers run in the order of their time, those that a timer sets within
 * the same `advance` included, and `now` is each timer's own time while it runs.
 */
import type { Clock } from '../../src/core/clock.ts';

interface FakeTimer {
  readonly at: number;
  readonly order: number;
  readonly keepAlive: boolean;
  readonly run: () => void;
}

/** 2023-11-14, in microseconds: any time that is no round number of days. */
const START_WALL_US = 1_700_000_000_000_000;

export class FakeClock implements Clock {
  readonly #timers = new Set<FakeTimer>();
  #now: number;
  #wallUs = START_WALL_US;
  #order = 0;

  constructor(now = 1000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wallUs(): number {
    return this.#wallUs + Math.round(this.#now * 1000);
  }

  /** Sets the time since 1970, as an operator does. */
  setBy(ms: number): void {
    this.#wallUs += ms * 1000;
  }

  setTimeout(run: () => void, ms: number, options?: { readonly keepAlive?: boolean }): FakeTimer {
    const at = this.#now + Math.max(0, ms);
    const timer = { at, order: this.#order++, keepAlive: options?.keepAlive ?? true, run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as FakeTimer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Those of them that would keep a process alive. */
  get holding(): number {
    return [...this.#timers].filter(({ keepAlive }) => keepAlive).length;
  }

  /** How long until the next timer; undefined when there is none. */
  get nextMs(): number | undefined {
    const next = this.#next(Infinity);
    return next === undefined ? undefined : next.at - this.#now;
  }

  /** Moves time and runs what is due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
    }
    this.#now = end;
  }

  /** Moves time in small steps, with turns of the event loop between them, for what needs both. */
  async pass(ms: number, stepMs = 5): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(stepMs, left));
      await turns();
    }
  }

  #next(end: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Lets the event loop turn a few times: what was started comes as far as it can without time passing. */
export async function turns(count = 4): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
