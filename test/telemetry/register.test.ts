import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixture, runNode } from './child.ts';
import type { Child } from './child.ts';
import { otlpSink } from './otlp-sink.ts';
import type { OtlpSink } from './otlp-sink.ts';

const register = fileURLToPath(new URL('../../src/telemetry/register.ts', import.meta.url));

function runApp(way: string, env: NodeJS.ProcessEnv = {}): Child {
  return runNode(['--import', register, fixture('app.ts'), way], { OTEL_METRICS_EXPORTER: 'none', ...env });
}

function sendingTo(sink: OtlpSink): NodeJS.ProcessEnv {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: sink.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
}

function attribute(sink: OtlpSink, name: string): string | undefined {
  return sink.resources[0]?.attributes.find(({ key }) => key === name)?.value.stringValue;
}

test('the SDK is there before the first line of the application, which ends by itself with its own exit code', async () => {
  const env = { OTEL_METRICS_EXPORTER: '', OTEL_SERVICE_NAME: 'shop' };
  const { code, signal, stdout, stderr } = await runApp('', env).ended;
  assert.deepEqual([code, signal, stdout], [3, null, 'sdk true\nrunning\n']);
  assert.match(stderr, /^\[tracebus\] Metrics: http:\/\/127\.0\.0\.1:\d+\/metrics\n$/);
});

test('what ended before the process did is exported, under the name in the environment', async () => {
  const sink = await otlpSink();
  const { code, stderr } = await runApp('', { ...sendingTo(sink), OTEL_SERVICE_NAME: 'shop' }).ended;
  assert.deepEqual([code, stderr, sink.spans], [3, '', ['first']]);
  assert.equal(attribute(sink, 'service.name'), 'shop');
  sink.close();
});

test('a signal that nobody handles still ends the process as a signal, after the export', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const sink = await otlpSink();
    const app = runApp('wait', sendingTo(sink));
    await app.printed(/running/);
    app.process.kill(signal);
    const ended = await app.ended;
    assert.deepEqual([ended.code, ended.signal, sink.spans], [null, signal, ['first']]);
    sink.close();
  }
});

test('a signal that the application handles is its own; telemetry goes on until the end', async () => {
  const sink = await otlpSink();
  const app = runApp('handle-signal', sendingTo(sink));
  await app.printed(/running/);
  app.process.kill('SIGTERM');
  const ended = await app.ended;
  assert.deepEqual([ended.code, ended.signal, sink.spans], [7, null, ['first', 'last']]);
  sink.close();
});

test('a process that fails, fails as before', async () => {
  const { code, stderr } = await runApp('throw').ended;
  assert.equal(code, 1);
  assert.match(stderr, /Error: on purpose/);
});

test('a port that was given and is taken ends the process with the error', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = String((other.address() as AddressInfo).port);
  const { code, stderr } = await runApp('wait', {
    OTEL_METRICS_EXPORTER: 'prometheus',
    OTEL_EXPORTER_PROMETHEUS_PORT: port,
  }).ended;
  assert.equal(code, 1);
  assert.match(stderr, /BIND_FAILED: the metrics cannot be served/);
  other.close();
});

test('worker threads start nothing of their own', async () => {
  const { code, stdout, stderr } = await runApp('worker', { OTEL_METRICS_EXPORTER: 'prometheus' }).ended;
  assert.equal(code, 0);
  assert.match(stdout, /in the worker/);
  assert.equal(stderr.match(/Metrics: /g)?.length, 1);
});

test('OTEL_SDK_DISABLED=true leaves the process alone', async () => {
  const { code, stdout, stderr } = await runApp('', { OTEL_SDK_DISABLED: 'true' }).ended;
  assert.deepEqual([code, stdout, stderr], [3, 'sdk false\nrunning\n', '']);
});
