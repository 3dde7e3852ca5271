import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics';
import { Counters } from '../../src/core/counters.ts';
import { COUNTER_METRICS, GAUGE_METRICS } from '../../src/core/semconv.ts';
import { registryOf } from '../../src/middleware/metrics-registry.ts';
import { Collected } from './metrics-reader.ts';

const SYSTEM = '"messaging.system.name":"zeromq"';

test('every metric of the tables that the bus owns is there from the start, with its kind and unit', async () => {
  const collected = new Collected();
  registryOf(collected.provider).attach({ system: 'zeromq', counters: new Counters() });
  const metrics = await collected.metrics();
  const own = [...Object.values(COUNTER_METRICS), ...Object.values(GAUGE_METRICS)].filter(({ name }) =>
    name.startsWith('messagebus.'),
  );
  assert.equal(own.length, 22);
  for (const { name, unit, description, instrument } of own) {
    const metric = metrics.get(name);
    assert.ok(metric !== undefined, name);
    assert.deepEqual([metric.descriptor.unit, metric.descriptor.description], [unit, description]);
    assert.equal(metric.dataPointType, instrument === 'counter' ? DataPointType.SUM : DataPointType.GAUGE);
    assert.equal(metric.aggregationTemporality, AggregationTemporality.CUMULATIVE);
    if (metric.dataPointType === DataPointType.SUM) assert.equal(metric.isMonotonic, true);
    assert.deepEqual(
      metric.dataPoints.map(({ attributes, value }) => [attributes, value]),
      [[{ 'messaging.system.name': 'zeromq' }, 0]],
    );
  }
});

test('the nine documented figures carry the attributes of their rows', async () => {
  const collected = new Collected();
  const counters = new Counters();
  registryOf(collected.provider).attach({ system: 'zeromq', counters });
  counters.sent.series('publish', 'price.tick').value += 5;
  counters.received.series('subscribe', 'price.*').value += 4;
  counters.errors.series('request', undefined, 'timeout').value += 3;
  counters.outboundDropped.add('push', 'send_timeout', 2);
  counters.inboundDropped.add('subscribe', 'malformed_packet');
  counters.backpressure.add('publish', undefined, 6);
  counters.requestTimeouts.series('request', 'state.get').value += 3;
  counters.failedBinds.add(undefined, 'bind_failed');
  counters.activeConnections = () => 7;

  const zero = `{${SYSTEM}} 0`;
  const expected: Record<string, string[]> = {
    'messagebus.messages_sent': [
      `{${SYSTEM},"messaging.operation.name":"publish","messaging.destination.name":"price.tick"} 5`,
      zero,
    ],
    'messagebus.messages_received': [
      `{${SYSTEM},"messaging.operation.name":"subscribe","messaging.destination.template":"price.*"} 4`,
      zero,
    ],
    'messagebus.errors': [`{${SYSTEM},"messaging.operation.name":"request","error.type":"timeout"} 3`, zero],
    'messagebus.outbound_dropped': [
      `{${SYSTEM},"messaging.operation.name":"push","error.type":"send_timeout"} 2`,
      zero,
    ],
    'messagebus.inbound_dropped': [
      `{${SYSTEM},"messaging.operation.name":"subscribe","error.type":"malformed_packet"} 1`,
      zero,
    ],
    'messagebus.backpressure_events': [`{${SYSTEM},"messaging.operation.name":"publish"} 6`, zero],
    'messagebus.request_timeouts': [`{${SYSTEM},"rpc.system.name":"tracebus","rpc.method":"state.get"} 3`, zero],
    'messagebus.failed_bind_count': [`{${SYSTEM},"error.type":"bind_failed"} 1`, zero],
    'messagebus.active_connections': [`{${SYSTEM}} 7`],
  };
  for (const [name, lines] of Object.entries(expected)) {
    assert.deepEqual([name, ...(await collected.lines(name))], [name, ...lines.sort()]);
  }
});

