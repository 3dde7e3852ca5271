import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, wallClock } from '../../src/core/clock.ts';

/** A clock whose count and whose system's time a test moves; the system has whole milliseconds. */
function rig() {
  const at = { count: 0, system: 1_700_000_000_000 };
  const wallUs = wallClock(
    1_700_000_000_000,
    () => at.count,
    () => Math.floor(at.system),
  );
  const pass = (ms: number): void => {
    at.count += ms;
    at.system += ms;
  };
  return { at, pass, wallUs };
}

test('the time since 1970 has microseconds, although the system tells milliseconds alone', () => {
  const { pass, wallUs } = rig();
  pass(0.125);
  assert.equal(wallUs(), 1_700_000_000_000_125);
  pass(0.9);
  assert.equal(wallUs(), 1_700_000_000_001_025);
});

test('it follows the system where the machine has slept or was set, forth and back, and else goes by its own count', () => {
  const { at, pass, wallUs } = rig();
  at.system += 49;
  assert.equal(wallUs(), 1_700_000_000_000_000);
  at.system += 3_600_000 - 49;
  assert.equal(wallUs(), 1_700_003_600_000_000);
  pass(0.5);
  assert.equal(wallUs(), 1_700_003_600_000_500);
  at.system -= 7_200_000;
  assert.equal(wallUs(), 1_699_996_400_000_000);
});

test('time that the process was not given between two readings is not taken for a step of the clock', () => {
  let count = 0;
  let pauseMs = 0;
  const wallUs = wallClock(
    0,
    () => count,
    () => (count += pauseMs),
  );
  pauseMs = 200;
  assert.equal(wallUs(), 0);
  pauseMs = 0;
  assert.equal(wallUs(), 200_000);
});

test('the real clock agrees with the system', () => {
  const before = Date.now();
  const wallMs = systemClock.wallUs() / 1000;
  assert.ok(Number.isInteger(systemClock.wallUs()));
  assert.ok(wallMs >= before - 60 && wallMs <= Date.now() + 60, `${String(before)} and ${String(wallMs)}`);
});
