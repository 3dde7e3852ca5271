/**
 * How `ready()` waits for an endpoint to open: through cool-downs, because failed binds are tried again by themselves and a peer that
 * connects ends one. Only when nothing can happen before its deadline does it give up at once.
 */
import type { Clock } from './clock.ts';
import { BusError } from './errors.ts';
import type { LinkKeeper } from './link-keeper.ts';
import type { Link } from './transport.ts';

/** The longest pause between two looks, in milliseconds: a peer may end a cool-down at any time. */
const LOOK_MS = 50;

/** See the head of this file. */
export class Opening {
  /** Why the endpoint could not be opened the last time. */
  met: unknown = undefined;
  readonly #keeper: LinkKeeper<Link>;
  readonly #clock: Clock;
  readonly #deadline: number;

  constructor(keeper: LinkKeeper<Link>, clock: Clock, deadline: number) {
    this.#keeper = keeper;
    this.#clock = clock;
    this.#deadline = deadline;
  }

  /** Resolves with the open link. Rejects with what opening met when it cannot open in time, or the signal ends the wait. */
  async link(signal: AbortSignal): Promise<Link> {
    for (;;) {
      try {
        return await this.#keeper.ensure();
      } catch (error) {
        // That it cools down says less than why.
        if (!isCoolingDown(error)) this.met = error;
        if (signal.aborted || !this.#mayOpen(error)) throw error;
      }
      await this.#pause(signal);
    }
  }

  #mayOpen(error: unknown): boolean {
    const { coolingDown, coolDownMs, link } = this.#keeper;
    if (!coolingDown || (error instanceof BusError && (error.code === 'CLOSED' || error.code === 'UNSUPPORTED'))) {
      return false;
    }
    return link !== undefined || this.#clock.now() + coolDownMs < this.#deadline;
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#clock.clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#clock.setTimeout(end, Math.min(LOOK_MS, this.#keeper.coolDownMs + 1));
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

function isCoolingDown(error: unknown): boolean {
  return error instanceof BusError && error.code === 'COOLING_DOWN';
}