test("the bus's own counts and gauges arrive under their names", async () => {
  const collected = new Collected();
  const counters = new Counters();
  registryOf(collected.provider).attach({ system: 'zeromq', counters });
  const counts = {
    'messagebus.unrouted': counters.unrouted,
    'messagebus.gaps': counters.gaps,
    'messagebus.late_replies': counters.lateReplies,
    'messagebus.retries': counters.retries,
    'messagebus.subscribers_left_behind': counters.subscribersLeftBehind,
    'messagebus.reconnects': counters.reconnects,
    'messagebus.cool_downs': counters.coolDowns,
    'messagebus.handshake_failures': counters.handshakeFailures,
    'messagebus.no_handler': counters.noHandler,
    'messagebus.unverified': counters.unverified,
  };
  Object.values(counts).forEach((count, index) => {
    count.add(undefined, undefined, index + 1);
  });
  counters.inFlightHandlers = () => 11;
  counters.queuedMessages = () => 12;
  counters.coolingDown = () => 13;
  const gauges = ['messagebus.in_flight_handlers', 'messagebus.queue_depth', 'messagebus.cooling_down'];
  for (const [index, name] of Object.keys(counts).entries()) {
    assert.deepEqual([name, await collected.lines(name)], [name, [`{${SYSTEM}} ${String(index + 1)}`]]);
  }
  for (const [index, name] of gauges.entries()) {
    assert.deepEqual([name, await collected.lines(name)], [name, [`{${SYSTEM}} ${String(index + 11)}`]]);
  }
});

test('failed handshakes are told apart by `error.type`, whatever link they happened to', async () => {
  const collected = new Collected();
  const counters = new Counters();
  registryOf(collected.provider).attach({ system: 'zeromq', counters });
  counters.handshakeFailures.add('publish', 'auth_failed', 2);
  counters.handshakeFailures.add('respond', 'auth_failed', 3);
  counters.handshakeFailures.add('respond', 'handshake_failed');
  assert.deepEqual(await collected.lines('messagebus.handshake_failures'), [
    `{${SYSTEM},"error.type":"auth_failed"} 5`,
    `{${SYSTEM},"error.type":"handshake_failed"} 1`,
    `{${SYSTEM}} 0`,
  ]);
});

test('the semconv counts take sends and deliveries alone: attempts with their failures, and once per delivery', async () => {
  const collected = new Collected();
  const counters = new Counters();
  registryOf(collected.provider).attach({ system: 'zeromq', counters });
  counters.sent.series('publish', 'a').value += 3;
  counters.sent.series('request', 'b').value += 9;
  counters.sent.series('respond').value += 9;
  counters.outboundDropped.add('publish', 'send_timeout', 2);
  counters.outboundDropped.add('request', 'send_timeout', 9);
  counters.received.series('subscribe', 'a').value += 2;
  counters.received.series('pull', 'results').value += 1;
  counters.received.series('respond', 'b').value += 9;
  assert.deepEqual(await collected.lines('messaging.client.sent.messages'), [
    `{${SYSTEM},"messaging.operation.name":"publish","error.type":"send_timeout"} 2`,
    `{${SYSTEM},"messaging.operation.name":"publish","messaging.destination.name":"a"} 3`,
  ]);
  assert.deepEqual(await collected.lines('messaging.client.consumed.messages'), [
    `{${SYSTEM},"messaging.operation.name":"pull","messaging.destination.name":"results"} 1`,
    `{${SYSTEM},"messaging.operation.name":"subscribe","messaging.destination.name":"a"} 2`,
  ]);
});

