/**
 * Measures the messages of one endpoint and destination. It is told itself when a handler starts, so that no message needs a
 * closure for that.
 */
import type { Clock } from '../core/clock.ts';
import { DONE } from '../core/done.ts';
import type { Next } from '../core/middleware.ts';
import type { ReceiveContext, StartWatch } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import { failureType } from './message-attributes.ts';
import type { Recorder } from './recorders.ts';

/** See the head of this file. */
export class Timing implements StartWatch {
  /** How long received messages were on their way. */
  readonly lag: Recorder | undefined;
  readonly #dwell: Recorder | undefined;
  readonly #done: Recorder;
  readonly #failed = new Map<string, Recorder>();
  readonly #duration: (errorType?: string) => Recorder;
  readonly #clock: Clock;

  constructor(
    clock: Clock,
    duration: (errorType?: string) => Recorder,
    arrival?: (metric: 'transportLag' | 'dwell') => Recorder,
  ) {
    this.#clock = clock;
    this.#duration = duration;
    this.#done = duration();
    this.lag = arrival?.('transportLag');
    this.#dwell = arrival?.('dwell');
  }

  /** Runs the rest of the chain and records how long it took. */
  measure(ctx: ReceiveContext | SendContext, next: Next): Promise<void> {
    const startedAt = this.#clock.now();
    let running: Promise<void>;
    try {
      running = next();
    } catch (error) {
      this.#failure(failureType(ctx, error)).record(this.#secondsSince(startedAt));
      throw error;
    }
    if (running !== DONE) return this.#measured(running, ctx, startedAt);
    this.#done.record(this.#secondsSince(startedAt));
    return DONE;
  }

  async #measured(running: Promise<void>, ctx: ReceiveContext | SendContext, startedAt: number): Promise<void> {
    try {
      await running;
    } catch (error) {
      this.#failure(failureType(ctx, error)).record(this.#secondsSince(startedAt));
      throw error;
    }
    this.#done.record(this.#secondsSince(startedAt));
  }

  handlerStarts({ receivedAt }: ReceiveContext): void {
    this.#dwell?.record(this.#secondsSince(receivedAt));
  }

  /** By `error.type`, from the closed list of src/core/errors.ts. */
  #failure(errorType: string): Recorder {
    const known = this.#failed.get(errorType);
    if (known !== undefined) return known;
    const made = this.#duration(errorType);
    this.#failed.set(errorType, made);
    return made;
  }

  #secondsSince(ms: number): number {
    return (this.#clock.now() - ms) / 1000;
  }
}
