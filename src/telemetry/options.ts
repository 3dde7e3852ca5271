/** The options of `startTelemetry`, and the check that they are what they claim to be. */
import type { Logger } from '../core/logger.ts';

/** Where the URL of the metrics and what failed are written. */
export type TelemetryLogger = Pick<Logger, 'info' | 'warn'>;

/** Options of `startTelemetry`. They win over the environment variables that the defaults name. */
export interface TelemetryOptions {
  /** The `service.name` of everything exported. @default OTEL_SERVICE_NAME, else what OTEL_RESOURCE_ATTRIBUTES says */
  readonly serviceName?: string;
  /**
   * Where the metrics can be scraped, under /metrics; `false` for nowhere. While it is on, OTLP carries traces only: a metric
   * that is scraped and pushed is there twice.
   * @default on, unless OTEL_METRICS_EXPORTER is set and names others
   */
  readonly prometheus?: false | PrometheusOptions;
  /**
   * The collector that traces are sent to (with `prometheus: false` metrics too), by the protocol that
   * OTEL_EXPORTER_OTLP_PROTOCOL says; `false` for none.
   * @default OTEL_EXPORTER_OTLP_ENDPOINT; without it nothing is sent
   */
  readonly otlp?: false | OtlpOptions;
  /** How long `shutdown` waits for what is still to be exported, in milliseconds. @default 1000 */
  readonly shutdownTimeoutMs?: number;
  /** @default lines on standard error */
  readonly logger?: TelemetryLogger;
}

/** The Prometheus endpoint. */
export interface PrometheusOptions {
  /** @default OTEL_EXPORTER_PROMETHEUS_HOST, else '127.0.0.1' */
  readonly host?: string;
  /**
   * A port that is given and taken is an error; 0 takes any free one.
   * @default OTEL_EXPORTER_PROMETHEUS_PORT, else the first free port from 9464
   */
  readonly port?: number;
}

/** The collector. */
export interface OtlpOptions {
  /** The base URL, for instance `http://127.0.0.1:4318`; over HTTP, `/v1/traces` and the like are added to it. */
  readonly endpoint: string;
}

/** @throws TypeError or RangeError that names the option and what it should be */
export function checkTelemetryOptions(options: TelemetryOptions): void {
  const { serviceName, prometheus = false, otlp = false, shutdownTimeoutMs } = options;
  if (serviceName !== undefined && (typeof serviceName !== 'string' || serviceName === '')) {
    throw new TypeError(`Expected \`serviceName\` to be a non-empty string, got ${typeof serviceName}`);
  }
  if (shutdownTimeoutMs !== undefined && !(Number.isFinite(shutdownTimeoutMs) && shutdownTimeoutMs >= 0)) {
    throw new RangeError(`Expected \`shutdownTimeoutMs\` to be a number from 0, got ${String(shutdownTimeoutMs)}`);
  }
  if (prometheus !== false) checkPrometheusOptions(prometheus);
  if (otlp !== false) checkOtlpOptions(otlp);
}

function checkPrometheusOptions(prometheus: PrometheusOptions): void {
  if (typeof prometheus !== 'object') {
    throw new TypeError(`Expected \`prometheus\` to be false or { host, port }, got ${typeof prometheus}`);
  }
  const { host, port } = prometheus;
  if (host !== undefined && (typeof host !== 'string' || host === '')) {
    throw new TypeError('Expected `prometheus.host` to be a non-empty string');
  }
  if (port !== undefined && !isPort(port)) {
    throw new RangeError(`Expected \`prometheus.port\` to be an integer from 0 to 65535, got ${String(port)}`);
  }
}

function checkOtlpOptions(otlp: OtlpOptions): void {
  const endpoint: unknown = typeof otlp === 'object' ? otlp.endpoint : otlp;
  if (typeof otlp !== 'object' || typeof endpoint !== 'string') {
    throw new TypeError(`Expected \`otlp\` to be false or { endpoint }, got ${typeof otlp}`);
  }
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : '')) {
    throw new RangeError(`Expected \`otlp.endpoint\` to be an http or https URL, got ${JSON.stringify(endpoint)}`);
  }
}

/** True for what a server can listen on; 0 stands for any free port. */
export function isPort(port: unknown): boolean {
  return Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535;
}
