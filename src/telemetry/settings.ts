/**
 * What `startTelemetry` does, from its options and the standard OTEL_* environment variables; options win, an empty variable
 * counts as unset. Decided here, and only here: which exporters there are. The SDK's own default would be to send traces,
 * metrics and logs to a collector on localhost, whether there is one or not.
 */
import { checkTelemetryOptions, isPort } from './options.ts';
import type { PrometheusOptions, TelemetryLogger, TelemetryOptions } from './options.ts';

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the Prometheus endpoint listens. */
export interface PrometheusSettings {
  readonly host: string;
  readonly port: number;
  /** A port that nobody asked for may be replaced by the next free one. */
  readonly isPortGiven: boolean;
}

/** What came of options and environment. */
export interface TelemetrySettings {
  readonly isDisabled: boolean;
  readonly serviceName: string | undefined;
  readonly prometheus: PrometheusSettings | undefined;
  /** Without an exporter spans are still made, so that trace ids exist and travel, and then dropped. */
  readonly exportsTraces: boolean;
  /** By the SDK itself, that is not for Prometheus. */
  readonly exportsMetrics: boolean;
  /** What the SDK must find in the environment while it starts; undefined is taken away. */
  readonly environment: Environment;
  readonly shutdownTimeoutMs: number;
  readonly logger: TelemetryLogger;
}

const DEFAULT_PORT = 9464; // registered for the OpenTelemetry Prometheus exporter

const standardError: TelemetryLogger = {
  info: (line) => process.stderr.write(`[tracebus] ${line}\n`),
  warn: (line) => process.stderr.write(`[tracebus] ${line}\n`),
};

/** @throws TypeError or RangeError for options that are none */
export function telemetrySettings(options: TelemetryOptions, env: Environment): TelemetrySettings {
  checkTelemetryOptions(options);
  const { serviceName, otlp, shutdownTimeoutMs = 1000, logger = standardError } = options;
  const endpoint = otlp === undefined || otlp === false ? undefined : otlp.endpoint;
  const hasCollector =
    otlp !== false &&
    (endpoint ?? given(env, 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT')) !== undefined;
  const allowed = (exporter: string): boolean => otlp !== false || exporter !== 'otlp';
  const byDefault = hasCollector ? ['otlp'] : [];

  const metricNames = names(env.OTEL_METRICS_EXPORTER);
  const isScraped = metricNames === undefined || metricNames.includes('prometheus');
  const prometheus = options.prometheus ?? (isScraped ? {} : false);
  const metricExporters = (metricNames ?? byDefault).filter((name) => name !== 'prometheus' && allowed(name));
  const traceExporters = (names(env.OTEL_TRACES_EXPORTER) ?? byDefault).filter(allowed);
  const logExporters = (names(env.OTEL_LOGS_EXPORTER) ?? []).filter(allowed);
  if (prometheus !== false && metricNames !== undefined && metricExporters.length > 0) {
    logger.warn(
      `Metrics are scraped and not pushed as well: OTEL_METRICS_EXPORTER ${metricExporters.join()} is not used.`,
    );
  }
  return {
    isDisabled: env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true',
    serviceName,
    prometheus: prometheus === false ? undefined : prometheusSettings(prometheus, env),
    exportsTraces: traceExporters.length > 0,
    exportsMetrics: prometheus === false && metricExporters.length > 0,
    environment: {
      OTEL_TRACES_EXPORTER: traceExporters.join(),
      OTEL_METRICS_EXPORTER: metricExporters.join(),
      OTEL_LOGS_EXPORTER: logExporters.length > 0 ? logExporters.join() : 'none',
      ...(endpoint === undefined ? {} : onlyEndpoint(endpoint)),
    },
    shutdownTimeoutMs,
    logger,
  };
}

function prometheusSettings({ host, port }: PrometheusOptions, env: Environment): PrometheusSettings {
  const fromEnv = given(env, 'OTEL_EXPORTER_PROMETHEUS_PORT');
  const wanted = port ?? (fromEnv === undefined ? undefined : Number(fromEnv));
  if (wanted !== undefined && !isPort(wanted)) {
    throw new RangeError(`Expected OTEL_EXPORTER_PROMETHEUS_PORT to be a port, got ${JSON.stringify(fromEnv)}`);
  }
  return {
    host: host ?? given(env, 'OTEL_EXPORTER_PROMETHEUS_HOST') ?? '127.0.0.1',
    port: wanted ?? DEFAULT_PORT,
    isPortGiven: wanted !== undefined,
  };
}

/** An endpoint given in code replaces whatever the environment says for single signals. */
function onlyEndpoint(endpoint: string): Environment {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: undefined,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: undefined,
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: undefined,
  };
}

/** The first of these variables that is set to anything. */
function given(env: Environment, ...variables: string[]): string | undefined {
  return variables.map((name) => env[name]?.trim()).find((value) => value !== undefined && value !== '');
}

/** A list of exporter names, undefined when there is none. */
function names(list: string | undefined): string[] | undefined {
  const found = (list ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return found.length > 0 ? found : undefined;
}
