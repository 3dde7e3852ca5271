/**
 * Starts OpenTelemetry for a process in one call: traces and metrics of every bus in it, a Prometheus endpoint, and a
 * collector when one is configured.
 *
 * Call it before the first bus starts: the metrics of a bus that started earlier are lost, and a line says so. Applications with an SDK of their own do not need it: the bus uses the global
 * providers, whoever registered them.
 */
import { messageOf } from '../core/errors.ts';
import { unmeteredBuses } from '../middleware/unmetered-buses.ts';
import type { TelemetryLogger, TelemetryOptions } from './options.ts';
import { servePrometheus } from './prometheus.ts';
import type { PrometheusEndpoint } from './prometheus.ts';
import { startSdk } from './sdk.ts';
import { telemetrySettings } from './settings.ts';

/** Started telemetry. */
export interface Telemetry {
  /** Where the metrics can be scraped; undefined where Prometheus is off. */
  readonly prometheusUrl: string | undefined;
  /** Exports what there is now, without stopping. Takes at most `shutdownTimeoutMs`, never rejects: a failure is logged. */
  flush(): Promise<void>;
  /**
   * Exports what is left and stops. Takes at most `shutdownTimeoutMs`, never rejects: a failure, such as a collector that is
   * not there, is logged. Idempotent.
   */
  shutdown(): Promise<void>;
  /** The same as `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts the SDK and registers it globally. Needs the packages `@opentelemetry/sdk-node` and, unless `prometheus` is false,
 * `@opentelemetry/exporter-prometheus`. With OTEL_SDK_DISABLED=true it does nothing.
 *
 * @throws TypeError or RangeError for options that are none; BusError BIND_FAILED when the port is taken; Error when a package
 *   is missing or an SDK is there already
 * @example
 * ```ts
 * import { MessageBus } from 'tracebus';
 * import { startTelemetry } from 'tracebus/telemetry';
 *
 * const telemetry = await startTelemetry({ serviceName: 'analytics', otlp: { endpoint: 'http://127.0.0.1:4318' } });
 * const bus = new MessageBus('analytics');
 * // ... telemetry.prometheusUrl is http://127.0.0.1:9464/metrics
 * await bus.close();
 * await telemetry.shutdown();
 * ```
 */
export async function startTelemetry(options: TelemetryOptions = {}): Promise<Telemetry> {
  // Nothing is awaited before the SDK is registered: tracebus/register relies on it, see sdk.ts.
  const settings = telemetrySettings(options, process.env);
  const { isDisabled, prometheus, shutdownTimeoutMs, logger } = settings;
  const sdk = isDisabled ? undefined : startSdk(settings);
  if (sdk !== undefined) warnOfEarlierBuses(logger);

  let endpoint: PrometheusEndpoint | undefined;
  if (prometheus !== undefined && sdk?.onScrape !== undefined) {
    try {
      endpoint = await servePrometheus(prometheus, sdk.onScrape);
    } catch (error) {
      await within(shutdownTimeoutMs, sdk.shutdown(), logger);
      throw error;
    }
    logger.info(`Metrics: ${endpoint.url}`);
  }

  let stopped: Promise<void> | undefined;
  const shutdown = (): Promise<void> =>
    (stopped ??= within(shutdownTimeoutMs, Promise.all([sdk?.shutdown(), endpoint?.close()]), logger));
  return {
    prometheusUrl: endpoint?.url,
    flush: () => within(shutdownTimeoutMs, stopped ?? sdk?.flush(), logger),
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

/** Nothing else would tell: spans and log records are there, and metrics are missing. */
function warnOfEarlierBuses(logger: TelemetryLogger): void {
  const buses = unmeteredBuses();
  if (buses === 0) return;
  logger.warn(
    `Telemetry was started after ${buses === 1 ? 'a bus' : `${String(buses)} buses`}, whose metrics are therefore not exported ` +
      '(counts and durations; spans and log records are). ' +
      'Call startTelemetry() before the first bus starts, or run the process with `node --import tracebus/register`.',
  );
}

/** Waits for an export, but not for ever, and logs what became of it: telemetry must not fail or hold up its process. */
async function within(timeoutMs: number, work: Promise<unknown> | undefined, logger: TelemetryLogger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, `not everything was exported within ${String(timeoutMs)} ms`);
  });
  const done = Promise.resolve(work).then(() => undefined, messageOf);
  const failure = await Promise.race([done, timeout]);
  clearTimeout(timer);
  if (failure !== undefined) logger.warn(`Telemetry: ${failure}.`);
}
