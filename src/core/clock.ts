/** Time as the bus sees it; injectable, so that tests of time-outs, cool-downs and heartbeats do not sleep. */

/** A handle of {@link Clock.setTimeout}; undefined where there is none. */
export type ClockTimer = unknown;

/** A source of time and timers. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number;
  /** Microseconds since 1970, an integer: the sent time on the wire. */
  wallUs(): number;
  /** Runs `run` once after `ms` milliseconds. `keepAlive: false` lets the process exit while the timer waits. */
  setTimeout(run: () => void, ms: number, options?: { readonly keepAlive?: boolean }): ClockTimer;
  /** Takes a timer back; one that has fired, or none, does nothing. */
  clearTimeout(timer: ClockTimer): void;
}

/** The system's clock may be apart from ours by this before ours follows it: far more than the tick of any system's clock. */
const MAX_DRIFT_MS = 50;

/**
 * Microseconds since 1970, counted from when the process started: the system's own clock has whole milliseconds alone. It follows the
 * system's clock where that is set, and where the machine has slept, which the count does not see.
 */
export function wallClock(originMs: number, count: () => number, system: () => number): () => number {
  let offsetMs = originMs;
  return () => {
    const counted = count();
    const driftMs = system() - (offsetMs + counted);
    // Time that this process was not given between the two readings is no drift.
    if (Math.abs(driftMs) > MAX_DRIFT_MS && count() - counted < 1) offsetMs += driftMs;
    return Math.round((offsetMs + counted) * 1000);
  };
}

/** The real time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallUs: wallClock(
    performance.timeOrigin,
    () => performance.now(),
    () => Date.now(),
  ),
  setTimeout: (run, ms, options) => {
    const timer = setTimeout(run, ms);
    if (options?.keepAlive === false) timer.unref();
    return timer;
  },
  clearTimeout: (timer) => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};
