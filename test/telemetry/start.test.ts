import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { context, createNoopMeter, isSpanContextValid, metrics as metricsApi, trace } from '@opentelemetry/api';
import { Counters } from '../../src/core/counters.ts';
import { sharedHistograms } from '../../src/middleware/histogram-store.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import { trace as traceStep } from '../../src/middleware/trace.ts';
import { startTelemetry } from '../../src/telemetry/index.ts';
import type { Telemetry, TelemetryOptions } from '../../src/telemetry/index.ts';
import { done, sendContext } from '../middleware/contexts.ts';
import { middlewareHost } from '../middleware/middleware-host.ts';
import { fixture, runNode } from './child.ts';
import { otlpSink } from './otlp-sink.ts';

const NINE = [
  'messagebus_messages_sent_total',
  'messagebus_messages_received_total',
  'messagebus_errors_total',
  'messagebus_outbound_dropped_total',
  'messagebus_inbound_dropped_total',
  'messagebus_backpressure_events_total',
  'messagebus_request_timeouts_total',
  'messagebus_failed_bind_count_total',
  'messagebus_active_connections',
];

const started: Telemetry[] = [];
let lines: string[] = [];
const logger = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) };

async function start(options: TelemetryOptions = {}): Promise<Telemetry> {
  const telemetry = await startTelemetry({ serviceName: 'test', logger, ...options });
  started.push(telemetry);
  return telemetry;
}

afterEach(async () => {
  for (const telemetry of started.splice(0)) await telemetry.shutdown();
  assert.equal(isSdkThere(), false, 'nothing stays registered');
  lines = [];
});

function isSdkThere(): boolean {
  return metricsApi.getMeterProvider().getMeter('x') !== createNoopMeter() || isSpanContextValid(aSpan());
}

function aSpan() {
  const span = trace.getTracer('test').startSpan('one');
  span.end();
  return span.spanContext();
}

/** Sets environment variables for the time of a test. */
async function withEnv(variables: Record<string, string>, run: () => Promise<void>): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    await run();
    for (const [name, value] of Object.entries(variables)) assert.equal(process.env[name], value, 'and left as it was');
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before[name];
    }
  }
}

test('a scrape shows the nine documented metrics, with their counts and without paths or scope labels', async () => {
  const { prometheusUrl = '' } = await start({ prometheus: { port: 0 } });
  assert.deepEqual(lines, [`Metrics: ${prometheusUrl}`]);
  const counters = new Counters();
  const step = metrics();
  step.attach?.(middlewareHost({ counters }));
  counters.sent.series('publish', 'price.tick').value += 42;
  const response = await fetch(prometheusUrl);
  const text = await response.text();
  for (const name of NINE) assert.match(text, new RegExp(`^${name}\\{messaging_system_name="zeromq"\\} 0$`, 'm'));
  assert.match(
    text,
    /^messagebus_messages_sent_total\{messaging_system_name="zeromq",messaging_operation_name="publish",messaging_destination_name="price.tick"\} 42$/m,
  );
  assert.match(text, /^# TYPE messagebus_messages_sent_total counter$/m);
  assert.match(text, /^# TYPE messagebus_active_connections gauge$/m);
  assert.match(text, /^target_info\{.*service_name="test".*\} 1$/m);
  assert.doesNotMatch(text, /otel_scope|command|executable/);
  assert.equal(text.includes(process.cwd()), false);
  await step.detach?.();
});

test('the durations are in the scrape, in buckets of our own, and begin anew at a second start', async () => {
  const first = await start({ prometheus: { port: 0 } });
  const count = async ({ prometheusUrl = '' }: Telemetry) => {
    const text = await (await fetch(prometheusUrl)).text();
    const found = text.split('\n').filter((line) => line.startsWith('messaging_client_operation_duration_count{'));
    return found.map((line) => line.replace(/^.*messaging_destination_name="(.*)"} /, '$1 '));
  };
  const send = async () => {
    const step = metrics();
    step.attach?.(middlewareHost());
    await step.send?.(sendContext({ topic: 'second.start' }), done);
    await step.detach?.();
  };
  await send();
  assert.equal(sharedHistograms.isExported, true);
  assert.deepEqual(await count(first), ['second.start 1']);
  await first.shutdown();
  assert.equal(sharedHistograms.isExported, false, 'a bus that starts now must not count for nobody');
  const second = await start({ prometheus: { port: 0 } });
  await send();
  assert.deepEqual(await count(second), ['second.start 1']);
});

test('a bus that started before telemetry has no metrics, and one line says so, with the way out', async () => {
  const early = metrics();
  early.attach?.(middlewareHost());
  const closed = metrics();
  closed.attach?.(middlewareHost());
  await closed.detach?.();
  const own = metrics({ meterProvider: metricsApi.getMeterProvider() });
  own.attach?.(middlewareHost());
  const first = await start({ prometheus: { port: 0 } });
  assert.deepEqual(lines, [
    'Telemetry was started after a bus, whose metrics are therefore not exported (counts and durations; spans and log records are). ' +
      'Call startTelemetry() before the first bus starts, or run the process with `node --import tracebus/register`.',
    `Metrics: ${first.prometheusUrl!}`,
  ]);
  assert.doesNotMatch(await (await fetch(first.prometheusUrl!)).text(), /messagebus_/, 'else the line is wrong');
  await first.shutdown();
  await early.detach?.();
  lines = [];
  await start({ prometheus: false });
  assert.deepEqual(lines, [], 'nothing is lost of a bus that has closed');
});

test('what the line about an early bus says of spans is true', async () => {
  const step = traceStep();
  step.attach?.(middlewareHost());
  const context = () => sendContext({ topic: 'a' });
  const before = context();
  await step.send?.(before, done);
  assert.equal(before.headers.has('traceparent'), false);
  await start({ prometheus: false });
  const after = context();
  await step.send?.(after, done);
  assert.match(after.headers.getText('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  await step.detach?.();
});

test('when the default port is taken the next free one is used', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.once('error', () => resolve()).listen(9464, '127.0.0.1', resolve); // taken by us or by somebody else
  });
  const { prometheusUrl = '' } = await start();
  assert.ok(Number(new URL(prometheusUrl).port) > 9464);
  assert.equal((await fetch(prometheusUrl)).status, 200);
  other.close();
});

