/** Waits until what was sent has arrived, or until it is certain that no more will. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reports } from './control.ts';
import { reconcile } from './reconcile.ts';
import type { Outcome } from './reconcile.ts';

/** How often the processes are asked, in milliseconds. */
const INTERVAL_MS = 100;

/** Nothing has moved for this long, two heartbeats and more: also the loss of the very last events is known by now. */
const STILL_MS = 3000;

/** Whatever moves, an end must come. */
const LIMIT_MS = 60_000;

/** Asks the processes until the comparison is even, or the counts stand still. */
export async function settle(ask: () => Promise<Reports>, seconds: number): Promise<Outcome> {
  const startedAt = performance.now();
  let changedAt = startedAt;
  let before = '';
  for (;;) {
    const outcome = reconcile(await ask(), seconds);
    const now = performance.now();
    const counts = JSON.stringify(outcome.topics);
    if (counts !== before) changedAt = now;
    before = counts;
    const isEven = outcome.lost === 0 && outcome.duplicated === 0;
    if (isEven || now - changedAt > STILL_MS || now - startedAt > LIMIT_MS) return outcome;
    await sleep(INTERVAL_MS);
  }
}
