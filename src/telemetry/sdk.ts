/**
 * The OpenTelemetry SDK: loaded when telemetry is started and not before, because its packages are optional peers, and set up
 * with names that both of its lines have (0.2xx on Node 20, 0.3xx on newer ones).
 *
 * Everything here is synchronous. That is what lets `tracebus/register` have the SDK in place before the application's first
 * line runs, without top-level await: a meter obtained before is a no-op for ever.
 */
import { createRequire } from 'node:module';
import { ProxyTracerProvider, context, createNoopMeter, metrics, propagation, trace } from '@opentelemetry/api';
import type * as Prometheus from '@opentelemetry/exporter-prometheus';
import type * as Sdk from '@opentelemetry/sdk-node';
import type { ScrapeHandler } from './prometheus.ts';
import { processResource } from './resource.ts';
import type { Environment, TelemetrySettings } from './settings.ts';

type SdkConfiguration = Partial<Sdk.NodeSDKConfiguration>;
type SpanProcessor = NonNullable<SdkConfiguration['spanProcessors']>[number];

/** Spans without an exporter: they have ids, which travel, and then nobody wants them. */
const discard: SpanProcessor = {
  onStart: () => undefined,
  onEnd: () => undefined,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

/** A started SDK. */
export interface StartedSdk {
  /** Answers a scrape; undefined where Prometheus is off. */
  readonly onScrape: ScrapeHandler | undefined;
  /** Exports what has ended so far. */
  flush(): Promise<void>;
  /** Exports what is left and stops. May reject, and may take as long as an unreachable collector does. */
  shutdown(): Promise<void>;
}

/**
 * Loads the SDK's packages, starts it and registers it globally.
 *
 * @throws Error when a package is missing or an SDK is there already
 */
export function startSdk(settings: TelemetrySettings): StartedSdk {
  expectNoSdk();
  const packages = load(settings);
  const exporter =
    packages.prometheus === undefined
      ? undefined
      : new packages.prometheus.PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });

  const sdk = withEnvironment(settings.environment, () => {
    const started = new packages.sdk.NodeSDK({
      ...(settings.serviceName === undefined ? {} : { serviceName: settings.serviceName }),
      resourceDetectors: [processResource(process.env)],
      ...(exporter !== undefined ? { metricReaders: [exporter] } : settings.exportsMetrics ? {} : { metricReaders: [] }),
      ...(settings.exportsTraces ? {} : { spanProcessors: [discard] }),
    });
    started.start();
    return started;
  });

  return {
    onScrape: exporter && ((request, response) => exporter.getMetricsRequestHandler(request, response)),
    flush: async () => {
      await Promise.all([forceFlush(tracerProvider()), forceFlush(metrics.getMeterProvider())]);
    },
    shutdown: async () => {
      try {
        await sdk.shutdown();
      } finally {
        unregister();
      }
    },
  };
}
