import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { wait } from '../../src/middleware/wait.ts';
import { ManualClock } from './manual-clock.ts';

test('a wait ends when its time has come, not before, and leaves no listener', async () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  let done = false;
  const waiting = wait(clock, 10, signal).then(() => {
    done = true;
  });
  clock.advance(9);
  await Promise.resolve();
  assert.equal(done, false);
  clock.advance(1);
  await waiting;
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a wait without a signal ends as well', async () => {
  const clock = new ManualClock({ jumping: true });
  await wait(clock, 10);
  assert.equal(clock.now(), 1010);
});

test('an abort ends the wait with its reason, and leaves no timer', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const waiting = wait(clock, 10, controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(waiting, (error: unknown) => error === reason);
  assert.equal(clock.pending, 0);
});

test('an abort before the wait counts', async () => {
  const clock = new ManualClock();
  await assert.rejects(wait(clock, 10, AbortSignal.abort('over')), (reason: unknown) => reason === 'over');
  assert.equal(clock.pending, 0);
});
