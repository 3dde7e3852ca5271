import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plot } from '../../../scripts/pictures/plot.ts';
import type { Panel } from '../../../scripts/pictures/plot.ts';
import { stepsOf } from '../../../scripts/pictures/svg.ts';

const PANEL: Panel = {
  title: 'Rate',
  expr: 'rate(x[5s])\n> 1',
  unit: 'per second',
  series: [
    {
      name: 'feed',
      values: [
        [10, 0],
        [20, 50],
        [30, 100],
      ],
    },
    {
      name: 'recorder',
      values: [
        [10, NaN],
        [20, 25],
        [30, 50],
      ],
    },
  ],
};

test('each series is a line through its values, with its name; values that are none are left out', () => {
  const picture = plot([PANEL], 'Figures');
  const lines = [...picture.matchAll(/<path d="([^"]+)" fill="none" stroke="(#\w+)".*<title>(\w+)<\/title>/g)];
  const points = lines.map(([, path = '']) => path.match(/[ML][\d.]+ [\d.]+/g)?.length);
  assert.deepEqual(
    lines.map(([, , , name]) => name),
    ['feed', 'recorder'],
  );
  assert.deepEqual(points, [3, 2]);
  assert.notEqual(lines[0]?.[2], lines[1]?.[2], 'two colours');
  assert.doesNotMatch(picture, /NaN|Infinity/);
});

test('it says what is shown, by which expression, and how it ended', () => {
  const picture = plot([PANEL], 'Figures');
  assert.match(picture, />Rate \(per second\)</);
  assert.match(picture, />rate\(x\[5s\]\)<[^]*>&#62; 1</);
  assert.match(picture, /<desc id="description">Rate, at the end: feed 100 per second, recorder 50 per second<\/desc>/);
});

test('a panel without values is an error', () => {
  assert.throws(() => plot([{ ...PANEL, series: [] }], 'Figures'), /Expected values for rate/);
});

test('axes have at most six round marks, from nought', () => {
  assert.deepEqual(stepsOf(7), [0, 2, 4, 6]);
  assert.deepEqual(stepsOf(0.55), [0, 0.2, 0.4]);
  assert.deepEqual(stepsOf(500), [0, 100, 200, 300, 400, 500]);
  assert.deepEqual(stepsOf(0), [0]);
});
