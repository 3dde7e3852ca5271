/**
 * The metric readers that push, as OTEL_METRICS_EXPORTER names them. The SDK would make the same ones from the environment, but
 * gives no way to add a producer to them, and the histograms come from one. What exporters and intervals there are is as in
 * the SDK; the packages of the exporters are those that it depends on.
 */
import { createRequire } from 'node:module';
import { diag } from '@opentelemetry/api';
import type * as Sdk from '@opentelemetry/sdk-node';
import type { HistogramProducer } from '../middleware/histogram-producer.ts';

type Readers = NonNullable<Sdk.NodeSDKConfiguration['metricReaders']>;
type PushExporter = ConstructorParameters<typeof Sdk.metrics.PeriodicExportingMetricReader>[0]['exporter'];

/** An application need not have these packages itself: they are looked for where the SDK finds them. */
type Require = (name: string) => unknown;

const OTLP_PACKAGES: Readonly<Record<string, string>> = {
  grpc: '@opentelemetry/exporter-metrics-otlp-grpc',
  'http/json': '@opentelemetry/exporter-metrics-otlp-http',
  'http/protobuf': '@opentelemetry/exporter-metrics-otlp-proto',
};
const DEFAULT_PROTOCOL = 'http/protobuf';
const DEFAULT_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 30_000;

/** Makes the readers; synchronous, under the environment that they are to see. */
export function pushReaders(metricProducers: HistogramProducer[]): Readers {
  const exporters = new Set(
    (process.env.OTEL_METRICS_EXPORTER ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  );
  if (exporters.has('none')) return [];
  const besideSdk: Require = createRequire(createRequire(import.meta.url).resolve('@opentelemetry/sdk-node'));
  // Not through sdk-node, which re-exports it on one of the two lines only.
  const sdk = besideSdk('@opentelemetry/sdk-metrics') as typeof Sdk.metrics;
  const intervalMs = milliseconds('OTEL_METRIC_EXPORT_INTERVAL') ?? DEFAULT_INTERVAL_MS;
  const timeoutMs = milliseconds('OTEL_METRIC_EXPORT_TIMEOUT') ?? DEFAULT_TIMEOUT_MS;
  return Array.from(exporters, (name) => exporterOf(name, sdk, besideSdk))
    .filter((exporter) => exporter !== undefined)
    .map(
      (exporter) =>
        new sdk.PeriodicExportingMetricReader({
          exporter,
          exportIntervalMillis: intervalMs,
          exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
          metricProducers,
        }),
    );
}

/** True where the environment asks for histograms that start anew with each export. */
export function prefersDeltas(): boolean {
  const preference = process.env.OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE?.trim().toLowerCase();
  return preference === 'delta' || preference === 'lowmemory';
}

function exporterOf(name: string, sdk: typeof Sdk.metrics, besideSdk: Require): PushExporter | undefined {
  if (name === 'console') return new sdk.ConsoleMetricExporter();
  if (name === 'otlp') return otlpExporter(besideSdk);
  diag.warn(`tracebus: OTEL_METRICS_EXPORTER is otlp, console, prometheus or none, not "${name}"`);
  return undefined;
}

function otlpExporter(besideSdk: Require): PushExporter {
  const { OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: own, OTEL_EXPORTER_OTLP_PROTOCOL: all } = process.env;
  const protocol = [own, all].map((value) => value?.trim()).find((value) => value) ?? DEFAULT_PROTOCOL;
  const known = OTLP_PACKAGES[protocol];
  if (known === undefined) diag.warn(`tracebus: no OTLP protocol "${protocol}", ${DEFAULT_PROTOCOL} is used`);
  const packaged = besideSdk(known ?? String(OTLP_PACKAGES[DEFAULT_PROTOCOL])) as {
    readonly OTLPMetricExporter: new () => PushExporter;
  };
  return new packaged.OTLPMetricExporter();
}

function milliseconds(variable: string): number | undefined {
  const given = Number(process.env[variable] ?? NaN);
  return given > 0 ? given : undefined;
}
