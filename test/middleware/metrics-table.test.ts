/**
 * What leaves the process, row by row: the OpenTelemetry name, the instrument, the unit, the attributes of its points, and the name
 * that Prometheus reads. Dashboards, alert rules and other people's queries hang on every cell; src/core/semconv.ts is not
 * consulted here, so that a slip there is seen.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataPointType } from '@opentelemetry/sdk-metrics';
import { Counters } from '../../src/core/counters.ts';
import type { Operation } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import { histogramProducer } from '../../src/middleware/histogram-producer.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { Collected } from './metrics-reader.ts';
import { middlewareHost } from './middleware-host.ts';

type Row = readonly [name: string, instrument: string, unit: string, attributes: string, prometheus: string];

const OPERATION = 'messaging.operation.name';
const TOPIC = `${OPERATION} messaging.destination.name messaging.destination.template`;
const FAILURE = `error.type ${OPERATION}`;
const SERVER = 'server.address server.port';
const TIMED_SEND = `error.type messaging.destination.name ${OPERATION} messaging.operation.type ${SERVER}`;
const TIMED = `${TIMED_SEND} messaging.destination.template`;
const CALL = `error.type rpc.method rpc.system.name ${SERVER}`;

/** Every metric; `messaging.system.name`, which all have, is left out. */
const ROWS: readonly Row[] = [
  ['messagebus.messages_sent', 'counter', '{message}', TOPIC, 'messagebus_messages_sent_total'],
  ['messagebus.messages_received', 'counter', '{message}', TOPIC, 'messagebus_messages_received_total'],
  ['messagebus.errors', 'counter', '{error}', FAILURE, 'messagebus_errors_total'],
  ['messagebus.outbound_dropped', 'counter', '{message}', FAILURE, 'messagebus_outbound_dropped_total'],
  ['messagebus.inbound_dropped', 'counter', '{message}', FAILURE, 'messagebus_inbound_dropped_total'],
  ['messagebus.backpressure_events', 'counter', '{event}', OPERATION, 'messagebus_backpressure_events_total'],
  [
    'messagebus.request_timeouts',
    'counter',
    '{request}',
    'rpc.method rpc.system.name',
    'messagebus_request_timeouts_total',
  ],
  ['messagebus.failed_bind_count', 'counter', '{bind}', 'error.type', 'messagebus_failed_bind_count_total'],
  ['messagebus.unrouted', 'counter', '{message}', OPERATION, 'messagebus_unrouted_total'],
  ['messagebus.gaps', 'counter', '{message}', TOPIC, 'messagebus_gaps_total'],
  ['messagebus.late_replies', 'counter', '{message}', OPERATION, 'messagebus_late_replies_total'],
  ['messagebus.retries', 'counter', '{attempt}', FAILURE, 'messagebus_retries_total'],
  ['messagebus.subscribers_left_behind', 'counter', '{event}', '', 'messagebus_subscribers_left_behind_total'],
  ['messagebus.reconnects', 'counter', '{reconnect}', '', 'messagebus_reconnects_total'],
  ['messagebus.cool_downs', 'counter', '{event}', OPERATION, 'messagebus_cool_downs_total'],
  ['messagebus.unverified', 'counter', '{message}', `${OPERATION} messagebus.reason`, 'messagebus_unverified_total'],
  ['messagebus.handshake_failures', 'counter', '{failure}', 'error.type', 'messagebus_handshake_failures_total'],
  ['messagebus.no_handler', 'counter', '{message}', OPERATION, 'messagebus_no_handler_total'],
  [
    'messaging.client.sent.messages',
    'counter',
    '{message}',
    `error.type ${TOPIC}`,
    'messaging_client_sent_messages_total',
  ],
  ['messaging.client.consumed.messages', 'counter', '{message}', TOPIC, 'messaging_client_consumed_messages_total'],
  ['messagebus.active_connections', 'gauge', '{connection}', '', 'messagebus_active_connections'],
  ['messagebus.in_flight_handlers', 'gauge', '{handler}', '', 'messagebus_in_flight_handlers'],
  ['messagebus.queue_depth', 'gauge', '{message}', '', 'messagebus_queue_depth'],
  ['messagebus.cooling_down', 'gauge', '{endpoint}', '', 'messagebus_cooling_down'],
  ['messaging.client.operation.duration', 'histogram', 's', TIMED_SEND, 'messaging_client_operation_duration'],
  ['messaging.process.duration', 'histogram', 's', TIMED, 'messaging_process_duration'],
  ['rpc.client.call.duration', 'histogram', 's', CALL, 'rpc_client_call_duration'],
  ['rpc.server.call.duration', 'histogram', 's', CALL, 'rpc_server_call_duration'],
  ['messagebus.transport_lag', 'histogram', 's', TOPIC, 'messagebus_transport_lag'],
  ['messagebus.dwell', 'histogram', 's', TOPIC, 'messagebus_dwell'],
];

