import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fullJitter } from '../../src/core/backoff.ts';

const ceiling = (attempt: number): number => fullJitter({ attempt, baseMs: 50, capMs: 5000, random: () => 1 });

test('the ceiling doubles with each attempt, from the base up to the cap', () => {
  assert.deepEqual([0, 1, 2, 3, 6, 7, 8, 5000].map(ceiling), [50, 100, 200, 400, 3200, 5000, 5000, 5000]);
});

test('the wait is the drawn share of the ceiling', () => {
  const wait = (drawn: number): number => fullJitter({ attempt: 2, baseMs: 50, capMs: 5000, random: () => drawn });
  assert.deepEqual([0, 0.25, 0.5].map(wait), [0, 50, 100]);
});

test('a base or cap of 0 means no wait, at any attempt', () => {
  for (const attempt of [0, 1, 2000]) {
    assert.equal(fullJitter({ attempt, baseMs: 0, capMs: 5000, random: () => 0.9 }), 0);
    assert.equal(fullJitter({ attempt, baseMs: 50, capMs: 0, random: () => 0.9 }), 0);
  }
});

test('a wait is never negative, never over the cap and always a number', () => {
  const drawn = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  const ms = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(fc.nat(3000), ms, ms, drawn, (attempt, baseMs, capMs, share) => {
      const wait = fullJitter({ attempt, baseMs, capMs, random: () => share });
      assert.ok(wait >= 0 && wait <= capMs && wait <= baseMs * 2 ** Math.min(attempt, 1000), String(wait));
    }),
  );
});
