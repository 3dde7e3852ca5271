import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';

const SERVERS = ['memory://a', 'memory://b', 'memory://c'];

test('several endpoints are used in turn, without ready() too', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport, endpoints: { request: { connect: SERVERS } } });
  for (const endpoint of SERVERS) {
    memoryBus(t, { transport, endpoints: { respond: { bind: endpoint } } }).bus.respond('>', () => endpoint);
  }
  await turns();
  const answers: unknown[] = [];
  for (let call = 0; call < 9; call++) {
    answers.push(await caller.bus.request('who', 1));
    await turns();
  }
  const counts = SERVERS.map((endpoint) => answers.filter((answer) => answer === endpoint).length);
  assert.deepEqual(counts, [3, 3, 3]);
});

test('those with a peer come first: a call does not wait for one that is not there yet', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport, endpoints: { request: { connect: SERVERS } } });
  memoryBus(t, { transport, endpoints: { respond: { bind: 'memory://b' } } }).bus.respond('>', () => 'b');
  await turns();
  // The first call may go anywhere; it opens the others.
  void caller.bus.request('who', 1, { timeoutMs: 20 }).catch(() => undefined);
  await turns(10);
  for (let call = 0; call < 6; call++) assert.equal(await caller.bus.request('who', 1), 'b');
  const late = memoryBus(t, { transport, endpoints: { respond: { bind: 'memory://c' } } });
  late.bus.respond('>', () => 'c');
  const seen = new Set<unknown>();
  for (let call = 0; call < 20; call++) {
    seen.add(await caller.bus.request('who', 1));
    await turns();
  }
  assert.deepEqual([...seen].sort(), ['b', 'c'], 'the one that came later gets its share');
});

test('an endpoint that failed cools down by itself, and the others get its calls meanwhile', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const caller = memoryBus(t, { transport, clock, endpoints: { request: { connect: SERVERS.slice(0, 2) } } });
  const dead = memoryBus(t, { transport, clock, endpoints: { respond: { bind: 'memory://a' } } });
  const alive = memoryBus(t, { transport, clock, endpoints: { respond: { bind: 'memory://b' } } });
  dead.bus.respond('>', () => new Promise(() => {}));
  alive.bus.respond('>', () => 'b');
  await turns(10);
  const ready = caller.bus.ready();
  await turns(10);
  const first = [
    caller.bus.request('who', 1, { timeoutMs: 100 }),
    caller.bus.request('who', 1, { timeoutMs: 100 }),
  ].map(codeOf);
  await turns(10);
  await clock.pass(120);
  assert.deepEqual((await Promise.all(first)).sort(), ['REQUEST_TIMEOUT', 'resolved']);
  assert.equal(caller.bus.stats().cooling_down, 1);
  for (let call = 0; call < 4; call++) assert.equal(await caller.bus.request('who', 1, { timeoutMs: 1000 }), 'b');
  void ready.catch(() => undefined);
});

test('when all cool down the call says how long it takes until one may be used again', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, endpoints: { request: { connect: SERVERS.slice(0, 2) } } });
  const first = codeOf(bus.request('who', 1, { timeoutMs: 100 }));
  await turns();
  await clock.pass(120);
  assert.equal(await first, 'SEND_TIMEOUT');
  const second = codeOf(bus.request('who', 1, { timeoutMs: 100 }));
  await turns();
  await clock.pass(1000);
  assert.equal(await second, 'SEND_TIMEOUT');
  await assert.rejects(
    bus.request('who', 1),
    /COOLING_DOWN: the endpoint is left alone for another (8|9)\d\d\d ms \(topic "who", endpoint memory:\/\/a/,
  );
});

test('pushes to several endpoints are dealt in turn too', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport, endpoints: { push: { connect: SERVERS.slice(0, 2) } } });
  const got: Record<string, number> = { a: 0, b: 0 };
  for (const name of ['a', 'b']) {
    const { bus } = memoryBus(t, { transport, endpoints: { pull: { bind: `memory://${name}` } } });
    bus.pull('>', () => got[name]!++);
  }
  await turns();
  for (let call = 0; call < 10; call++) await caller.bus.push('task', call);
  await until(() => got['a']! + got['b']! === 10, 'all');
  assert.deepEqual(got, { a: 5, b: 5 });
});

test('an endpoint in the call is used for that call alone', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport, endpoints: { request: { connect: ['memory://a'] } } });
  for (const name of ['a', 'b']) {
    memoryBus(t, { transport, endpoints: { respond: { bind: `memory://${name}` } } }).bus.respond('>', () => name);
  }
  assert.equal(await caller.bus.request('who', 1, { endpoint: 'memory://b' }), 'b');
  assert.equal(await caller.bus.request('who', 1), 'a');
});

test('headers of a call go with it, also on a reply-bearing one, and reserved ones are the bus’s own', async (t) => {
  const { bus } = memoryBus(t, { serviceName: 'caller' });
  bus.respond('>', ({ headers }) => Object.fromEntries([...headers].filter(([name]) => name !== 'timeout-ms')));
  const own = { 'x-own': 'yes', sender: 'somebody else', topic: 'other', correlation: '1' };
  const { correlation, ...seen } = (await bus.request('who', 1, { headers: own })) as Record<string, string>;
  assert.deepEqual(seen, { 'x-own': 'yes', sender: 'caller', topic: 'who' });
  assert.match(correlation!, /^[\w-]{12}$/);
});