test('a given port that is taken is an error, and nothing stays registered', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await assert.rejects(start({ prometheus: { port } }), { code: 'BIND_FAILED' });
  assert.equal(isSdkThere(), false);
  await withEnv({ OTEL_EXPORTER_PROMETHEUS_PORT: String(port) }, () =>
    assert.rejects(start(), { code: 'BIND_FAILED' }),
  );
  other.close();
});

test('without a collector spans have ids all the same, and contexts travel through promises', async () => {
  const { prometheusUrl } = await start({ prometheus: false });
  assert.equal(prometheusUrl, undefined);
  assert.deepEqual(lines, []);
  const span = trace.getTracer('test').startSpan('one');
  assert.equal(isSpanContextValid(span.spanContext()), true);
  await context.with(trace.setSpan(context.active(), span), async () => {
    await Promise.resolve();
    assert.equal(trace.getActiveSpan(), span);
  });
  span.end();
});

test('the collector gets the traces with a harmless resource, and no metrics while Prometheus is on', async () => {
  const sink = await otlpSink();
  await withEnv({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_RESOURCE_ATTRIBUTES: 'team=a' }, async () => {
    const telemetry = await start({ prometheus: { port: 0 }, otlp: { endpoint: sink.endpoint } });
    aSpan();
    await telemetry.flush();
    assert.deepEqual(sink.spans, ['one']);
    aSpan();
    await telemetry.shutdown();
  });
  assert.deepEqual(sink.spans, ['one', 'one']);
  assert.deepEqual([...new Set(sink.paths)], ['/v1/traces']);
  const attributes = Object.fromEntries(
    sink.resources[0]!.attributes.map(({ key, value }) => [key, value.stringValue]),
  );
  assert.equal(attributes['service.name'], 'test');
  assert.equal(attributes.team, 'a');
  assert.deepEqual(
    Object.keys(attributes).filter((key) => /command|executable|path|owner/.test(key)),
    [],
  );
  sink.close();
});

test('with prometheus: false the collector gets the metrics too', async () => {
  const sink = await otlpSink();
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_ENDPOINT: sink.endpoint };
  await withEnv(env, async () => {
    const telemetry = await start({ prometheus: false });
    assert.equal(sharedHistograms.isExported, true);
    const step = metrics();
    step.attach?.(middlewareHost());
    await step.send?.(sendContext(), done);
    await telemetry.shutdown();
    await step.detach?.();
  });
  assert.equal(sink.metrics.includes('messagebus.messages_sent'), true);
  assert.equal(sink.metrics.filter((name) => name === 'messaging.client.operation.duration').length, 1);
  sink.close();
});

