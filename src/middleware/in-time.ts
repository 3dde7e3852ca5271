/** A limit for answers that others give, of whom some never do. */
import { LONGEST_MS } from '../core/option-checks.ts';

/** How long a key may take, in milliseconds, where nothing else was said: the message that waits for it holds up those behind it. */
export const KEY_TIMEOUT_MS = 5000;

/** What `load` answers, or a rejection when that takes longer. */
export function inTime<T>(load: () => Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no key within ${String(timeoutMs)} ms`)),
      Math.min(timeoutMs, LONGEST_MS),
    );
    Promise.resolve()
      .then(load)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
