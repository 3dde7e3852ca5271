/**
 * The OpenTelemetry SDK: loaded when telemetry is started and not before, because its packages are optional peers, and set up
 * with names that both of its lines have (0.2xx on Node 20, 0.3xx on newer ones).
 *
 * Everything here is synchronous. That is what lets `tracebus/register` have the SDK in place before the application's first
 * line runs, without top-level await: a meter obtained before is a no-op for ever.
 */
import { createRequire } from 'node:module';
import { context, createNoopMeter, metrics, propagation, trace } from '@opentelemetry/api';
import type { TracerProvider } from '@opentelemetry/api';
import type * as Prometheus from '@opentelemetry/exporter-prometheus';
import type * as Sdk from '@opentelemetry/sdk-node';
import { SCOPE_NAME } from '../core/semconv.ts';
import { producerOf } from '../middleware/histogram-producer.ts';
import { sharedHistograms } from '../middleware/histogram-store.ts';
import { forgetLoggerProvider, globalLoggerProvider } from '../middleware/logger-presence.ts';
import { hasTracer } from '../middleware/tracer-presence.ts';
import { abandonable } from './abandonable.ts';
import type { ScrapeHandler } from './prometheus.ts';
import { prefersDeltas, pushReaders } from './push-readers.ts';
import { processResource } from './resource.ts';
import { apiVersion, installCommand } from './sdk-line.ts';
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
interface StartedSdk {
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
  // Our histograms are cumulative; where deltas are wanted the SDK's own, slower ones are used.
  const isProducing = packages.prometheus !== undefined || !prefersDeltas();
  const metricProducers = isProducing ? [producerOf(sharedHistograms)] : [];
  const exporter =
    packages.prometheus === undefined
      ? undefined
      : new packages.prometheus.PrometheusExporter({
          preventServerStart: true,
          withoutScopeInfo: true,
          metricProducers,
        });

  const sdk = withEnvironment(settings.environment, () => {
    const pushing = settings.exportsMetrics ? pushReaders(metricProducers) : [];
    const started = new packages.sdk.NodeSDK({
      ...(settings.serviceName === undefined ? {} : { serviceName: settings.serviceName }),
      resourceDetectors: [processResource(process.env)],
      metricReaders: exporter === undefined ? pushing : [exporter],
      ...(settings.exportsTraces ? {} : { spanProcessors: [discard] }),
    });
    started.start();
    return started;
  });
  const release = isProducing ? sharedHistograms.exported() : undefined;

  return {
    onScrape:
      exporter &&
      ((request, response) => {
        exporter.getMetricsRequestHandler(request, response);
      }),
    flush: async () => {
      const providers = [realTracerProvider(), metrics.getMeterProvider(), globalLoggerProvider()];
      await Promise.all(providers.map(forceFlush));
    },
    shutdown: async () => {
      release?.();
      const stopping = abandonable(() => sdk.shutdown());
      unregister(); // at once: what is made from now on could not be exported any more
      await stopping;
    },
  };
}

interface Packages {
  readonly sdk: typeof Sdk;
  readonly prometheus: typeof Prometheus | undefined;
}

function load({ prometheus }: TelemetrySettings): Packages {
  const require = createRequire(import.meta.url);
  const missing: string[] = [];
  const cause: unknown[] = [];
  const optional = (name: string): unknown => {
    try {
      return require(name) as unknown;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
      missing.push(name);
      cause.push(error);
      return undefined;
    }
  };
  const sdk = optional('@opentelemetry/sdk-node') as typeof Sdk;
  const exporter = prometheus && (optional('@opentelemetry/exporter-prometheus') as typeof Prometheus);
  if (missing.length > 0) {
    const installed = { api: apiVersion(require.resolve('@opentelemetry/api')), node: process.versions.node };
    const command = installCommand(missing, installed);
    throw new Error(`Telemetry needs packages that are not installed. Run: ${command}`, { cause: cause[0] });
  }
  return { sdk, prometheus: exporter };
}

/** Runs something synchronous under other environment variables: exporters read theirs when they are made. */
function withEnvironment<T>(variables: Environment, run: () => T): T {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  setEnvironment(Object.entries(variables));
  try {
    return run();
  } finally {
    setEnvironment(before);
  }
}

function setEnvironment(variables: Iterable<readonly [name: string, value: string | undefined]>): void {
  for (const [name, value] of variables) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
}

/** A second SDK would be ignored without a word, and its exporters with it. */
function expectNoSdk(): void {
  const hasMeters = metrics.getMeterProvider().getMeter(SCOPE_NAME) !== createNoopMeter();
  if (!hasMeters && !hasTracer(trace.getTracerProvider())) return;
  throw new Error(
    'An OpenTelemetry SDK is already started in this process. The bus uses it as it is: ' +
      'call startTelemetry() once, and not beside tracebus/register or an SDK of your own.',
  );
}

/** The global tracer provider, which is the API's proxy of the real one, or, if another copy of the API came first, anything. */
function realTracerProvider(): unknown {
  const provider: TracerProvider & { getDelegate?(): unknown } = trace.getTracerProvider();
  return provider.getDelegate?.() ?? provider;
}

async function forceFlush(provider: unknown): Promise<void> {
  await (provider as { forceFlush?: () => Promise<void> } | undefined)?.forceFlush?.();
}

function unregister(): void {
  trace.disable();
  metrics.disable();
  forgetLoggerProvider();
  propagation.disable();
  context.disable();
}
