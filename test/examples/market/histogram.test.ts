import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from '../../../examples/market/histogram.ts';

function histogramOf(...values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** Within the 5 % that a bucket is wide. */
function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= expected * 0.051, `${actual} is not near ${expected}`);
}

test('percentiles are right to five percent, the maximum exactly', () => {
  const histogram = histogramOf(...Array.from({ length: 1000 }, (_, index) => (index + 1) / 10));
  assertNear(histogram.percentile(0.5), 50);
  assertNear(histogram.percentile(0.99), 99);
  assert.equal(histogram.percentiles().max, 100);
});

test('an empty histogram has percentiles of zero', () => {
  assert.deepEqual(new Histogram().percentiles(), { p50: 0, p99: 0, max: 0 });
});

test('no percentile exceeds the maximum, and times below a microsecond count as one', () => {
  assert.equal(histogramOf(3).percentile(1), 3);
  assert.equal(histogramOf(-1, 0, 0.5).percentile(0.5), 0.001);
});

test('histograms add up as plain data', () => {
  const data = JSON.parse(JSON.stringify(histogramOf(1, 1, 1).data())) as ReturnType<Histogram['data']>;
  const both = histogramOf(100).add(data);
  assertNear(both.percentile(0.75), 1);
  assertNear(both.percentile(1), 100);
});

test('what is subtracted leaves what came since', () => {
  const before = histogramOf(1, 1, 1, 1);
  const now = new Histogram().add(before.data()).add(histogramOf(50).data());
  assertNear(now.percentile(0.5), 1);
  assertNear(now.subtract(before.data()).percentile(0.5), 50);
});
