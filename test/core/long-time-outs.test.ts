import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { Clock } from '../../src/core/clock.ts';
import { turns } from '../support/fake-clock.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';

/** A timer of Node's does not take them: it would fire after a millisecond. */
const LONG: readonly number[] = [Infinity, 2 ** 31, Number.MAX_SAFE_INTEGER];

/** The real clock, and a look at what it was asked for. */
function watchedClock(): { readonly clock: Clock; readonly waits: number[] } {
  const waits: number[] = [];
  const clock: Clock = {
    now: () => systemClock.now(),
    wallUs: () => systemClock.wallUs(),
    setTimeout: (run, ms, options) => {
      waits.push(ms);
      return systemClock.setTimeout(run, ms, options);
    },
    clearTimeout: (timer) => {
      systemClock.clearTimeout(timer);
    },
  };
  return { clock, waits };
}

test('ready() waits without end for Infinity, and as long as a timer can for more than that', async (t) => {
  for (const timeoutMs of LONG) {
    const { clock, waits } = watchedClock();
    const { bus } = memoryBus(t, { clock, publish: false });
    const abort = new AbortController();
    bus.push('a', 1).catch(() => undefined);
    const ready = codeOf(bus.ready({ timeoutMs, signal: abort.signal }));
    await turns();
    assert.ok(
      waits.every((ms) => ms <= 2 ** 31 - 1),
      String(waits),
    );
    abort.abort();
    assert.equal(await ready, 'ABORTED');
  }
});

test('close() lets a handler finish however long it takes', async (t) => {
  for (const timeoutMs of LONG) {
    const { clock, waits } = watchedClock();
    const { bus } = memoryBus(t, { clock });
    const hold = deferred();
    let aborted = false;
    bus.respond('state', async ({ signal }) => {
      signal.addEventListener('abort', () => (aborted = true));
      await hold.promise;
      return 1;
    });
    await bus.ready();
    const answer = codeOf(bus.request('state', 1));
    await turns(10);
    const closing = bus.close({ timeoutMs });
    await turns();
    assert.ok(
      waits.every((ms) => ms <= 2 ** 31 - 1),
      String(waits),
    );
    assert.equal(aborted, false, String(timeoutMs));
    hold.resolve();
    assert.deepEqual(await closing, { undelivered: 0, cancelled: 0, byTopic: {} });
    assert.equal(await answer, 'resolved');
  }
});
