/**
 * How many retries a destination may be sent, beside its first attempts: a share of those, and a few per second.
 *
 * Without it every caller multiplies its load by `maxAttempts` at the very moment at which the destination cannot bear it. Two token buckets per destination,
 * spent as one: what the messages have earned, and what time has. Both are small, so that a long quiet time saves up no storm.
 */
import { amount, optionsCheck } from '../core/option-checks.ts';

/** Options of the budget of `retry`. */
export interface RetryBudgetOptions {
  /** Retries that each message earns. @default 0.1 */
  readonly ratio?: number;
  /** Retries that each second earns. @default 3 */
  readonly perSecond?: number;
}

/** What this many of the latest messages have earned can be spent; earlier earnings lapse. */
const MESSAGES_REMEMBERED = 1000;

/** Ten times a tenth is a little less than one. */
const ROUNDING = 1e-9;

const checkOptions = optionsCheck({ ratio: amount, perSecond: amount }, 'budget');

interface Bucket {
  earned: number;
  timed: number;
  filledAt: number;
}

/** The budgets of all destinations. There are as many as endpoints, each of which has a socket that costs far more. */
export class RetryBudget {
  readonly #buckets = new Map<string, Bucket>();
  readonly #ratio: number;
  readonly #perSecond: number;
  /** One second's earnings, but at least one whole retry, if time earns any. */
  readonly #mostTimed: number;

  constructor(options: RetryBudgetOptions = {}) {
    checkOptions(options);
    const { ratio = 0.1, perSecond = 3 } = options;
    this.#ratio = ratio;
    this.#perSecond = perSecond;
    this.#mostTimed = perSecond === 0 ? 0 : Math.max(1, perSecond);
  }

  /** A message sets out for the destination. */
  earn(destination: string): void {
    const bucket = this.#bucket(destination);
    bucket.earned = Math.min(this.#ratio * MESSAGES_REMEMBERED, bucket.earned + this.#ratio);
  }

  /** Takes one retry, if there is one left. */
  spend(destination: string, now: number): boolean {
    const bucket = this.#bucket(destination);
    const elapsedMs = Math.max(0, now - bucket.filledAt);
    bucket.timed = Math.min(this.#mostTimed, bucket.timed + (elapsedMs * this.#perSecond) / 1000);
    bucket.filledAt = now;
    if (bucket.earned + bucket.timed < 1 - ROUNDING) return false;
    const fromEarned = Math.min(1, bucket.earned);
    bucket.earned -= fromEarned;
    bucket.timed = Math.max(0, bucket.timed - (1 - fromEarned));
    return true;
  }

  #bucket(destination: string): Bucket {
    let bucket = this.#buckets.get(destination);
    if (bucket === undefined) {
      // Full as it is, so that it does not matter since when.
      bucket = { earned: 0, timed: this.#mostTimed, filledAt: 0 };
      this.#buckets.set(destination, bucket);
    }
    return bucket;
  }
}
