/** The monitor: asks the recorder for its state many times a second, and measures how long the answers take. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BusError } from 'tracebus';
import { runService } from './service.ts';
import type { Service } from './service.ts';
import type { Alert } from './topics.ts';

const INTERVAL_MS = 50;

await runService(
  (service) => {
    watch(service).catch(service.fail);
  },
  ({ state }) => ({ endpoints: { request: { connect: [state] } }, requestTimeoutMs: 10_000 }),
);

async function watch({ bus, tally, signal }: Service): Promise<void> {
  while (!signal.aborted) {
    const askedAt = performance.now();
    try {
      const { alerts } = await bus.request('state.get', {}, { signal });
      tally.roundTrip.record(performance.now() - askedAt);
      tally.requests.answered++;
      if (alerts[0] !== undefined) tally.latest = describe(alerts[0]);
    } catch (error) {
      if (error instanceof BusError && error.code === 'ABORTED') return;
      tally.requests.failed++;
      console.warn(error instanceof Error ? error.message : String(error));
    }
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => undefined); // ended by the signal: the loop sees it
  }
}

function describe({ symbol, date, window, price, deviations }: Alert): string {
  const side = deviations > 0 ? 'above' : 'below';
  return `${date} ${symbol} ${price.toFixed(2)}: ${Math.abs(deviations).toFixed(1)} deviations ${side} its ${window}-row average`;
}
