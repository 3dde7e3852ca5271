/** Questions to the HTTP interfaces of the back ends. */
import { setTimeout as sleep } from 'node:timers/promises';

const REQUEST_TIMEOUT_MS = 20_000;

/** Parameters of a question. */
export type Query = Readonly<Record<string, string | number>>;

/** The answer, parsed. @throws Error with the status and the start of the body when that is not a good one */
export async function getJson<T>(base: string, path: string, query: Query = {}): Promise<T> {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url.href} answered ${response.status}: ${text.slice(0, 1000)}`);
  return JSON.parse(text) as T;
}

/**
 * Asks until there is an answer: something else than undefined.
 *
 * @throws Error that says what has not come, and what was known last (`progress`)
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { timeoutMs = 60_000, everyMs = 250, progress = (): unknown => undefined } = {},
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > giveUpAt) {
      const last = progress();
      const known = last === undefined ? '' : ` Last: ${JSON.stringify(last)}`;
      throw new Error(`Expected ${what} within ${timeoutMs} ms.${known}`);
    }
    await sleep(everyMs);
  }
}
