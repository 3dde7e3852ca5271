import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RetryBudget } from '../../src/middleware/retry-budget.ts';

function spendAll(budget: RetryBudget, now: number, destination = 'a'): number {
  let spent = 0;
  while (spent < 10_000 && budget.spend(destination, now)) spent++;
  return spent;
}

test('a fresh destination has three, and three more each second', () => {
  const budget = new RetryBudget();
  assert.deepEqual([spendAll(budget, 0), spendAll(budget, 0), spendAll(budget, 1000)], [3, 0, 3]);
  assert.deepEqual([spendAll(budget, 1333), spendAll(budget, 1334)], [0, 1]);
});

test('ten messages earn one more', () => {
  const budget = new RetryBudget();
  assert.equal(spendAll(budget, 0), 3);
  for (let message = 0; message < 9; message++) budget.earn('a');
  assert.equal(spendAll(budget, 0), 0);
  budget.earn('a');
  assert.equal(spendAll(budget, 0), 1);
});

test('neither a long quiet time nor many messages save up a storm', () => {
  const budget = new RetryBudget();
  assert.equal(spendAll(budget, 0), 3);
  assert.equal(spendAll(budget, 3_600_000), 3);
  for (let message = 0; message < 100_000; message++) budget.earn('a');
  assert.equal(spendAll(budget, 3_600_000), 100);
});

test('destinations do not share', () => {
  const budget = new RetryBudget();
  assert.deepEqual([spendAll(budget, 0, 'a'), spendAll(budget, 0, 'b')], [3, 3]);
});

test('ratio and perSecond set the two shares, and 0 is none', () => {
  const half = new RetryBudget({ ratio: 0.5, perSecond: 0 });
  assert.equal(spendAll(half, 0), 0);
  half.earn('a');
  half.earn('a');
  assert.equal(spendAll(half, 60_000), 1);
  const slow = new RetryBudget({ ratio: 0, perSecond: 0.5 });
  slow.earn('a');
  assert.deepEqual([spendAll(slow, 0), spendAll(slow, 1999), spendAll(slow, 2000)], [1, 0, 1]);
});

test('a clock that stands still or goes back earns nothing', () => {
  const budget = new RetryBudget();
  assert.deepEqual([spendAll(budget, 5000), spendAll(budget, 4000), spendAll(budget, 4000)], [3, 0, 0]);
});

test('retries never exceed three, a tenth of the messages, and three per second', () => {
  const step = fc.record({ kind: fc.constantFrom('earn', 'spend'), afterMs: fc.nat(700) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const budget = new RetryBudget();
      let now = 0;
      let messages = 0;
      let retries = 0;
      for (const { kind, afterMs } of steps) {
        now += afterMs;
        if (kind === 'earn') {
          budget.earn('a');
          messages++;
        } else if (budget.spend('a', now)) retries++;
        assert.ok(retries <= 3 + messages * 0.1 + (now * 3) / 1000 + 1e-6);
      }
    }),
  );
});

test('shares that are no amounts are refused', () => {
  for (const wrong of [-1, NaN, Infinity]) {
    assert.throws(() => new RetryBudget({ ratio: wrong }), /RangeError: Expected `budget.ratio`/);
    assert.throws(() => new RetryBudget({ perSecond: wrong }), /RangeError: Expected `budget.perSecond`/);
  }
});
