/**
 * How long a publisher waits for everyone before it leaves a full subscriber behind. It halves each time, so that one that is
 * stuck again and again costs the others less and less, and grows back when nothing had to be left behind for a while.
 * What a healthy subscriber needs to drain a queue of large packets is waited for in any case.
 */
import type { Clock } from './clock.ts';

/** Below this a healthy subscriber that pauses for a garbage collection would be left behind too. */
const LEAST_PATIENCE_MS = 100;

/** The part of `PublishSpec` that it goes by. */
interface PatienceSpec {
  readonly patienceMs: number;
  readonly patienceRecoveryMs: number;
  readonly clock: Clock;
}

/** The patience of one publisher. */
export class Patience {
  readonly #spec: PatienceSpec;
  #currentMs: number;
  #lastOverAt = 0;

  constructor(spec: PatienceSpec) {
    this.#spec = spec;
    this.#currentMs = spec.patienceMs;
  }

  /**
   * Whether a packet has waited long enough; if so, the next one waits half as long.
   * @param drainMs how long a healthy subscriber may need to make room; counts where the least patience does not cover it
   */
  isOver(waitedMs: number, drainMs = 0): boolean {
    const { patienceMs, patienceRecoveryMs, clock } = this.#spec;
    const now = clock.now();
    if (now - this.#lastOverAt >= patienceRecoveryMs) this.#currentMs = patienceMs;
    if (waitedMs < this.#currentMs || (drainMs > LEAST_PATIENCE_MS && waitedMs < drainMs)) return false;
    this.#lastOverAt = now;
    this.#currentMs = Math.min(patienceMs, Math.max(LEAST_PATIENCE_MS, this.#currentMs / 2));
    return true;
  }
}
