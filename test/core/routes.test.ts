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
  for (let index = 1; index < 10_001; index++) routes.for(`t.${String(index)}`);
  assert.equal(routes.known('t.0'), undefined, 'it was forgotten');
  assert.notEqual(routes.for('t.0'), first);
  assert.deepEqual(names('t.0'), ['t.*']);
});

test('what is forgotten is a topic that was not asked for again', () => {
  const { routes } = table();
  const busy = routes.for('busy');
  routes.for('once');
  for (let index = 0; index < 9999; index++) {
    routes.for(`t.${String(index)}`);
    routes.for('busy');
  }
  assert.equal(routes.known('busy'), busy);
  assert.equal(routes.known('once'), undefined);
});

test('a topic whose messages are on their way is never forgotten, however many others come', () => {
  const { routes } = table();
  const waiting = Array.from({ length: 10_010 }, (_, index) => routes.for(`w.${String(index)}`));
  const [first] = waiting;
  assert.equal(routes.known('w.0'), undefined, 'idle, it was forgotten');
  const tickets = waiting.map((_, index) => routes.for(`w.${String(index)}`).gate.issue());
  const gates = waiting.map((_, index) => routes.known(`w.${String(index)}`)?.gate);
  assert.notEqual(gates[0], first?.gate);
  for (let index = 0; index < 20; index++) routes.for(`t.${String(index)}`);
  assert.ok(gates.every((gate, index) => gate !== undefined && gate === routes.known(`w.${String(index)}`)?.gate));
  // Once they have entered the table shrinks again.
  gates.forEach((gate, index) => gate?.pass(tickets[index] ?? 0));
  for (let index = 0; index < 20; index++) routes.for(`u.${String(index)}`);
  const known = waiting.filter((_, index) => routes.known(`w.${String(index)}`) !== undefined);
  assert.ok(known.length <= 10_000, String(known.length));
});

test('asking whether a topic is wanted makes no route', () => {
  const { routes } = table();
  routes.add(new Subscriber('price.*', undefined, undefined));
  assert.deepEqual([routes.wants('price.tick'), routes.wants('state')], [true, false]);
  assert.deepEqual([routes.known('price.tick'), routes.known('state')], [undefined, undefined]);
  const route = routes.for('price.tick');
  assert.equal(routes.known('price.tick'), route);
  assert.equal(routes.wants('price.tick'), true);
});
