import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCsv } from '../../../examples/market/csv.ts';

test('values are found by the names of the first line', () => {
  const [first, second] = parseCsv('symbol,price\nMSFT,39.81\r\nIBM,100\n');
  assert.equal(first?.text('symbol'), 'MSFT');
  assert.equal(first.number('price'), 39.81);
  assert.equal(second?.number('price'), 100);
});

test('a line with another number of values is refused by its number', () => {
  assert.throws(() => parseCsv('a,b\n1,2\n1'), { message: 'line 3: 1 values, not 2' });
  assert.throws(() => parseCsv('a,b\n1,2,3'), { message: 'line 2: 3 values, not 2' });
});

test('a value that is missing or not a number is refused', () => {
  const [record] = parseCsv('a,b\nx,');
  assert.throws(() => record?.number('a'), { message: 'line 2: a is not a number' });
  assert.throws(() => record?.text('b'), { message: 'line 2: no b' });
  assert.throws(() => record?.text('c'), { message: 'line 2: no c' });
});
