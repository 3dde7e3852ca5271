import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Correlations } from '../../src/core/correlations.ts';

test('correlation ids come once, in one bus and in two, and do not tell each other', () => {
  const [one, two] = [new Correlations(), new Correlations()];
  const ids = Array.from({ length: 2000 }, (_, index) => (index % 2 === 0 ? one : two).next());
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.every((id) => /^[\w-]{12}$/.test(id)));
  assert.ok(new Set(ids.map((id) => id.slice(0, 4))).size > 1990, 'no part of them counts');
});
