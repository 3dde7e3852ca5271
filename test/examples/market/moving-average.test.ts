import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MovingAverage } from '../../../examples/market/moving-average.ts';

test('there is no average until the window is full, then one of the last rows', () => {
  const series = new MovingAverage(3);
  assert.equal(series.add('2000-01-01', 10), undefined);
  assert.equal(series.add('2000-01-02', 20), undefined);
  assert.equal(series.add('2000-01-03', 30)?.average, 20);
  assert.equal(series.add('2000-01-04', 70)?.average, 40);
});

test('it is complete whenever the window has moved on by its length', () => {
  const series = new MovingAverage(2);
  const complete = ['01', '02', '03', '04', '05', '06'].map((day) => series.add(`2000-01-${day}`, 1)?.isComplete);
  assert.deepEqual(complete, [undefined, true, false, true, false, true]);
});

test('the distance to the average is told in standard deviations, zero when nothing moves', () => {
  const series = new MovingAverage(2);
  series.add('2000-01-01', 10);
  assert.equal(series.add('2000-01-02', 20)?.deviations, 1);
  assert.equal(series.add('2000-01-03', 10)?.deviations, -1);
  assert.equal(series.add('2000-01-04', 10)?.deviations, 0);
});

test('an earlier date starts anew', () => {
  const series = new MovingAverage(2);
  series.add('2020-01-01', 1000);
  series.add('2020-01-02', 1000);
  assert.equal(series.add('2000-01-01', 10), undefined);
  assert.equal(series.add('2000-01-02', 20)?.average, 15);
});
