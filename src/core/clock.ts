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

/** The real time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallUs: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
  setTimeout: (run, ms, options) => {
    const timer = setTimeout(run, ms);
    if (options?.keepAlive === false) timer.unref();
    return timer;
  },
  clearTimeout: (timer) => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};
