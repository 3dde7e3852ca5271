/** The options of `startTelemetry`, and the check that they are what they claim to be. */
import type { Logger } from '../core/logger.ts';
import { aString, optionsCheck, time, withMethods } from '../core/option-checks.ts';
import type { Check } from '../core/option-checks.ts';

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

const httpUrl: Check = (value) =>
  typeof value === 'string' && /^https?:$/.test(URL.canParse(value) ? new URL(value).protocol : '')
    ? undefined
    : 'an http or https URL';

/** `false`, or an object, which is looked into afterwards. */
const falseOr =
  (shape: string): Check =>
  (value) =>
    value === false || (typeof value === 'object' && value !== null) ? undefined : `false or ${shape}`;

const checkOptions = optionsCheck({
  serviceName: aString,
  prometheus: falseOr('{ host, port }'),
  otlp: falseOr('{ endpoint }'),
  shutdownTimeoutMs: time,
  logger: withMethods('a logger', 'info', 'warn'),
});
const checkPrometheus = optionsCheck(
  { host: aString, port: (value) => (isPort(value) ? undefined : 'an integer from 0 to 65535') },
  'prometheus',
);
const checkOtlp = optionsCheck({ endpoint: httpUrl }, 'otlp');

/** @throws TypeError or RangeError that names the option and what it should be */
export function checkTelemetryOptions(options: TelemetryOptions): void {
  checkOptions(options);
  const { prometheus = false, otlp = false } = options;
  if (prometheus !== false) checkPrometheus(prometheus);
  if (otlp === false) return;
  if ((otlp as Partial<OtlpOptions>).endpoint === undefined) {
    throw new TypeError('Expected `otlp.endpoint` to be an http or https URL, got undefined');
  }
  checkOtlp(otlp);
}

/** True for what a server can listen on; 0 stands for any free port. */
export function isPort(port: unknown): boolean {
  return Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535;
}
