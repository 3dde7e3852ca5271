import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointRoles } from '../../src/core/endpoint-roles.ts';
import type { EndpointPattern, Endpoints } from '../../src/core/options.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';

const checkTcp = (endpoint: string): void => {
  if (!endpoint.startsWith('tcp://')) throw new RangeError(`Expected an endpoint, got ${endpoint}`);
};
const roles = (endpoints: Endpoints): EndpointRoles => new EndpointRoles('10.0.0.1', endpoints, checkTcp);

test('a pattern goes where it was configured to, in its configured part', () => {
  const configured = roles({ publish: { connect: ['tcp://f:1'] }, request: { connect: ['tcp://a:1', 'tcp://b:1'] } });
  assert.deepEqual(configured.places('publish'), [{ endpoint: 'tcp://f:1', mode: 'connect' }]);
  assert.deepEqual(configured.places('request'), [
    { endpoint: 'tcp://a:1', mode: 'connect' },
    { endpoint: 'tcp://b:1', mode: 'connect' },
  ]);
  assert.deepEqual(roles({ subscribe: { bind: 'tcp://x:1' } }).places('subscribe'), [
    { endpoint: 'tcp://x:1', mode: 'bind' },
  ]);
});

test('a pattern without an endpoint says what to configure', () => {
  assert.throws(
    () => roles({}).places('push'),
    /^TypeError: Expected `endpoints\.push` to be configured, or an `endpoint` in the call/,
  );
});

test('an endpoint in the call stands for itself: publish, pull and respond bind, the others connect', () => {
  const modes: Readonly<Record<EndpointPattern, string>> = {
    publish: 'bind',
    pull: 'bind',
    respond: 'bind',
    subscribe: 'connect',
    push: 'connect',
    request: 'connect',
  };
  for (const [pattern, mode] of Object.entries(modes) as [EndpointPattern, string][]) {
    assert.deepEqual(roles({}).places(pattern, 'tcp://x:1'), [{ endpoint: 'tcp://x:1', mode }]);
  }
});

test('an endpoint in the call that is a configured one keeps its configured part', () => {
  const configured = roles({ publish: { connect: ['tcp://f:1'] }, request: { connect: ['tcp://a:1', 'tcp://b:1'] } });
  assert.deepEqual(configured.places('publish', 'tcp://f:1'), [{ endpoint: 'tcp://f:1', mode: 'connect' }]);
  assert.deepEqual(configured.places('request', 'tcp://b:1'), [{ endpoint: 'tcp://b:1', mode: 'connect' }]);
});

test('a number is a port on the host of the bus', () => {
  assert.deepEqual(roles({}).places('request', 5557), [{ endpoint: 'tcp://10.0.0.1:5557', mode: 'connect' }]);
  for (const port of [-1, 65_536, 1.5, NaN]) {
    assert.throws(
      () => roles({}).places('request', port),
      /^RangeError: Expected `endpoint` to be a port from 0 to 65535/,
    );
  }
});

test('an endpoint that makes no sense is refused, configured or in the call', () => {
  assert.throws(() => roles({ push: { connect: ['x'] } }), /^RangeError: Expected an endpoint, got x/);
  assert.throws(() => roles({}).places('push', 'x'), /^RangeError: Expected an endpoint, got x/);
});

test('a role is { bind } or { connect: [...] } and nothing else', () => {
  const wrong: readonly unknown[] = [
    'tcp://x:1',
    null,
    7,
    {},
    { bind: 7 },
    { connect: 'tcp://x:1' },
    { connect: [] },
    { connect: ['tcp://x:1', 7] },
    { bind: 'tcp://x:1', connect: ['tcp://y:1'] },
    ['tcp://x:1'],
  ];
  for (const role of wrong) {
    assert.throws(
      () => roles({ pull: role } as Endpoints),
      /^TypeError: Expected `endpoints\.pull` to be \{ bind: endpoint \} or \{ connect: \[endpoint, \.\.\.\] \}/,
      JSON.stringify(role),
    );
  }
});

test('an unknown pattern is an error that names the known ones', () => {
  assert.throws(
    () => roles({ pub: { bind: 'tcp://x:1' } } as Endpoints),
    /^TypeError: Unknown pattern `endpoints\.pub`; there are publish, subscribe, push, pull, request, respond/,
  );
});

test('publishing connects to one forwarder at most', () => {
  assert.throws(
    () => roles({ publish: { connect: ['tcp://a:1', 'tcp://b:1'] } }),
    /^RangeError: Expected `endpoints\.publish\.connect` to name one forwarder/,
  );
});

test('a bus uses several endpoints at once, by { endpoint } on every method', async (t) => {
  const { bus } = memoryBus(t, { host: 'h', endpoints: {} });
  const got: string[] = [];
  bus.subscribe('a', ({ body }) => void got.push(`first ${String(body)}`), { endpoint: 'memory://1' });
  bus.subscribe('a', ({ body }) => void got.push(`second ${String(body)}`), { endpoint: 'memory://2' });
  bus.pull('a', ({ body }) => void got.push(`pulled ${String(body)}`), { endpoint: 7001 });
  bus.respond('a', () => 'answer', { endpoint: 7002 });
  await bus.publish('a', 1, { endpoint: 'memory://1' });
  await bus.publish('a', 2, { endpoint: 'memory://2' });
  await bus.push('a', 3, { endpoint: 'tcp://h:7001' });
  assert.equal(await bus.request('a', 4, { endpoint: 7002 }), 'answer');
  assert.deepEqual(got.sort(), ['first 1', 'pulled 3', 'second 2']);
  assert.equal(
    await codeOf(bus.publish('a', 1)),
    'TypeError: Expected `endpoints.publish` to be configured, or an `endpoint` in the call',
  );
  assert.throws(
    () => bus.subscribe('a', () => {}, { endpoint: 'not one' }),
    /^RangeError: Expected an endpoint such as/,
  );
});
