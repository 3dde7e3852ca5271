/** Waits that can be cut short, each by a signal of its own and all of them together, on an injected clock. */
import type { Clock } from '../core/clock.ts';

/** See the head of this file. */
export class Waits {
  readonly #stops = new Set<(reason: unknown) => void>();

  /** Resolves after `ms`; rejects with the reason when the signal is aborted or all are ended. Leaves neither timer nor listener. */
  wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#stops.delete(stop);
        signal?.removeEventListener('abort', abort);
        clock.clearTimeout(timer);
      };
      const stop = (reason: unknown): void => {
        leave();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is whatever the caller gave
        reject(reason);
      };
      const abort = (): void => stop(signal?.reason);
      const timer = clock.setTimeout(() => {
        leave();
        resolve();
      }, ms);
      this.#stops.add(stop);
      if (signal?.aborted === true) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Ends every wait under way; it rejects with the reason. */
  endAll(reason: unknown): void {
    for (const stop of [...this.#stops]) stop(reason);
  }
}
