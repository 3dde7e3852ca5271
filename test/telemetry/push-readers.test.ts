import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { diag } from '@opentelemetry/api';
import { ConsoleMetricExporter } from '@opentelemetry/sdk-metrics';
import { histogramProducer } from '../../src/middleware/histogram-producer.ts';
import { prefersDeltas, pushReaders } from '../../src/telemetry/push-readers.ts';

const besideSdk = createRequire(createRequire(import.meta.url).resolve('@opentelemetry/sdk-node'));

/** What is made under these environment variables, and what OpenTelemetry was told. */
function under<T>(variables: Record<string, string>, make: () => T): { made: T; warnings: string[] } {
  const warnings: string[] = [];
  const nothing = (): void => undefined;
  diag.setLogger({
    warn: (line) => warnings.push(line),
    error: nothing,
    info: nothing,
    debug: nothing,
    verbose: nothing,
  });
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return { made: make(), warnings };
  } finally {
    diag.disable();
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  }
}

/** What the SDK keeps for itself: which exporter, and how often. */
function inside(reader: object | undefined) {
  const of = (key: string): unknown => Reflect.get(reader ?? {}, key);
  const { constructor } = of('_exporter') as object;
  return { exporter: constructor, intervalMs: of('_exportInterval'), timeoutMs: of('_exportTimeout') };
}

const readers = () => pushReaders([histogramProducer({ shared: false })]);

test('each OTLP protocol has its exporter, by the variable for metrics first', () => {
  for (const [protocol, name] of [
    ['grpc', 'grpc'],
    ['http/json', 'http'],
    ['http/protobuf', 'proto'],
    [' ', 'proto'],
  ] as const) {
    const { OTLPMetricExporter } = besideSdk(`@opentelemetry/exporter-metrics-otlp-${name}`) as {
      OTLPMetricExporter: unknown;
    };
    for (const variables of [
      { OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: '' },
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: protocol },
    ]) {
      if (protocol === ' ' && variables.OTEL_EXPORTER_OTLP_PROTOCOL !== ' ') continue;
      const { made, warnings } = under({ OTEL_METRICS_EXPORTER: 'otlp', ...variables }, readers);
      assert.deepEqual([made.length, warnings], [1, []]);
      assert.equal(inside(made[0]).exporter, OTLPMetricExporter, protocol);
    }
  }
});

test('a protocol and an exporter that do not exist are told', () => {
  const protocol = under({ OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon' }, readers);
  assert.equal(protocol.made.length, 1);
  assert.match(protocol.warnings.join(), /no OTLP protocol "carrier-pigeon", http\/protobuf is used/);
  const exporter = under({ OTEL_METRICS_EXPORTER: 'console, statsd' }, readers);
  assert.equal(exporter.made.length, 1);
  // Of which copy it is depends on how the SDK was loaded.
  assert.equal(inside(exporter.made[0]).exporter.name, ConsoleMetricExporter.name);
  assert.match(exporter.warnings.join(), /otlp, console, prometheus or none, not "statsd"/);
});

test('none, or no name at all, pushes nothing', () => {
  for (const names of ['none', 'otlp,none', '', ' , ']) {
    assert.deepEqual(under({ OTEL_METRICS_EXPORTER: names }, readers).made, []);
  }
});

test('interval and time-out are those of the environment, and a time-out is never longer than the interval', () => {
  const made = (interval: string, timeout: string) => {
    const variables = { OTEL_METRIC_EXPORT_INTERVAL: interval, OTEL_METRIC_EXPORT_TIMEOUT: timeout };
    const { intervalMs, timeoutMs } = inside(
      under({ OTEL_METRICS_EXPORTER: 'console', ...variables }, readers).made[0],
    );
    return [intervalMs, timeoutMs];
  };
  assert.deepEqual(made('', ''), [60_000, 30_000]);
  assert.deepEqual(made('5000', '2000'), [5000, 2000]);
  assert.deepEqual(made('1000', ''), [1000, 1000]);
  for (const wrong of ['0', '-1', 'soon']) assert.deepEqual(made(wrong, wrong), [60_000, 30_000]);
});

test('deltas are preferred where the environment says delta or lowmemory', () => {
  const preference = (value: string) =>
    under({ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: value }, prefersDeltas).made;
  assert.deepEqual(['delta', ' LowMemory ', 'cumulative', '', 'x'].map(preference), [true, true, false, false, false]);
});
