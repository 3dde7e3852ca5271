/**
 * Exports what the core counts, and measures durations. The core counts in any case, also without this middleware; the nine
 * documented figures and the bus's own counts leave through one registry per MeterProvider (metrics-registry.ts), which
 * reads plain integers when somebody collects and costs the messages nothing.
 *
 * Outermost both ways, so that a duration includes every other step and a rejected message is measured too. Instruments are
 * made when the bus starts: a meter obtained before an SDK is there stays a no-op for ever, so start the SDK first. Without
 * one this step does nothing but call `next()`.
 */
import { createNoopMeter, metrics as api } from '@opentelemetry/api';
import type { MeterProvider } from '@opentelemetry/api';
import type { Clock } from '../core/clock.ts';
import { BusError } from '../core/errors.ts';
import type { Middleware, Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { SCOPE_NAME } from '../core/semconv.ts';
import type { SpanKey } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { Durations } from './durations.ts';
import { failureType, receivedDestination, spanKeyOf } from './message-attributes.ts';
import { quietly } from './message-span.ts';
import { registryOf } from './metrics-registry.ts';

/** Options of {@link metrics}. */
export interface MetricsOptions {
  /** @default the global provider, asked for when the bus starts */
  readonly meterProvider?: MeterProvider;
  /**
   * Whether the time of each message goes into the histograms `messaging.*.duration` and `rpc.*.call.duration`, about two
   * microseconds each. Nothing is measured without an SDK.
   * @default true
   */
  readonly durations?: boolean;
}

/** What measures the messages of a started bus. */
interface Measuring {
  readonly clock: Clock;
  readonly durations: Durations;
}

/**
 * Exports the figures of docs/metrics.md to OpenTelemetry.
 *
 * @example
 * ```ts
 * import { Bus } from 'tracebus/core';
 * import { memory } from 'tracebus/memory';
 * import { metrics, serialize } from 'tracebus/middleware';
 *
 * const bus = new Bus('prices', { transport: memory() }).use(metrics({ durations: false })).use(serialize());
 * ```
 */
export function metrics(options: MetricsOptions = {}): Middleware {
  const { meterProvider, durations = true } = options;
  if (meterProvider !== undefined && typeof meterProvider.getMeter !== 'function') {
    throw new TypeError(`Expected \`meterProvider\` to be a MeterProvider, got ${typeof meterProvider}`);
  }
  if (typeof durations !== 'boolean') {
    throw new TypeError(`Expected \`durations\` to be a boolean, got ${typeof durations}`);
  }
  let isAttached = false;
  let measuring: Measuring | undefined;
  let detach: (() => void) | undefined;

  const timed = (ctx: ReceiveContext | SendContext, next: Next): Promise<void> | void => {
    if (measuring === undefined) return next();
    const key = spanKeyOf(ctx);
    return key === undefined ? next() : measure(ctx, next, key, measuring);
  };

  return {
    name: 'metrics',
    stage: 'observe',
    awaitsNext: true,

    attach({ system, counters, clock }) {
      if (isAttached) {
        throw new BusError('INVALID_PIPELINE', 'one metrics() is used by two buses', {
          hint: 'Make one for each bus.',
        });
      }
      isAttached = true;
      const provider = meterProvider ?? api.getMeterProvider();
      const meter = provider.getMeter(SCOPE_NAME);
      if (meter === createNoopMeter()) return; // there is one no-op meter: no SDK is there
      if (durations) measuring = { clock, durations: new Durations(meter, system) };
      detach = registryOf(provider).attach({ system, counters });
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

/** Runs the rest of the chain and records how long it took. */
async function measure(
  ctx: ReceiveContext | SendContext,
  next: Next,
  key: SpanKey,
  { clock, durations }: Measuring,
): Promise<void> {
  const startedAt = clock.now();
  let failure: string | undefined;
  try {
    await next();
  } catch (error) {
    failure = failureType(ctx, error);
    throw error;
  } finally {
    const seconds = (clock.now() - startedAt) / 1000;
    const destination = ctx.direction === 'send' ? ctx.topic : receivedDestination(ctx);
    quietly(() => {
      durations.record({ key, endpoint: ctx.endpoint, destination, seconds }, failure);
    });
  }
}