const sorted = (names: Iterable<string>): string => [...new Set(names)].sort().join(' ');

/** Counts everything that can be counted, under every attribute that it can have, and measures a message of each kind. */
async function everything(): Promise<Collected> {
  const producer = histogramProducer({ shared: false });
  const collected = new Collected([producer]);
  const clock = new FakeClock();
  const counters = new Counters();
  const step = metrics({ meterProvider: collected.provider, histogramProducer: producer });
  step.attach?.(middlewareHost({ clock, counters }));
  const all = Object.values(counters).filter((one) => typeof one !== 'function') as (typeof counters.sent)[];
  for (const operation of ['publish', 'push', 'subscribe', 'pull', 'request', 'respond'] satisfies Operation[]) {
    for (const count of all) {
      for (const destination of ['topic', 'pattern.*', undefined]) {
        count.series(operation, destination, 'timeout').value++;
      }
    }
  }
  const endpoint = 'tcp://127.0.0.1:5555';
  const fails = (): Promise<never> => Promise.reject(new BusError('TRANSPORT_FAILED', 'x'));
  for (const pattern of ['publish', 'push', 'request'] as const) {
    for (const next of [done, fails]) {
      await Promise.resolve(step.send?.(sendContext({ pattern, endpoint }), next)).catch(() => undefined);
      for (const subscription of ['price.*', 'price.tick']) {
        const init = { sentAtUs: clock.wallUs(), receivedAt: clock.now() };
        const ctx = receiveContext({ pattern, endpoint, subscription, ...init });
        const handles = (): Promise<void> => {
          ctx.start();
          return next();
        };
        await Promise.resolve(step.receive?.(ctx, handles)).catch(() => undefined);
      }
    }
  }
  return collected;
}

test('every metric is exported with the instrument, unit and attributes of its row, and no other is', async () => {
  const exported = await (await everything()).metrics();
  const seen = Array.from(exported.values(), ({ descriptor: { name, unit }, dataPoints, ...metric }) => {
    const isCounter = metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
    const kinds = { [DataPointType.HISTOGRAM]: 'histogram', [DataPointType.GAUGE]: 'gauge' } as Record<number, string>;
    const attributes = dataPoints.flatMap((point) => Object.keys(point.attributes));
    assert.ok(
      dataPoints.every((point) => point.attributes['messaging.system.name'] === 'zeromq'),
      name,
    );
    return [
      name,
      isCounter ? 'counter' : kinds[metric.dataPointType],
      unit,
      sorted(attributes.filter((one) => one !== 'messaging.system.name')),
    ];
  });
  const expected = ROWS.map(([name, instrument, unit, attributes]) => [
    name,
    instrument,
    unit,
    sorted(attributes.split(' ').filter((one) => one !== '')),
  ]);
  assert.deepEqual(seen.sort(), expected.sort());
});

test('Prometheus reads every metric under the name and type of its row, and no other', async () => {
  const text = await (await everything()).scrape();
  const types = text.filter((line) => line.startsWith('# TYPE ')).map((line) => line.slice('# TYPE '.length));
  assert.deepEqual(types.sort(), ROWS.map(([, instrument, , , prometheus]) => `${prometheus} ${instrument}`).sort());
  for (const [name, instrument, , , prometheus] of ROWS) {
    const suffix = instrument === 'histogram' ? '_count' : '';
    assert.ok(
      text.some((line) => line.startsWith(`${prometheus}${suffix}{`)),
      name,
    );
  }
});
