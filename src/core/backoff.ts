/**
 * How long to wait before trying again, as arithmetic alone: who waits, and for what, is the caller's business.
 *
 * Full jitter: a uniform choice between nothing and an exponentially growing ceiling. Callers that failed together come back
 * spread over the whole interval (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */

/** What {@link fullJitter} computes from. */
interface FullJitterInput {
  /** How many attempts have been followed by a wait before, from 0: the exponent. */
  readonly attempt: number;
  /** The ceiling of the first wait, in milliseconds. */
  readonly baseMs: number;
  /** The highest ceiling, in milliseconds. */
  readonly capMs: number;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
}

/** Two to the power of this is beyond every cap, and still a number: infinity times a base of 0 would not be. */
const LARGEST_EXPONENT = 1000;

/** A wait in milliseconds: U(0, min(capMs, baseMs * 2^attempt)). */
export function fullJitter({ attempt, baseMs, capMs, random }: FullJitterInput): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, LARGEST_EXPONENT));
}
