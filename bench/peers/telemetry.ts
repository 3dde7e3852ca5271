/** Starts the SDK that a row asks for, with every metric on and read once a second, as a scrape would. */
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { histogramProducer } from 'tracebus/telemetry';
import type { Spec } from '../load.ts';

type MetricReader = NonNullable<NodeSDKConfiguration['metricReaders']>[number];

const COLLECT_EVERY_MS = 1000;
const SUCCESS = 0; // ExportResultCode.SUCCESS

const nullExporter = {
  export: (_items: unknown, done: (result: { code: number }) => void) => done({ code: SUCCESS }),
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

/** Starts it, or nothing, and answers what ends it and lets what has been sampled leave. */
export async function startSdk({ system, variant, sink }: Spec): Promise<() => Promise<void>> {
  const { telemetry = 'none', durations = 'buckets' } = variant;
  if (system !== 'tracebus' || telemetry === 'none') return () => Promise.resolve();
  const { NodeSDK, metrics, tracing } = await import('@opentelemetry/sdk-node');
  const share = telemetry === 'not-sampled' ? 0 : telemetry === '1%' ? 0.01 : 1;
  if (telemetry === '100%-otlp') {
    process.env['OTEL_TRACES_EXPORTER'] = 'otlp';
    process.env['OTEL_EXPORTER_OTLP_PROTOCOL'] = 'http/protobuf';
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = sink;
  }
  process.env['OTEL_LOGS_EXPORTER'] = 'none';
  const reader: MetricReader = new metrics.PeriodicExportingMetricReader({
    exporter: nullExporter,
    exportIntervalMillis: COLLECT_EVERY_MS,
    ...(durations === 'buckets' && { metricProducers: [histogramProducer()] }),
  });
  const sdk = new NodeSDK({
    serviceName: 'bench',
    resourceDetectors: [],
    instrumentations: [],
    sampler: new tracing.ParentBasedSampler({ root: new tracing.TraceIdRatioBasedSampler(share) }),
    metricReaders: [reader],
    ...(telemetry !== '100%-otlp' && { spanProcessors: [new tracing.BatchSpanProcessor(nullExporter)] }),
  });
  sdk.start();
  return () => sdk.shutdown();
}
