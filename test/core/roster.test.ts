import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Roster } from '../../src/core/roster.ts';

test('all() answers what was added and not yet deleted', () => {
  const roster = new Roster<string>();
  const a = roster.add('a');
  roster.add('b');
  roster.delete(a);
  roster.add('c');
  assert.deepEqual(roster.all().sort(), ['b', 'c']);
});

test('places are used again, so that a roster is as long as what was in hand at once', () => {
  const roster = new Roster<number>();
  const places = new Set<number>();
  for (let index = 0; index < 1000; index++) {
    const place = roster.add(index);
    places.add(place);
    roster.delete(place);
  }
  assert.equal(places.size, 1);
  assert.deepEqual(roster.all(), []);
});
