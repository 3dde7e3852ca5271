import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { Waits } from '../../src/middleware/waits.ts';
import { ManualClock } from './manual-clock.ts';

const is = (reason: unknown) => (error: unknown) => error === reason;

test('a wait ends when its time has come, not before, and leaves no listener', async () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  let done = false;
  const waiting = new Waits().wait(clock, 10, signal).then(() => {
    done = true;
  });
  clock.advance(9);
  await Promise.resolve();
  assert.equal(done, false);
  clock.advance(1);
  await waiting;
  assert.deepEqual([getEventListeners(signal, 'abort').length, clock.pending], [0, 0]);
});

test('a wait without a signal ends as well', async () => {
  const clock = new ManualClock({ jumping: true });
  await new Waits().wait(clock, 10);
  assert.equal(clock.now(), 1010);
});

test('an abort ends the wait with its reason, and leaves neither timer nor listener', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const waiting = new Waits().wait(clock, 10, controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(waiting, is(reason));
  assert.deepEqual([getEventListeners(controller.signal, 'abort').length, clock.pending], [0, 0]);
});

test('an abort before the wait counts', async () => {
  const clock = new ManualClock();
  await assert.rejects(new Waits().wait(clock, 10, AbortSignal.abort('over')), is('over'));
  assert.equal(clock.pending, 0);
});

test('all waits can be ended together, and those that have ended are not touched', async () => {
  const clock = new ManualClock();
  const waits = new Waits();
  const { signal } = new AbortController();
  const first = waits.wait(clock, 1);
  clock.advance(1);
  await first;
  const waiting = [waits.wait(clock, 10), waits.wait(clock, 20, signal)];
  waits.endAll('closing');
  for (const one of waiting) await assert.rejects(one, is('closing'));
  assert.deepEqual([getEventListeners(signal, 'abort').length, clock.pending], [0, 0]);
  waits.endAll('again');
});
