/** Growing, jittered waits between attempts to reconnect, so that the peers of a server that restarts do not come at once. */

/** How the waits grow. */
export interface BackOff {
  readonly baseMs: number;
  readonly capMs: number;
  /** 0 up to 1. */
  readonly random: () => number;
}

/** How long to wait before repeating for the `attempt`th time, from 0: nothing at first, then half to all of base times 2^n. */
export function backOff(attempt: number, { baseMs, capMs, random }: BackOff): number {
  if (attempt === 0) return 0;
  const most = Math.min(capMs, baseMs * 2 ** attempt);
  return most / 2 + (most / 2) * random();
}
