/** `port` of every method, `Ports`, `Topics`, and the config of endpoints: host, ports, endpoints. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { EndpointChoice } from '../../src/core/endpoint-roles.ts';
import type { Endpoints } from '../../src/core/options.ts';
import { Ports, Topics } from '../../src/ports.ts';
import type { MessageBus, MessageBusConfig } from '../../src/message-bus.ts';
import { freePort } from '../support/free-port.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { actor, addressOf, FREE, overZeromq } from './stage.ts';

/** Opens every pattern at its configured endpoint; answers pattern, mode and endpoint of each. */
async function placesOf(t: TestContext, config: MessageBusConfig): Promise<string[]> {
  const { bus } = actor(t, { publish: true, pushTimeoutMs: 0, requestTimeoutMs: 0, ...config });
  bus.subscribe('a', () => undefined);
  bus.pull('a', () => undefined);
  bus.respond('a', () => undefined);
  await Promise.allSettled([bus.publish('a', 1), bus.push('a', 1), bus.request('a', 1)]);
  return bus.describe().links.map(({ pattern, mode, endpoint }) => `${pattern} ${mode}s ${endpoint}`);
}

test('by default events are at port 5555, results at 5556, state at 5557 of 127.0.0.1; publish, pull and respond bind', async (t) => {
  assert.deepEqual(Ports, { GLOBAL_EVENTS: 5555, TASK_RESULTS: 5556, STATE_MANAGEMENT: 5557 });
  assert.deepEqual(Topics, { PRICE_TICK: 'price.tick' });
  assert.deepEqual(await placesOf(t, {}), [
    'publish binds tcp://127.0.0.1:5555',
    'push connects tcp://127.0.0.1:5556',
    'request connects tcp://127.0.0.1:5557',
    'subscribe connects tcp://127.0.0.1:5555',
    'pull binds tcp://127.0.0.1:5556',
    'respond binds tcp://127.0.0.1:5557',
  ]);
});

test('host and ports move them, each port by itself', async (t) => {
  const ports = { GLOBAL_EVENTS: 7001, TASK_RESULTS: 7002, STATE_MANAGEMENT: 7003 };
  assert.deepEqual(await placesOf(t, { host: 'market', ports }), [
    'publish binds tcp://market:7001',
    'push connects tcp://market:7002',
    'request connects tcp://market:7003',
    'subscribe connects tcp://market:7001',
    'pull binds tcp://market:7002',
    'respond binds tcp://market:7003',
  ]);
  const [publish, push] = await placesOf(t, { ports: { TASK_RESULTS: 7002 } });
  assert.deepEqual([publish, push], ['publish binds tcp://127.0.0.1:5555', 'push connects tcp://127.0.0.1:7002']);
});

test('endpoints says who binds and who connects, for each pattern by itself', async (t) => {
  const flipped: Endpoints = {
    publish: { connect: ['tcp://hub:1'] },
    subscribe: { bind: 'tcp://hub:2' },
    push: { bind: 'tcp://hub:3' },
    pull: { connect: ['tcp://hub:4', 'tcp://hub:5'] },
    request: { bind: 'tcp://hub:6' },
    respond: { connect: ['tcp://hub:7'] },
  };
  assert.deepEqual(await placesOf(t, { endpoints: flipped }), [
    'publish connects tcp://hub:1',
    'push binds tcp://hub:3',
    'request binds tcp://hub:6',
    'subscribe binds tcp://hub:2',
    'pull connects tcp://hub:4',
    'pull connects tcp://hub:5',
    'respond connects tcp://hub:7',
  ]);
  const [publish, push] = await placesOf(t, { endpoints: { publish: { bind: 'tcp://hub:1' } } });
  assert.deepEqual([publish, push], ['publish binds tcp://hub:1', 'push connects tcp://127.0.0.1:5556']);
});

test('over ZeroMQ all three patterns work with their sides flipped', async (t) => {
  const receiving = overZeromq(t, { endpoints: { subscribe: { bind: FREE } } });
  const asking = overZeromq(t, { endpoints: { push: { bind: FREE }, request: { bind: FREE } } });
  const seen: unknown[] = [];
  receiving.bus.subscribe('a', ({ body }) => seen.push(body));
  const pushed = asking.bus.push('b', 2);
  const reply = asking.bus.request('c', 3);
  const working = overZeromq(t, {
    endpoints: {
      publish: { connect: [await addressOf(receiving.bus, 'subscribe')] },
      pull: { connect: [await addressOf(asking.bus, 'push')] },
      respond: { connect: [await addressOf(asking.bus, 'request')] },
    },
  });
  working.bus.pull('b', ({ body }) => seen.push(body));
  working.bus.respond('c', ({ body }) => body);
  await working.bus.ready();
  await receiving.bus.ready();
  await working.bus.publish('a', 1);
  await bounded(pushed, 'the push');
  assert.equal(await bounded(reply, 'the reply'), 3);
  await until(() => seen.length === 2, 'the event and the result');
  assert.deepEqual(seen.sort(), [1, 2]);
  const modes = [receiving, asking, working].flatMap(({ bus }) => bus.describe().links);
  assert.deepEqual(
    modes.map(({ pattern, mode }) => `${pattern} ${mode}s`),
    ['subscribe binds', 'push binds', 'request binds', 'publish connects', 'pull connects', 'respond connects'],
  );
});

