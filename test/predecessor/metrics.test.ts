/** `get_metrics()`: the nine figures, with no SDK and no middleware, each seen to move by exactly what it counts. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { DocumentedMetrics } from '../../src/core/counters.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { Ports } from '../../src/ports.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { until } from '../transports/conformance/waiting.ts';
import { actor, addressOf, aroundLimit, FREE, handedOver, overZeromq, SpyTransport } from './stage.ts';
import type { Actor } from './stage.ts';

/** A bus without any middleware but the serializer, whose handlers are given: the core alone counts. */
function counting(t: TestContext, config: MessageBusConfig = {}): Actor {
  return actor(t, { middleware: [serialize()], publish: true, ...config });
}

const ZERO: DocumentedMetrics = {
  messages_sent: 0,
  messages_received: 0,
  errors: 0,
  outbound_dropped: 0,
  inbound_dropped: 0,
  backpressure_events: 0,
  request_timeouts: 0,
  failed_bind_count: 0,
  active_connections: 0,
};

test('metrics() has the nine figures under their documented names, all 0 at the start, also without any middleware', (t) => {
  assert.deepEqual(actor(t).bus.metrics(), ZERO);
  assert.deepEqual(actor(t, { middleware: [] }).bus.metrics(), ZERO);
});

test('messages_sent and messages_received count events, results, requests and replies, once each', async (t) => {
  const { bus } = counting(t);
  const handled: string[] = [];
  for (const topic of ['event', 'event']) bus.subscribe(topic, () => handled.push('event'));
  bus.pull('>', () => handled.push('result'));
  bus.respond('>', () => 'reply');
  await bus.ready();
  await bus.publish('event', 1);
  await bus.publish('nobody.asked', 1);
  await bus.push(1);
  await bus.request(1);
  await until(() => handled.length === 3, 'the handlers');
  // Sent: two events, a result, a request, its reply. Received: all but the event that nobody asked for.
  assert.deepEqual(bus.metrics(), { ...ZERO, messages_sent: 5, messages_received: 4, active_connections: 6 });
});

test('errors counts a failing handler, a rejected call and a request time-out, once each', async (t) => {
  const clock = new FakeClock();
  const { bus } = counting(t, { clock });
  bus.pull('>', () => {
    throw new Error('out of order');
  });
  bus.respond('>', () => new Promise(() => {}));
  await bus.push(1);
  await until(() => bus.metrics().errors === 1, 'the failing handler');
  await assert.rejects(bus.publish('not..a.topic', 1), { code: 'INVALID_TOPIC' });
  assert.equal(bus.metrics().errors, 2);
  // Told by the endpoint, which tries again by itself, and the reason for which the call rejects: one failure.
  await assert.rejects(bus.publish('a', 1, { endpoint: Ports.TASK_RESULTS }), { code: 'BIND_FAILED' });
  assert.equal(bus.metrics().errors, 3);
  const call = bus.request(1);
  await handedOver(bus, 2);
  assert.deepEqual(await aroundLimit(clock, 5000, call), ['pending', 'REQUEST_TIMEOUT']);
  assert.equal(bus.metrics().errors, 4);
});

test('outbound_dropped counts what was given up: at its time-out, and at once while the endpoint cools down', async (t) => {
  const clock = new FakeClock();
  const { bus } = counting(t, { clock });
  assert.deepEqual(await aroundLimit(clock, 1000, bus.push(1)), ['pending', 'SEND_TIMEOUT']);
  assert.equal(bus.metrics().outbound_dropped, 1);
  await assert.rejects(bus.push(2), { code: 'COOLING_DOWN' });
  assert.equal(bus.metrics().outbound_dropped, 2);
  assert.equal(bus.metrics().messages_sent, 0);
});

