import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTicks } from '../../../examples/market/rows.ts';

const ticks = loadTicks();

test('all 5,665 rows are there, each under the topic of its symbol', () => {
  const counts: Record<string, number> = {};
  for (const { topic, row } of ticks) {
    counts[topic] = (counts[topic] ?? 0) + 1;
    assert.equal(topic, `price.${row.symbol.toLowerCase()}`);
  }
  assert.deepEqual(counts, {
    'price.sp500': 5105,
    'price.msft': 123,
    'price.amzn': 123,
    'price.ibm': 123,
    'price.goog': 68,
    'price.aapl': 123,
  });
});

test('numbers are numbers and dates sort as text', () => {
  assert.deepEqual(ticks[0]?.row, {
    symbol: 'SP500',
    date: '2000-01-03',
    open: 1469.25,
    high: 1478,
    low: 1438.359985,
    close: 1455.219971,
    adjustedClose: 1455.219971,
    volume: 931800000,
  });
  assert.deepEqual(ticks.find(({ topic }) => topic === 'price.msft')?.row, {
    symbol: 'MSFT',
    date: '2000-01-01',
    price: 39.81,
  });
  for (const { row } of ticks) assert.match(row.date, /^20\d\d-(0[1-9]|1[0-2])-\d\d$/);
});

test('each symbol keeps its order, and stocks come all the way through', () => {
  const last = new Map<string, string>();
  for (const { row } of ticks) {
    assert.ok((last.get(row.symbol) ?? '') < row.date);
    last.set(row.symbol, row.date);
  }
  const distances = ticks.flatMap(({ topic }, index) => (topic === 'price.sp500' ? [] : [index]));
  assert.ok(distances.every((at, index) => index === 0 || at - (distances[index - 1] ?? 0) < 15));
});
