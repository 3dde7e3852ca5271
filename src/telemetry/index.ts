/**
 * Entry point `tracebus/telemetry`: starts OpenTelemetry for the process, or takes part in an SDK of the application's own.
 * Importing it loads no SDK; starting does.
 */
export { histogramProducer } from '../middleware/histogram-producer.ts';
export type {
  CollectedHistogram,
  CollectedHistograms,
  CollectedResource,
  HistogramPoint,
  HistogramProducer,
  HistogramProducerOptions,
} from '../middleware/histogram-producer.ts';
export { startTelemetry } from './start.ts';
export type { Telemetry } from './start.ts';
export type { OtlpOptions, PrometheusOptions, TelemetryLogger, TelemetryOptions } from './options.ts';
