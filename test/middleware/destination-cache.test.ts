import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESTINATION_CAP } from '../../src/core/counters.ts';
import { DestinationCache } from '../../src/middleware/destination-cache.ts';

function recording(): { cache: DestinationCache<{ place: string }>; made: string[] } {
  const made: string[] = [];
  const cache = new DestinationCache((endpoint, destination) => {
    const place = `${endpoint}|${destination ?? '(other)'}`;
    made.push(place);
    return { place };
  });
  return { cache, made };
}

test('a value is made once per endpoint and destination', () => {
  const { cache, made } = recording();
  assert.equal(cache.get('a', 'x'), cache.get('a', 'x'));
  assert.notEqual(cache.get('a', 'x'), cache.get('b', 'x'));
  assert.deepEqual(made, ['a|x', 'b|x']);
});

test('destinations beyond the cap share one value per endpoint, and known ones keep theirs', () => {
  const { cache, made } = recording();
  const first = cache.get('a', 'x0');
  for (let index = 1; index < DESTINATION_CAP; index++) cache.get('a', `x${String(index)}`);
  assert.equal(cache.get('a', 'y').place, 'a|(other)');
  assert.equal(cache.get('a', 'y'), cache.get('a', 'z'));
  assert.equal(cache.get('b', 'y').place, 'b|(other)');
  assert.equal(cache.get('a', 'x0'), first);
  assert.equal(made.length, DESTINATION_CAP + 2);
});

test('endpoints beyond their cap share the values of an endpoint without a name', () => {
  const { cache, made } = recording();
  for (let index = 0; index < 100; index++) cache.get(`e${String(index)}`, 'x');
  const before = made.length;
  for (let index = 100; index < 10_000; index++) cache.get(`e${String(index)}`, 'x');
  assert.ok(made.length <= before + 1);
  assert.match(cache.get('e9999', 'x').place, /^\|/);
});