/** Endpoints as a port number, which goes to the bus's `host`, and in full. */
async function choices(): Promise<readonly (readonly [name: string, choice: EndpointChoice, endpoint: string])[]> {
  const [port, other] = [await freePort(), await freePort()];
  return [
    ['a port number', port, `tcp://127.0.0.1:${String(port)}`],
    ['a whole endpoint', `tcp://127.0.0.1:${String(other)}`, `tcp://127.0.0.1:${String(other)}`],
  ];
}

/** The verbs that receive: each registers what puts the bodies it gets into a list. */
const RECEIVING: Readonly<Record<string, (bus: MessageBus, endpoint: EndpointChoice, seen: unknown[]) => void>> = {
  subscribe: (bus, endpoint, seen) => bus.subscribe('a', ({ body }) => seen.push(body), { endpoint }),
  messages: (bus, endpoint, seen) => {
    void (async () => {
      for await (const { body } of bus.messages('a', { endpoint })) seen.push(body);
    })();
  },
  pull: (bus, endpoint, seen) => bus.pull('a', ({ body }) => seen.push(body), { endpoint }),
  respond: (bus, endpoint, seen) => bus.respond('a', ({ body }) => seen.push(body), { endpoint }),
};

/** The other side of each, configured. */
const SENDERS: Readonly<Record<string, (endpoint: string) => Endpoints>> = {
  subscribe: (endpoint) => ({ publish: { bind: endpoint } }),
  messages: (endpoint) => ({ publish: { bind: endpoint } }),
  pull: (endpoint) => ({ push: { connect: [endpoint] } }),
  respond: (endpoint) => ({ request: { connect: [endpoint] } }),
};

for (const [verb, receive] of Object.entries(RECEIVING)) {
  test(`${verb} takes { endpoint }, over ZeroMQ: a port number or a whole endpoint, several on one bus`, async (t) => {
    const receiving = overZeromq(t);
    for (const [name, choice, endpoint] of await choices()) {
      const seen: unknown[] = [];
      receive(receiving.bus, choice, seen);
      const sending = overZeromq(t, { endpoints: SENDERS[verb]!(endpoint) });
      await sending.bus.ready();
      await receiving.bus.ready();
      if (verb === 'pull') await sending.bus.push('a', name);
      else if (verb === 'respond') await sending.bus.request('a', name);
      else await sending.bus.publish('a', name);
      await until(() => seen.length === 1, name);
      assert.deepEqual(seen, [name]);
    }
    assert.equal(receiving.bus.metrics().active_connections, 2);
  });
}

const SENDING: Readonly<Record<string, (bus: MessageBus, endpoint: EndpointChoice, body: string) => Promise<unknown>>> =
  {
    publish: (bus, endpoint, body) => bus.publish('a', body, { endpoint }),
    push: (bus, endpoint, body) => bus.push('a', body, { endpoint }),
    request: (bus, endpoint, body) => bus.request('a', body, { endpoint }),
  };

const RECEIVERS: Readonly<Record<string, (endpoint: string) => Endpoints>> = {
  publish: (endpoint) => ({ subscribe: { connect: [endpoint] } }),
  push: (endpoint) => ({ pull: { bind: endpoint } }),
  request: (endpoint) => ({ respond: { bind: endpoint } }),
};

for (const [verb, send] of Object.entries(SENDING)) {
  test(`${verb} takes { endpoint }, over ZeroMQ: a port number or a whole endpoint, several on one bus`, async (t) => {
    const sending = overZeromq(t);
    for (const [name, choice, endpoint] of await choices()) {
      const receiving = overZeromq(t, { endpoints: RECEIVERS[verb]!(endpoint) });
      const seen: unknown[] = [];
      const keep = ({ body }: { body: unknown }): void => void seen.push(body);
      if (verb === 'publish') receiving.bus.subscribe('a', keep);
      else if (verb === 'push') receiving.bus.pull('a', keep);
      else receiving.bus.respond('a', keep);
      // The first publish binds; what it carries nobody can have subscribed to.
      if (verb === 'publish') await send(sending.bus, choice, 'too early');
      await receiving.bus.ready();
      await bounded(send(sending.bus, choice, name), name);
      await until(() => seen.includes(name), name);
    }
    assert.equal(sending.bus.metrics().active_connections, 2);
  });
}

test('an endpoint that makes no sense is refused, in the config and in the call', async (t) => {
  const { bus } = overZeromq(t);
  assert.throws(() => overZeromq(t, { endpoints: { pull: { bind: 'tcp://127.0.0.1:99999' } } }), RangeError);
  assert.throws(() => bus.subscribe('a', () => undefined, { endpoint: 99_999 }), RangeError);
  assert.throws(() => bus.pull('a', () => undefined, { endpoint: 'localhost:5555' }), RangeError);
  await assert.rejects(bus.publish('a', 1, { endpoint: -1 }), RangeError);
  await assert.rejects(bus.push('a', 1, { endpoint: 'udp://127.0.0.1:1' }), RangeError);
});
