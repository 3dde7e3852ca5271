/**
 * Exports what the core counts, and measures durations. The core counts in any case, also without this middleware; the nine
 * documented figures and the bus's own counts leave through one registry per MeterProvider (metrics-registry.ts), which
 * reads plain integers when somebody collects and costs the messages nothing.
 *
 * Outermost both ways, so that a duration includes every other step and a rejected message is measured too. Instruments are
 * made when the bus starts: a meter obtained before an SDK is there stays a no-op for ever, so start the SDK first. Without
 * one this step does nothing but call `next()` (and is counted in unmetered-buses.ts), and one that throws is logged and left alone.
 */
import { createNoopMeter, diag, metrics as api } from '@opentelemetry/api';
import type { MeterProvider } from '@opentelemetry/api';
import { BusError, messageOf } from '../core/errors.ts';
import type { Middleware, MiddlewareHost, Next } from '../core/middleware.ts';
import { aBoolean, optionsCheck, withMethods } from '../core/option-checks.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { SCOPE_NAME } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { Durations } from './durations.ts';
import { storeOf } from './histogram-producer.ts';
import type { HistogramProducer } from './histogram-producer.ts';
import { sharedHistograms } from './histogram-store.ts';
import type { HistogramStore } from './histogram-store.ts';
import { registryOf } from './metrics-registry.ts';
import { meterRecorders } from './recorders.ts';
import { startedUnmetered } from './unmetered-buses.ts';

/** Options of {@link metrics}. */
export interface MetricsOptions {
  /** @default the global provider, asked for when the bus starts */
  readonly meterProvider?: MeterProvider;
  /**
   * Whether the times of each message go into the histograms: `messaging.*.duration`, `rpc.*.call.duration`, and of received
   * ones `messagebus.transport_lag` and `messagebus.dwell`. Nothing is measured without an SDK.
   * @default true
   */
  readonly durations?: boolean;
  /**
   * Made by `histogramProducer()` and given to the readers of `meterProvider`: the durations of this bus leave through it, for
   * nanoseconds a message. Without one they go through `histogram.record`, for microseconds.
   * @default on the global provider the shared one, if there is any when the bus starts; on another none
   */
  readonly histogramProducer?: HistogramProducer;
}

/**
 * Exports the figures of docs/metrics.md to OpenTelemetry.
 *
 * @throws TypeError for options that are none
 * @example
 * ```ts
 * import { Bus } from 'tracebus/core';
 * import { memory } from 'tracebus/memory';
 * import { metrics, serialize } from 'tracebus/middleware';
 *
 * const bus = new Bus({ serviceName: 'prices', transport: memory() });
 * bus.use(metrics({ durations: false })).use(serialize());
 * ```
 */
export function metrics(options: MetricsOptions = {}): Middleware {
  checkOptions(options);
  const { meterProvider, durations = true, histogramProducer } = options;
  const ownStore = histogramProducer && storeOf(histogramProducer);
  let isAttached = false;
  let measuring: Durations | undefined;
  let detach: (() => void) | undefined;

  const timed = (ctx: ReceiveContext | SendContext, next: Next): Promise<void> | void => {
    const timing = ctx.direction === 'send' ? measuring?.sent(ctx) : measuring?.received(ctx);
    return timing === undefined ? next() : timing.measure(ctx, next);
  };

  return {
    name: 'metrics',
    stage: 'observe',
    awaitsNext: true,

    attach(host) {
      if (isAttached) {
        throw new BusError('INVALID_PIPELINE', 'one metrics() is used by two buses', {
          hint: 'Make one for each bus.',
        });
      }
      isAttached = true;
      const { system, counters, clock } = host;
      guarded(host, () => {
        const provider = meterProvider ?? api.getMeterProvider();
        const meter = provider.getMeter(SCOPE_NAME);
        // There is one no-op meter: no SDK is there.
        if (meter === createNoopMeter()) {
          if (meterProvider === undefined) detach = startedUnmetered();
          return;
        }
        guarded(host, () => {
          detach = registryOf(provider).attach({ system, counters });
        });
        if (!durations) return;
        const store = ownStore ?? sharedStore(provider);
        const recorderOf = store === undefined ? meterRecorders(meter) : store.series.bind(store);
        measuring = new Durations(recorderOf, system, clock);
      });
    },

    detach() {
      detach?.();
      detach = undefined;
      measuring = undefined;
      isAttached = false;
    },

    ...(durations && { send: timed, receive: timed }),
  };
}

/** The shared histograms, where somebody exports them and this is the provider that they belong to. */
function sharedStore(provider: MeterProvider): HistogramStore | undefined {
  return sharedHistograms.isExported && provider === api.getMeterProvider() ? sharedHistograms : undefined;
}

/** An SDK that throws must not keep a bus from working. */
function guarded({ logger }: MiddlewareHost, run: () => void): void {
  try {
    run();
  } catch (error) {
    logger.warn(`metrics are not exported: OpenTelemetry threw: ${messageOf(error)}`);
    diag.error('tracebus: OpenTelemetry threw', error);
  }
}

const checkOptions = optionsCheck({
  meterProvider: withMethods('a MeterProvider', 'getMeter'),
  durations: aBoolean,
  histogramProducer: (value) =>
    storeOf(value as HistogramProducer) === undefined ? 'made by histogramProducer()' : undefined,
});
