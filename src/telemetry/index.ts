/** Entry point `tracebus/telemetry`: starts OpenTelemetry for the process. Importing it loads no SDK; starting does. */
export { startTelemetry } from './start.ts';
export type { Telemetry } from './start.ts';
export type { OtlpOptions, PrometheusOptions, TelemetryLogger, TelemetryOptions } from './options.ts';
