import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DURATION_BOUNDS_S, FINE_BOUNDS_S } from '../../src/core/semconv.ts';
import { HistogramSeries, HistogramStore, timeNow } from '../../src/middleware/histogram-store.ts';

test('a bound is part of the bucket that it ends, and what is above the last is in the open one', () => {
  const series = new HistogramSeries({}, [0.1, 1, 10]);
  for (const value of [0, 0.1, 0.100001, 1, 1.5, 10, 10.5, Infinity]) series.record(value);
  assert.deepEqual(series.counts, [2, 2, 2, 2]);
  assert.equal(series.count, 8);
  assert.deepEqual([series.min, series.max], [0, Infinity]);
});

test('sum, least and greatest are those of what was recorded', () => {
  const series = new HistogramSeries({}, [1]);
  for (const value of [0.5, 0.25, 2]) series.record(value);
  assert.deepEqual([series.count, series.sum, series.min, series.max], [3, 2.75, 0.25, 2]);
});

test('a negative time and one that is no number are not recorded', () => {
  const series = new HistogramSeries({}, [1]);
  for (const value of [-0.001, NaN, -Infinity]) series.record(value);
  assert.deepEqual([series.count, series.sum, series.counts], [0, 0, [0, 0]]);
});

test('equal attributes are one series, and each metric has its bounds', () => {
  const store = new HistogramStore();
  const one = store.series('process', { a: 'x' });
  assert.equal(store.series('process', { a: 'x' }), one);
  assert.notEqual(store.series('process', { a: 'y' }), one);
  assert.notEqual(store.series('operation', { a: 'x' }), one);
  assert.deepEqual(one.bounds, DURATION_BOUNDS_S);
  for (const metric of ['dwell', 'transportLag'] as const) {
    assert.deepEqual(store.series(metric, {}).bounds, FINE_BOUNDS_S);
  }
  assert.equal(Object.isFrozen(one.attributes), true);
});

test('a series without a record is not shown', () => {
  const store = new HistogramStore();
  store.series('process', { a: 'x' });
  const used = store.series('dwell', { a: 'x' });
  used.record(1);
  assert.deepEqual([...store.all()], [['dwell', [used]]]);
});

test('beyond 500 series of a metric destinations and servers become one, and nothing is lost', () => {
  const store = new HistogramStore();
  for (let index = 0; index < 2000; index++) {
    const topic = `t.${String(index)}`;
    const place = { 'server.address': topic, 'server.port': index };
    store.series('process', { 'messaging.destination.name': topic, ...place, 'error.type': 'closed' }).record(1);
    store.series('operation', { 'messaging.destination.template': `${topic}.*`, ...place }).record(1);
    store.series('clientCall', { 'rpc.method': topic, ...place }).record(1);
  }
  for (const [, series] of store.all()) {
    assert.equal(series.length, 501);
    assert.equal(
      series.reduce((sum, { count }) => sum + count, 0),
      2000,
    );
  }
  const last = Array.from(store.all(), ([metric, series]) => [metric, series.at(-1)?.attributes]);
  assert.deepEqual(last, [
    ['process', { 'messaging.destination.name': 'other', 'error.type': 'closed' }],
    ['operation', { 'messaging.destination.name': 'other' }],
    ['clientCall', { 'rpc.method': '_OTHER' }],
  ]);
});

test('a store is exported until everybody who said so has taken it back, each once', () => {
  const store = new HistogramStore();
  assert.equal(store.isExported, false);
  const [first, second] = [store.exported(), store.exported()];
  first();
  first();
  assert.equal(store.isExported, true);
  second();
  assert.equal(store.isExported, false);
});

test('the time of a point is now, in seconds and nanoseconds', () => {
  const [seconds, nanoseconds] = timeNow();
  assert.ok(Math.abs(seconds * 1000 - Date.now()) < 60_000);
  assert.ok(Number.isInteger(seconds) && Number.isInteger(nanoseconds));
  assert.ok(nanoseconds >= 0 && nanoseconds < 1e9);
});

test('an SDK that starts after the last one has stopped begins with nothing, and several at once share the totals', () => {
  const store = new HistogramStore();
  const record = (): void => store.series('dwell', { 'messaging.operation.name': 'pull' }).record(1);
  const count = (): number[] => [...store.all()].flatMap(([, series]) => series.map((one) => one.count));
  const first = store.exported();
  record();
  const second = store.exported();
  record();
  assert.deepEqual(count(), [2]);
  first();
  second();
  assert.deepEqual(count(), [2], 'the last collection still finds everything');
  store.exported();
  assert.deepEqual(count(), []);
  record();
  assert.deepEqual(count(), [1]);
});
