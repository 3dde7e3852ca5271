import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectAmount, expectInteger } from '../../src/middleware/expect-number.ts';

test('integers from the least upwards pass, everything else is named', () => {
  for (const value of [1, 2, 1e9]) expectInteger('limit', value, 1);
  for (const value of [0, -1, 1.5, NaN, Infinity, '3' as unknown as number, null as unknown as number]) {
    assert.throws(
      () => expectInteger('limit', value, 1),
      new RegExp(`RangeError: Expected \`limit\` to be an integer from 1, got ${String(value)}`),
    );
  }
});

test('amounts are finite and not negative', () => {
  for (const value of [0, 0.5, 1e9]) expectAmount('baseMs', value);
  for (const value of [-1, NaN, Infinity, '3' as unknown as number]) {
    assert.throws(() => expectAmount('baseMs', value), /RangeError: Expected `baseMs` to be a number from 0, got/);
  }
});