test('several buses are added up exactly, and a closed one keeps its counts while its gauges fall to 0', async () => {
  const collected = new Collected();
  const registry = registryOf(collected.provider);
  assert.equal(registryOf(collected.provider), registry);
  const buses = [1000, 2000, 3000].map((start) => {
    const counters = new Counters();
    counters.sent.series('publish', 'a').value = start;
    counters.activeConnections = () => 2;
    return { system: 'zeromq', counters };
  });
  const detach = buses.map((bus) => registry.attach(bus));
  const sent = async () => (await collected.lines('messagebus.messages_sent'))[0];
  const line = (total: number) =>
    `{${SYSTEM},"messaging.operation.name":"publish","messaging.destination.name":"a"} ${String(total)}`;

  assert.equal(await sent(), line(6000));
  buses[0]!.counters.sent.series('publish', 'a').value += 10;
  assert.equal(await sent(), line(6010));
  detach[1]!();
  detach[1]!();
  assert.equal(await sent(), line(6010));
  assert.deepEqual(await collected.lines('messagebus.active_connections'), [`{${SYSTEM}} 4`]);
  buses[2]!.counters.sent.series('publish', 'a').value += 5;
  registry.attach({ system: 'zeromq', counters: new Counters() }).call(undefined);
  assert.equal(await sent(), line(6015));
  detach[0]!();
  detach[2]!();
  assert.equal(await sent(), line(6015));
  assert.deepEqual(await collected.lines('messagebus.active_connections'), [`{${SYSTEM}} 0`]);
});

test('buses on different transports are different series', async () => {
  const collected = new Collected();
  const registry = registryOf(collected.provider);
  for (const system of ['zeromq', 'memory']) {
    const counters = new Counters();
    counters.errors.add('publish', 'closed');
    registry.attach({ system, counters });
  }
  assert.deepEqual(await collected.lines('messagebus.errors'), [
    '{"messaging.system.name":"memory","messaging.operation.name":"publish","error.type":"closed"} 1',
    '{"messaging.system.name":"memory"} 0',
    '{"messaging.system.name":"zeromq","messaging.operation.name":"publish","error.type":"closed"} 1',
    '{"messaging.system.name":"zeromq"} 0',
  ]);
});

test('two providers see every bus attached to them, each for itself', async () => {
  const [one, two] = [new Collected(), new Collected()];
  const counters = new Counters();
  counters.retries.add(undefined, undefined, 3);
  registryOf(one.provider).attach({ system: 'zeromq', counters });
  assert.deepEqual(await one.lines('messagebus.retries'), [`{${SYSTEM}} 3`]);
  assert.deepEqual(await two.lines('messagebus.retries'), []);
});

test('destinations beyond the cap become one series, so that the SDK never overflows, and nothing is lost', async () => {
  const collected = new Collected();
  const registry = registryOf(collected.provider);
  let total = 0;
  for (let bus = 0; bus < 30; bus++) {
    const counters = new Counters();
    for (let topic = 0; topic < 100; topic++) {
      counters.sent.series('publish', `t.${String(bus)}.${String(topic)}`).value++;
      counters.requestTimeouts.series('request', `t.${String(bus)}.${String(topic)}`).value++;
      total++;
    }
    registry.attach({ system: 'zeromq', counters });
  }
  for (const [name, other] of [
    ['messagebus.messages_sent', '"messaging.destination.name":"other"'],
    ['messagebus.request_timeouts', '"rpc.method":"_OTHER"'],
  ] as const) {
    const lines = await collected.lines(name);
    assert.ok(lines.length <= 502, String(lines.length));
    assert.equal(lines.filter((line) => line.includes(other)).length, 1);
    assert.equal(
      lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
      total,
    );
  }
});

test('the attributes of a series are one frozen object for ever', async () => {
  const collected = new Collected();
  const counters = new Counters();
  counters.sent.series('publish', 'a').value = 1;
  registryOf(collected.provider).attach({ system: 'zeromq', counters });
  const attributes = async () =>
    (await collected.metrics()).get('messagebus.messages_sent')!.dataPoints.map((point) => point.attributes);
  const first = await attributes();
  const second = await attributes();
  first.forEach((one, index) => {
    assert.equal(one, second[index]);
    assert.equal(Object.isFrozen(one), true);
  });
});