test('where the environment wants deltas the SDK makes the histograms, which are cumulative otherwise', async () => {
  const sink = await otlpSink();
  const env = {
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.endpoint,
  };
  await withEnv(env, async () => {
    const telemetry = await start({ prometheus: false });
    assert.equal(sharedHistograms.isExported, false);
    const step = metrics();
    step.attach?.(middlewareHost());
    await step.send?.(sendContext(), done);
    await telemetry.shutdown();
    await step.detach?.();
  });
  assert.equal(sink.metrics.filter((name) => name === 'messaging.client.operation.duration').length, 1);
  sink.close();
});

test('otlp: false sends nothing, whatever the environment says', async () => {
  const sink = await otlpSink();
  await withEnv({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.endpoint }, async () => {
    const telemetry = await start({ prometheus: false, otlp: false });
    aSpan();
    await telemetry.shutdown();
  });
  assert.deepEqual(sink.paths, []);
  sink.close();
});

test('without a collector shutdown takes no longer than it is given, logs it and does not reject', async () => {
  const telemetry = await start({
    prometheus: false,
    otlp: { endpoint: 'http://127.0.0.1:1' },
    shutdownTimeoutMs: 50,
  });
  aSpan();
  const startedAt = performance.now();
  await telemetry.shutdown();
  assert.ok(performance.now() - startedAt < 1000);
  assert.deepEqual(lines, ['Telemetry: not everything was exported within 50 ms.']);
  await telemetry.shutdown();
  await telemetry.flush();
  assert.equal(lines.length, 1);
});

test('a process does not stay for a collector that is not there, nor for one that never answers', async (t) => {
  const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const ports = [1, (silent.address() as AddressInfo).port];
  const ends = await Promise.all(
    ports.map(async (port) => {
      const child = runNode([fixture('end.ts'), `http://127.0.0.1:${String(port)}`]);
      await child.printed(/shut down in/);
      const shutDownAt = performance.now();
      const ended = await child.ended;
      return { ...ended, stayedMs: performance.now() - shutDownAt };
    }),
  );
  for (const { code, stdout, stderr, stayedMs } of ends) {
    assert.deepEqual([code, stderr], [0, '[tracebus] Telemetry: not everything was exported within 1000 ms.\n']);
    const [, shutdownMs] = /shut down in (\d+) ms/.exec(stdout) ?? [];
    assert.ok(Number(shutdownMs) < 2000, stdout);
    assert.ok(stayedMs < 5000, `the rest of the exporter's eight seconds was waited for: ${String(stayedMs)}`);
  }
});

test('a second start is an error that says so; after a shutdown it works again', async () => {
  const first = await start({ prometheus: { port: 0 } });
  await assert.rejects(start({ prometheus: { port: 0 } }), /already started in this process/);
  await first.shutdown();
  await assert.rejects(fetch(first.prometheusUrl ?? ''));
  const second = await start({ prometheus: { port: 0 } });
  assert.equal((await fetch(second.prometheusUrl ?? '')).status, 200);
});

test('a handle can be disposed of', async () => {
  const telemetry = await start({ prometheus: { port: 0 } });
  await telemetry[Symbol.asyncDispose]();
  assert.equal(isSdkThere(), false);
});

test('OTEL_SDK_DISABLED=true starts nothing', async () => {
  await withEnv({ OTEL_SDK_DISABLED: 'true' }, async () => {
    const telemetry = await start();
    assert.equal(telemetry.prometheusUrl, undefined);
    assert.equal(isSdkThere(), false);
    await telemetry.flush();
  });
});

test('missing packages are named, with the command that brings them', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'tracebus-'));
  try {
    await mkdir(path.join(folder, 'node_modules/@opentelemetry'), { recursive: true });
    await symlink(
      path.resolve('node_modules/@opentelemetry/api'),
      path.join(folder, 'node_modules/@opentelemetry/api'),
    );
    await cp('package.json', path.join(folder, 'package.json'));
    for (const part of ['core', 'middleware', 'telemetry'])
      await cp(`src/${part}`, path.join(folder, 'src', part), { recursive: true });
    const { code, stderr } = await runNode(['--import', './src/telemetry/register.ts', '-e', '0'], {}, folder).ended;
    assert.equal(code, 1);
    // The line that this test runs on is the one that goes with the API that is installed.
    const manifest = await readFile('node_modules/@opentelemetry/sdk-node/package.json', 'utf8');
    const { version } = JSON.parse(manifest) as { version: string };
    const line = version.split('.').slice(0, 2).join('.');
    const command = `npm install @opentelemetry/sdk-node@${line} @opentelemetry/exporter-prometheus@${line}\n`;
    assert.ok(stderr.includes(command), stderr);
  } finally {
    await rm(folder, { recursive: true });
  }
});
