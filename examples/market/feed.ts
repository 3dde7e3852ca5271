/**
 * The feed: replays the market data as events, over and over. It starts when its subscribers are there and is as fast as the
 * slowest of them: `slowSubscribers: 'wait'` makes `await bus.publish()` wait for room instead of leaving anyone behind.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BusError } from 'tracebus';
import { loadTicks } from './rows.ts';
import type { Tick } from './rows.ts';
import { runService } from './service.ts';
import type { Service } from './service.ts';
import { count } from './tally.ts';
import { WINDOWS } from './wiring.ts';

/** Events in the process's own queue: enough to fill packets, few enough that they are young when they arrive. */
const HWM_OUTBOUND = 500;

/** How long the subscribers may take to appear, in milliseconds. */
const START_TIMEOUT_MS = 30_000;

await runService(
  async (service) => {
    const { bus, control } = service;
    const ticks = loadTicks();
    const stopping = new AbortController();
    const signal = AbortSignal.any([service.signal, stopping.signal]);
    let begin: () => void = never;
    // Not from within the handler of `demo.start`: each event would belong to the trace of that one request.
    const replaying = new Promise<void>((resolve) => {
      begin = resolve;
    }).then(() => replay(ticks, service, signal).catch(service.fail));

    bus.respond(
      'demo.start',
      async () => {
        await bus.ready({
          topic: 'price.sp500',
          subscribers: Object.keys(WINDOWS).length,
          timeoutMs: START_TIMEOUT_MS,
        });
        begin();
        return service.report();
      },
      { endpoint: control },
    );
    bus.respond(
      'demo.stop',
      async () => {
        stopping.abort();
        begin(); // a feed that was never started has nothing to end
        await replaying;
        return service.report();
      },
      { endpoint: control },
    );
    await bus.ready(); // binds the publisher, so that subscribers find it from now on
  },
  ({ prices }) => ({
    endpoints: { publish: { bind: prices } },
    slowSubscribers: 'wait',
    hwmOutbound: HWM_OUTBOUND,
    publishTimeoutMs: 10_000, // a subscriber may pause this long without costing an event
  }),
);

async function replay(ticks: readonly Tick[], { bus, tally, wiring }: Service, signal: AbortSignal): Promise<void> {
  const pace = paceOf(wiring.rate);
  for (let index = 0; !signal.aborted; index = (index + 1) % ticks.length) {
    const { topic, row } = ticks[index] ?? never();
    try {
      await bus.publish(topic, row);
      count(tally.published, topic);
    } catch (error) {
      // Not accepted in time: the bus has counted it as dropped, and the next one may pass.
      if (error instanceof BusError && error.code === 'CLOSED') return;
      if (!(error instanceof BusError && error.code === 'SEND_TIMEOUT')) throw error;
      console.warn(error.message);
    }
    await pace?.(signal);
  }
}

/** Waits whenever more than `rate` events a second have been sent; undefined for no limit. */
function paceOf(rate: number): ((signal: AbortSignal) => Promise<void>) | undefined {
  if (rate === 0) return undefined;
  const startedAt = performance.now();
  let sent = 0;
  return async (signal) => {
    const aheadMs = (++sent / rate) * 1000 - (performance.now() - startedAt);
    if (aheadMs >= 1) await sleep(aheadMs, undefined, { signal }).catch(() => undefined);
  };
}

function never(): never {
  throw new Error('there is no market data');
}