test('inbound_dropped counts what arrived and no handler could be given: refused by a step, say', async (t) => {
  const { bus, errors } = counting(t);
  bus.use({
    name: 'guard',
    stage: 'body',
    receive: ({ body }, next) => (body === 'bad' ? Promise.reject(new Error('refused')) : next()),
  });
  let handled = 0;
  bus.pull('>', () => handled++);
  await bus.push('bad');
  await until(() => bus.metrics().inbound_dropped === 1, 'the refused message');
  await bus.push('good');
  await until(() => handled === 1, 'the message after it');
  assert.equal(bus.metrics().inbound_dropped, 1);
  assert.equal(bus.metrics().messages_received, 2);
  assert.deepEqual(
    errors.map((error) => (error as { code?: unknown }).code),
    ['REJECTED'],
  );
});

test('backpressure_events counts each call that found its queue full, whether it got through or not', async (t) => {
  const spy = new SpyTransport();
  const { bus } = counting(t, { transport: spy.transport, hwmOutbound: 2 });
  bus.pull('>', () => undefined);
  spy.stuck = new Set(['publish', 'push']);
  const calls = [1, 2, 3].map((index) => [bus.publish('a', index), bus.push(index)]).flat();
  await turns(20);
  assert.equal(bus.metrics().backpressure_events, 2);
  spy.stuck = new Set();
  await Promise.all(calls);
  // A publish settles when the queue has it, which is before it is sent.
  await until(() => bus.metrics().messages_sent === 6, 'the last publish to leave');
  assert.equal(bus.metrics().backpressure_events, 2);
});

test('request_timeouts counts a request that was sent and not answered, and not one that was never sent', async (t) => {
  const clock = new FakeClock();
  const alone = counting(t, { clock }).bus;
  assert.deepEqual(await aroundLimit(clock, 5000, alone.request(1)), ['pending', 'SEND_TIMEOUT']);
  assert.equal(alone.metrics().request_timeouts, 0);
  const { bus } = counting(t, { clock });
  bus.respond('>', () => new Promise(() => {}));
  const call = bus.request(2);
  await handedOver(bus, 1);
  assert.deepEqual(await aroundLimit(clock, 5000, call), ['pending', 'REQUEST_TIMEOUT']);
  assert.equal(bus.metrics().request_timeouts, 1);
});

test('failed_bind_count counts each attempt at a taken port, with an error that names the endpoint and the way out', async (t) => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
  t.after(() => squatter.close());
  const endpoint = `tcp://127.0.0.1:${String((squatter.address() as AddressInfo).port)}`;
  const { bus, errors } = overZeromq(t, { endpoints: { pull: { bind: endpoint } } });
  bus.pull();
  await until(() => bus.metrics().failed_bind_count === 1, 'the failed bind');
  assert.match(errors[0]!.message, new RegExp(`^BIND_FAILED: The port is in use .*${endpoint}.* Use another port`));
  await assert.rejects(bus.publish('a', 1, { endpoint }), { code: 'BIND_FAILED' });
  const { failed_bind_count, errors: all, active_connections } = bus.metrics();
  assert.deepEqual(
    { failed_bind_count, all, active_connections },
    { failed_bind_count: 2, all: 2, active_connections: 0 },
  );
});

test('active_connections is the number of open sockets, not of peers', async (t) => {
  const { bus } = overZeromq(t, { endpoints: { publish: { bind: FREE }, pull: { bind: FREE } } });
  await bus.ready();
  assert.equal(bus.metrics().active_connections, 1);
  const address = await addressOf(bus, 'publish');
  for (let peer = 0; peer < 3; peer++) {
    const other = overZeromq(t, { endpoints: { subscribe: { connect: [address] } } });
    other.bus.subscribe('>', () => undefined);
    await other.bus.ready();
  }
  assert.equal(bus.metrics().active_connections, 1);
  const subscription = bus.pull();
  await until(() => bus.metrics().active_connections === 2, 'the second socket');
  await subscription.close();
  await until(() => bus.metrics().active_connections === 1, 'the end of it');
  await bus.close();
  assert.equal(bus.metrics().active_connections, 0);
});
