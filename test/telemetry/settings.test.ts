import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TelemetryOptions } from '../../src/telemetry/options.ts';
import { telemetrySettings } from '../../src/telemetry/settings.ts';
import type { Environment } from '../../src/telemetry/settings.ts';

function settings(options: TelemetryOptions = {}, env: Environment = {}) {
  const lines: string[] = [];
  const logger = { info: () => {}, warn: (line: string) => lines.push(line) };
  return { ...telemetrySettings({ logger, ...options }, env), lines };
}

test('by default metrics are scraped on loopback and nothing is sent anywhere', () => {
  const { prometheus, exportsTraces, exportsMetrics, environment, serviceName, shutdownTimeoutMs } = settings();
  assert.deepEqual(prometheus, { host: '127.0.0.1', port: 9464, isPortGiven: false });
  assert.deepEqual([exportsTraces, exportsMetrics, serviceName, shutdownTimeoutMs], [false, false, undefined, 1000]);
  assert.equal(environment.OTEL_LOGS_EXPORTER, 'none');
});

test('a collector in the environment gets the traces, and the metrics where nobody scrapes', () => {
  for (const name of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
    const env = { [name]: 'http://127.0.0.1:4318' };
    const scraped = settings({}, env);
    assert.deepEqual([scraped.exportsTraces, scraped.exportsMetrics], [true, false]);
    const pushed = settings({ prometheus: false }, env);
    assert.deepEqual([pushed.exportsTraces, pushed.exportsMetrics, pushed.prometheus], [true, true, undefined]);
    assert.equal(pushed.environment.OTEL_METRICS_EXPORTER, 'otlp');
  }
});

test('an endpoint in code replaces those of the environment, otlp: false all of them', () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1', OTEL_TRACES_EXPORTER: 'otlp,console' };
  const { environment, exportsTraces } = settings({ otlp: { endpoint: 'http://b:2' } }, env);
  assert.equal(exportsTraces, true);
  assert.deepEqual(
    Object.entries(environment).filter(([name]) => name.endsWith('ENDPOINT')),
    [
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://b:2'],
      ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', undefined],
      ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', undefined],
      ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', undefined],
    ],
  );
  assert.equal(settings({ otlp: false }, env).environment.OTEL_TRACES_EXPORTER, 'console');
  const off = settings({ otlp: false, prometheus: false }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1' });
  assert.deepEqual([off.exportsTraces, off.exportsMetrics], [false, false]);
});

test('exporters named in the environment are used', () => {
  assert.equal(settings({}, { OTEL_TRACES_EXPORTER: 'console' }).environment.OTEL_TRACES_EXPORTER, 'console');
  assert.equal(settings({}, { OTEL_LOGS_EXPORTER: 'console' }).environment.OTEL_LOGS_EXPORTER, 'console');
  assert.equal(settings({ otlp: false }, { OTEL_LOGS_EXPORTER: 'otlp' }).environment.OTEL_LOGS_EXPORTER, 'none');
  const pushed = settings({}, { OTEL_METRICS_EXPORTER: 'otlp' });
  assert.deepEqual([pushed.prometheus, pushed.exportsMetrics], [undefined, true]);
  const none = settings({}, { OTEL_METRICS_EXPORTER: 'none' });
  assert.deepEqual([none.prometheus, none.environment.OTEL_METRICS_EXPORTER], [undefined, 'none']);
});

test('metrics are never scraped and pushed at once, and that is said', () => {
  const both = settings({}, { OTEL_METRICS_EXPORTER: 'prometheus, otlp' });
  assert.deepEqual([both.prometheus?.port, both.exportsMetrics, both.lines.length], [9464, false, 1]);
  assert.match(both.lines[0] ?? '', /OTEL_METRICS_EXPORTER otlp is not used/);
});

