import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { MessageBus } from '../../src/message-bus.ts';
import { globalLoggerProvider } from '../../src/middleware/logger-presence.ts';
import { startTelemetry } from '../../src/telemetry/index.ts';
import type { Telemetry, TelemetryOptions } from '../../src/telemetry/index.ts';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../middleware/memory-bus.ts';
import { otlpSink } from './otlp-sink.ts';
import type { OtlpSink } from './otlp-sink.ts';

const VARIABLES = ['OTEL_LOGS_EXPORTER', 'OTEL_EXPORTER_OTLP_PROTOCOL'];

const open: { readonly sink: OtlpSink; readonly telemetry: Telemetry }[] = [];

afterEach(async () => {
  for (const { sink, telemetry } of open.splice(0)) {
    await telemetry.shutdown();
    sink.close();
  }
  for (const name of VARIABLES) Reflect.deleteProperty(process.env, name);
  assert.equal(globalLoggerProvider(), undefined, 'nothing stays registered');
});

async function started(logsExporter: string | undefined, options: TelemetryOptions = {}) {
  const sink: OtlpSink = await otlpSink();
  if (logsExporter !== undefined) process.env.OTEL_LOGS_EXPORTER = logsExporter;
  process.env.OTEL_EXPORTER_OTLP_PROTOCOL = 'http/json';
  const logger = { info: () => {}, warn: () => {} };
  const telemetry: Telemetry = await startTelemetry({
    serviceName: 'test',
    prometheus: false,
    otlp: { endpoint: sink.endpoint },
    logger,
    ...options,
  });
  open.push({ sink, telemetry });
  return { sink, telemetry };
}

/** A handler of one event fails on a bus of its own. */
async function failOnce(): Promise<void> {
  const bus = new MessageBus('test', { transport: memory(), publish: true, logLevel: 'silent' });
  bus.subscribe('price.*', () => {
    throw new Error('broken');
  });
  await bus.ready();
  await bus.publish('price.tick', 'the body is nobody else’s business');
  await until(() => bus.metrics().errors === 1);
  await bus.close();
}

test('with OTEL_LOGS_EXPORTER=otlp the failure of a handler arrives at the collector with the ids of its span', async () => {
  const { sink, telemetry } = await started('otlp');
  await failOnce();
  await telemetry.flush();
  const span = sink.spanRecords.find(({ name }) => name === 'process price.*');
  assert.equal(sink.logs.length, 1);
  const { traceId, spanId, severityNumber, eventName, body, attributes } = sink.logs[0]!;
  assert.deepEqual([traceId, spanId], [span?.traceId, span?.spanId]);
  assert.match(spanId ?? '', /^[0-9a-f]{16}$/);
  assert.deepEqual([severityNumber, eventName], [17, 'messagebus.failure']);
  assert.equal(body.stringValue, 'a handler of "price.*" failed on "price.tick": broken');
  const texts = Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
  assert.deepEqual(
    [texts['error.type'], texts['exception.message'], texts['messaging.destination.template']],
    ['handler_failed', 'broken', 'price.*'],
  );
  assert.equal(JSON.stringify(sink.logs).includes('business'), false);
});

test('what was not flushed arrives at the shutdown', async () => {
  const { sink, telemetry } = await started('otlp');
  await failOnce();
  await telemetry.shutdown();
  assert.equal(sink.logs.length, 1);
});

test('by default traces are sent and log records are not', async () => {
  const { sink, telemetry } = await started(undefined);
  await failOnce();
  await telemetry.flush();
  assert.ok(sink.spans.length > 0);
  assert.deepEqual([sink.logs, sink.paths.includes('/v1/logs')], [[], false]);
});

test('otlp: false sends no log records either, whatever the environment says', async () => {
  const { telemetry } = await started('otlp', { otlp: false });
  assert.equal(globalLoggerProvider(), undefined);
  await telemetry.flush();
});

test('a second start after a shutdown sends them again', async () => {
  const first = await started('otlp');
  await first.telemetry.shutdown();
  const second = await started('otlp');
  await failOnce();
  await second.telemetry.flush();
  assert.deepEqual([first.sink.logs.length, second.sink.logs.length], [0, 1]);
});
