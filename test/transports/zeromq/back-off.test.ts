import assert from 'node:assert/strict';
import { it } from 'node:test';
import { backOff } from '../../../src/transports/zeromq/back-off.ts';

it('does not wait at first, then twice as long each time up to the cap, of which at least half', () => {
  const waits = (random: number): number[] =>
    [0, 1, 2, 3, 4, 2000].map((attempt) => backOff(attempt, { baseMs: 100, capMs: 1000, random: () => random }));
  assert.deepEqual(waits(0), [0, 100, 200, 400, 500, 500]);
  assert.deepEqual(waits(1), [0, 200, 400, 800, 1000, 1000]);
});