test('host and port come from code, else from the environment', () => {
  const env = { OTEL_EXPORTER_PROMETHEUS_HOST: '::1', OTEL_EXPORTER_PROMETHEUS_PORT: '9999' };
  assert.deepEqual(settings({}, env).prometheus, { host: '::1', port: 9999, isPortGiven: true });
  const { prometheus } = settings({ prometheus: { host: '0.0.0.0', port: 0 } }, env);
  assert.deepEqual(prometheus, { host: '0.0.0.0', port: 0, isPortGiven: true });
  assert.equal(settings({}, { OTEL_EXPORTER_PROMETHEUS_PORT: '' }).prometheus?.isPortGiven, false);
  assert.throws(() => settings({}, { OTEL_EXPORTER_PROMETHEUS_PORT: 'x' }), /OTEL_EXPORTER_PROMETHEUS_PORT/);
});

test('OTEL_SDK_DISABLED switches everything off', () => {
  assert.equal(settings({}, { OTEL_SDK_DISABLED: 'True' }).isDisabled, true);
  assert.equal(settings({}, { OTEL_SDK_DISABLED: 'false' }).isDisabled, false);
});

test('serviceName, shutdownTimeoutMs and logger are handed on; lines go to standard error by default', (t) => {
  const { serviceName, shutdownTimeoutMs } = settings({ serviceName: 'a', shutdownTimeoutMs: 5 });
  assert.deepEqual([serviceName, shutdownTimeoutMs], ['a', 5]);
  const write = t.mock.method(process.stderr, 'write', () => true);
  telemetrySettings({}, {}).logger.info('hello');
  telemetrySettings({}, {}).logger.warn('oh');
  assert.deepEqual(
    write.mock.calls.map((call) => call.arguments[0]),
    ['[tracebus] hello\n', '[tracebus] oh\n'],
  );
});

test('wrong options are refused', () => {
  const wrong: [options: object, message: RegExp][] = [
    [{ serviceName: '' }, /Expected `serviceName` to be a non-empty string/],
    [{ serviceName: 1 }, /Expected `serviceName`/],
    [
      { shutdownTimeoutMs: -1 },
      /Expected `shutdownTimeoutMs` to be a number of milliseconds from 0 to 2147483647, got -1/,
    ],
    [{ shutdownTimeoutMs: 2 ** 31 }, /Expected `shutdownTimeoutMs`/],
    [{ shutdownTimeoutMs: Number.NaN }, /Expected `shutdownTimeoutMs`/],
    [{ prometheus: true }, /Expected `prometheus` to be false or \{ host, port \}, got true/],
    [{ prometheus: null }, /Expected `prometheus` to be false or/],
    [{ prometheus: { host: '' } }, /Expected `prometheus.host`/],
    [{ prometheus: { port: 70_000 } }, /Expected `prometheus.port` to be an integer from 0 to 65535, got 70000/],
    [{ prometheus: { port: '9464' } }, /Expected `prometheus.port`/],
    [{ otlp: 'http://127.0.0.1:4318' }, /Expected `otlp` to be false or \{ endpoint \}, got "http/],
    [{ otlp: null }, /Expected `otlp` to be false or/],
    [{ otlp: {} }, /Expected `otlp.endpoint`/],
    [{ otlp: { endpoint: 1 } }, /Expected `otlp.endpoint`/],
    [{ otlp: { endpoint: '127.0.0.1:4318' } }, /Expected `otlp.endpoint` to be an http or https URL/],
    [{ logger: {} }, /Expected `logger` to be a logger with info, warn/],
    [{ promethues: false }, /Unknown option `promethues`; did you mean `prometheus`\?/],
    [{ prometheus: { prt: 1 } }, /Unknown option `prometheus.prt`; did you mean `prometheus.port`\?/],
  ];
  for (const [options, message] of wrong) assert.throws(() => settings(options), message);
  assert.throws(() => telemetrySettings(null as never, {}), /Expected `options` to be an object, got null/);
});
