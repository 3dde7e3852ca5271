import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { Patience } from '../../src/core/patience.ts';

/** The shortest waits, to the millisecond, at which it is over, asked for at these times. */
function limits(patienceMs: number, patienceRecoveryMs: number, times: readonly number[]): number[] {
  let now = 0;
  const patience = new Patience({ patienceMs, patienceRecoveryMs, clock: { ...systemClock, now: () => now } });
  return times.map((time) => {
    now = time;
    for (let waitedMs = 0; waitedMs < 10_000; waitedMs++) if (patience.isOver(waitedMs)) return waitedMs;
    return assert.fail('it is never over');
  });
}

describe('Patience', () => {
  it('halves each time it is over, down to 100 ms', () => {
    assert.deepEqual(limits(250, 10_000, [20_000, 20_001, 20_002, 20_003, 20_004]), [250, 125, 100, 100, 100]);
  });

  it('is whole again when nobody was left behind for the recovery time', () => {
    assert.deepEqual(limits(250, 1000, [5000, 5999, 6998, 7998, 8000]), [250, 125, 100, 250, 125]);
  });

  it('waits as long as a healthy subscriber needs to drain, however short it has become', () => {
    const clock = { ...systemClock, now: () => 0 };
    const patience = new Patience({ patienceMs: 250, patienceRecoveryMs: 1000, clock });
    assert.deepEqual([patience.isOver(1999, 2000), patience.isOver(2000, 2000)], [false, true]);
    assert.deepEqual([patience.isOver(1999, 2000), patience.isOver(2000, 2000)], [false, true]);
    assert.equal(patience.isOver(100, 100), true, 'the least patience covers it');
    assert.equal(patience.isOver(100, 101), false);
  });

  it('never exceeds what was configured, also below 100 ms', () => {
    assert.deepEqual(limits(20, 1000, [5000, 5001]), [20, 20]);
    assert.deepEqual(limits(0, 1000, [5000, 5001]), [0, 0]);
  });
});
