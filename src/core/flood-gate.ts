/**
 * Lets so many events of each kind through per second and counts the rest: whoever floods the bus with what it must tell
 * about (unknown topics, garbage) must not fill disks or back ends. Kinds are of closed lists, never text from outside, so
 * the table stays small. Only what is told is limited; counters count everything.
 */
import type { Clock } from './clock.ts';

/** Enough to see what is happening, few enough to be read. */
const PER_SECOND = 10;

const WINDOW_MS = 1000;

interface Window {
  startedAt: number;
  passed: number;
  leftOut: number;
}

/** See the head of this file. */
export class FloodGate {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whether one more of this kind may be told: how many were left out since the last one that passed (0 as a rule), or
   * undefined when it has to be left out itself.
   */
  pass(kind: string): number | undefined {
    const now = this.#clock.now();
    let window = this.#windows.get(kind);
    if (window === undefined) {
      window = { startedAt: now, passed: 0, leftOut: 0 };
      this.#windows.set(kind, window);
    } else if (now - window.startedAt >= WINDOW_MS) {
      window.startedAt = now;
      window.passed = 0;
    }
    if (window.passed >= PER_SECOND) {
      window.leftOut++;
      return undefined;
    }
    window.passed++;
    return take(window);
  }

  /** What was left out and has not been told; it counts as told now. */
  *untold(): Generator<readonly [kind: string, leftOut: number]> {
    for (const [kind, window] of this.#windows) {
      const leftOut = take(window);
      if (leftOut > 0) yield [kind, leftOut];
    }
  }
}

function take(window: Window): number {
  const { leftOut } = window;
  window.leftOut = 0;
  return leftOut;
}
