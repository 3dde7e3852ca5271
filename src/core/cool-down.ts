/**
 * The cool-down of one endpoint: after a failure it is left alone for a fixed window, calls meanwhile fail at once, and the
 * next call after it builds the socket anew. A peer that connects ends it early.
 */
import type { Clock } from './clock.ts';
import { BusError } from './errors.ts';

/** Whether an endpoint may be used, and what happened to it last. */
export class CoolDown {
  readonly #clock: Clock;
  readonly #windowMs: number;
  #until = -Infinity;
  #cause: unknown;

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  open(cause: unknown): void {
    this.#until = this.#clock.now() + this.#windowMs;
    this.#cause = cause;
  }

  end(): void {
    this.#until = -Infinity;
    this.#cause = undefined;
  }

  get remainingMs(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  get active(): boolean {
    // Asked for each message: no time is read while there is nothing to wait for.
    return this.#until !== -Infinity && this.#until > this.#clock.now();
  }

  /** @throws BusError COOLING_DOWN with the remaining time and the failure that opened it. */
  check(topic: string, endpoint: string): void {
    if (!this.active) return;
    throw new BusError(
      'COOLING_DOWN',
      `the endpoint is left alone for another ${String(Math.ceil(this.remainingMs))} ms`,
      {
        topic,
        endpoint,
        limitMs: this.#windowMs,
        cause: this.#cause,
        hint: 'Start the peer (a connection ends the cool-down), or change `failedSocketCooldownMs`.',
      },
    );
  }
}
