/** The arithmetic of the benchmark: percentiles, spread, regression, bounds of memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from '../../bench/histogram.ts';
import { countSpans } from '../../bench/protobuf-spans.ts';
import { LIMITS, trendOf, violations } from '../../bench/soak-bounds.ts';
import type { Sample } from '../../bench/soak-bounds.ts';
import { quantile, slope, spread } from '../../bench/statistics.ts';

test('percentiles are within two per cent of the values, from microseconds to minutes', () => {
  for (const unit of [0.002, 1, 60]) {
    const histogram = new Histogram();
    for (let i = 1; i <= 1000; i++) histogram.record(i * unit);
    assert.equal(histogram.count, 1000);
    const { p50, p90, p99, p999, max } = histogram.percentiles();
    for (const [found, wanted] of [
      [p50, 500],
      [p90, 900],
      [p99, 990],
      [p999, 999],
      [max, 1000],
    ] as const) {
      assert.ok(Math.abs(found / (wanted * unit) - 1) < 0.02, `${found} for ${wanted * unit}`);
    }
  }
});

test('an empty histogram has no percentile, and what is no time is refused', () => {
  const histogram = new Histogram();
  assert.ok(Number.isNaN(histogram.percentile(0.5)));
  assert.throws(() => histogram.record(-1), /Expected `ms` to be a time from 0, got -1/);
  assert.throws(() => histogram.record(NaN), RangeError);
  histogram.record(0);
  assert.equal(histogram.percentile(0.5), 0);
});

test('a spread has the quartiles between neighbours, whatever the order of the values', () => {
  assert.deepEqual(spread([5, 1, 4, 2, 3]), { median: 3, min: 1, max: 5, q1: 2, q3: 4 });
  assert.equal(quantile([1, 2], 0.5), 1.5);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test('the slope is that of least squares', () => {
  assert.equal(
    slope([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    2,
  );
  assert.equal(slope([[1, 1]]), 0);
});

const MIB = 2 ** 20;
const samples = (heap: (i: number) => number, rss: (i: number) => number): Sample[] =>
  Array.from({ length: 60 }, (_, i) => ({ seconds: i, heapUsed: heap(i), external: 5 * MIB, rss: rss(i) }));
const noise = (i: number): number => (i % 7) * 0.1 * MIB;

test('memory that wavers is flat, memory that grows is not', () => {
  const flat = samples(
    (i) => 20 * MIB + noise(i),
    (i) => 90 * MIB + noise(i),
  );
  assert.deepEqual(violations(trendOf(flat), LIMITS.half), []);
  const growing = samples(
    (i) => 20 * MIB + i * 0.1 * MIB + noise(i),
    (i) => 90 * MIB + i * 0.2 * MIB,
  );
  assert.deepEqual(violations(trendOf(growing), LIMITS.half), ['heap grows', 'RSS grows']);
  const outside = flat.map((one, i) => ({ ...one, external: 5 * MIB + i * 0.1 * MIB }));
  assert.deepEqual(violations(trendOf(outside), LIMITS.half), ['external memory grows']);
});

test('what settles in the beginning is not held against a process; too few samples are refused', () => {
  const settling = samples(
    (i) => (i < 9 ? i * 2 : 20) * MIB,
    (i) => (i < 9 ? 50 : 90) * MIB,
  );
  assert.deepEqual(violations(trendOf(settling), LIMITS.half), []);
  assert.throws(() => trendOf(settling.slice(0, 5)), /say nothing/);
});

const field = (number: number, content: readonly number[]): number[] => [number * 8 + 2, content.length, ...content];

test('spans are counted wherever they stand in an OTLP request, and nothing else is', () => {
  const span = field(2, [1 * 8 + 1, 0, 0, 0, 0, 0, 0, 0, 0, 2 * 8 + 5, 0, 0, 0, 0, 3 * 8, 0x80, 1]);
  const scope = field(2, [...field(1, [8, 1]), ...span, ...span]);
  const resource = field(1, [...field(1, [8, 1]), ...scope, ...scope]);
  assert.equal(countSpans(Buffer.from([...resource, ...field(9, span), ...resource])), 8);
  assert.equal(countSpans(Buffer.alloc(0)), 0);
  assert.throws(() => countSpans(Buffer.from([10, 200])), RangeError);
  assert.throws(() => countSpans(Buffer.from([11])), /unknown wire type 3/);
});
