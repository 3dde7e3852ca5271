import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Count } from '../../src/core/counters.ts';
import { Routes } from '../../src/core/routes.ts';
import { Subscriber } from '../../src/core/subscriber.ts';

function table(): { routes: Routes; received: Count; names: (topic: string) => string[] } {
  const received = new Count();
  const routes = new Routes((topic) => received.series('subscribe', topic));
  const names = (topic: string): string[] => routes.for(topic).subscribers.map(({ pattern }) => pattern);
  return { routes, received, names };
}

test('a route names the subscribers whose pattern matches, in the order in which they came', () => {
  const { routes, names } = table();
  for (const pattern of ['price.*', 'price.tick', '>']) routes.add(new Subscriber(pattern, undefined, undefined));
  assert.deepEqual(names('price.tick'), ['price.*', 'price.tick', '>']);
  assert.deepEqual(names('state'), ['>']);
  assert.equal(routes.size, 3);
});

test('a topic that was looked up before learns of new and removed subscribers', () => {
  const { routes, names } = table();
  assert.deepEqual(names('price.tick'), []);
  const subscriber = new Subscriber('price.*', undefined, undefined);
  routes.add(subscriber);
  assert.deepEqual(names('price.tick'), ['price.*']);
  routes.delete(subscriber);
  assert.deepEqual(names('price.tick'), []);
  assert.equal(routes.size, 0);
});

test('the order of a topic stays the same gate while others are looked up', () => {
  const { routes } = table();
  const { gate } = routes.for('a');
  routes.for('b');
  routes.add(new Subscriber('>', undefined, undefined));
  assert.equal(routes.for('a').gate, gate);
});

test('a topic that is only looked up takes none of the bounded series of the figures', () => {
  const { routes, received } = table();
  for (let index = 0; index < 500; index++) routes.for(`t.${String(index)}`);
  assert.deepEqual([...received.all()], []);
  routes.for('t.499').received.value++;
  assert.deepEqual(
    [...received.all()].map(({ destination, value }) => [destination, value]),
    [['t.499', 1]],
  );
});

test('a flood of topics is bounded, and those that come back work as before', () => {
  const { routes, names } = table();
  routes.add(new Subscriber('t.*', undefined, undefined));
  const first = routes.for('t.0');
  for (let index = 0; index < 10_001; index++) routes.for(`t.${String(index)}`);
  assert.notEqual(routes.for('t.0'), first, 'it was forgotten');
  assert.deepEqual(names('t.0'), ['t.*']);
});
