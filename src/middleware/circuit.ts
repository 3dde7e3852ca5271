/**
 * The state of one circuit, apart from messages: closed, open, half-open.
 *
 *     closed    -- `failures` in a row, all within `windowMs` -->  open
 *     open      -- after `openMs`, at the next call           -->  half-open
 *     half-open -- a probe succeeds                           -->  closed
 *     half-open -- a probe fails                              -->  open
 *
 * A call belongs to the era in which it was let through. What it tells after the state has changed is old news and ignored; so is a
 * late failure no reason to open a circuit that a probe has just closed.
 */

/** When a circuit opens, for how long, and how many probes it lets through. */
export interface CircuitLimits {
  readonly failures: number;
  readonly windowMs: number;
  readonly openMs: number;
  readonly halfOpenProbes: number;
}

/** How a call ended. `neither` tells nothing about the other side: the call was aborted or its body was wrong. */
export type Outcome = 'success' | 'failure' | 'neither';

/** The era of calls that began before the circuit had a state to remember. */
export const FIRST_ERA = 0;

/** See the head of this file. */
export class Circuit {
  readonly #limits: CircuitLimits;
  #state: 'closed' | 'open' | 'half-open' = 'closed';
  #era = FIRST_ERA;
  /** The times of the failures in a row, oldest first; fewer than `failures` of them. */
  #failedAt: number[] = [];
  #openUntil = 0;
  #probes = 0;

  constructor(limits: CircuitLimits) {
    this.#limits = limits;
  }

  get state(): 'closed' | 'open' | 'half-open' {
    return this.#state;
  }

  /** Lets a call through and answers its era; undefined refuses it. */
  enter(now: number): number | undefined {
    if (this.#state === 'closed') return this.#era;
    if (this.#state === 'open') {
      if (now < this.#openUntil) return undefined;
      this.#change('half-open');
    }
    if (this.#probes >= this.#limits.halfOpenProbes) return undefined;
    this.#probes++;
    return this.#era;
  }

  /** How long calls will still be refused; 0 while probes decide. */
  remainingMs(now: number): number {
    return this.#state === 'open' ? Math.max(0, this.#openUntil - now) : 0;
  }

  /** Tells how a call that was let through has ended. True if that has opened or closed the circuit. */
  settle(era: number, outcome: Outcome, now: number): boolean {
    if (era !== this.#era) return false;
    return this.#state === 'closed' ? this.#settleClosed(outcome, now) : this.#settleProbe(outcome, now);
  }

  #settleClosed(outcome: Outcome, now: number): boolean {
    if (outcome === 'success') this.#failedAt = [];
    if (outcome !== 'failure') return false;
    this.#failedAt.push(now);
    while ((this.#failedAt[0] ?? now) < now - this.#limits.windowMs) this.#failedAt.shift();
    if (this.#failedAt.length < this.#limits.failures) return false;
    this.#open(now);
    return true;
  }

  #settleProbe(outcome: Outcome, now: number): boolean {
    this.#probes--;
    if (outcome === 'neither') return false;
    if (outcome === 'success') this.#change('closed');
    else this.#open(now);
    return true;
  }

  #open(now: number): void {
    this.#change('open');
    this.#openUntil = now + this.#limits.openMs;
  }

  #change(state: 'closed' | 'open' | 'half-open'): void {
    this.#state = state;
    this.#era++;
    this.#failedAt = [];
    this.#probes = 0;
  }
}
