/**
 * Stops trying what keeps failing: after some failures in a row, calls to a destination (topic and endpoint), or messages for the
 * handlers of a topic, are refused at once with CIRCUIT_OPEN, until a probe succeeds. At stage body.
 *
 * Beside the cool-down of the bus, which is about an endpoint that cannot be reached at all, this is about one topic whose
 * other side answers with failures. Used after retry it sees each attempt on the way out. A topic costs nothing until it fails; the circuits are
 * bounded, and beyond the bound the one whose last failure is longest ago is forgotten, which closes it.
 */
import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/clock.ts';
import { BusError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Middleware, Next } from '../core/middleware.ts';
import { aClock, amount, oneOf, optionsCheck, whole } from '../core/option-checks.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import { FIRST_ERA } from './circuit.ts';
import type { Circuit, CircuitLimits, Outcome } from './circuit.ts';
import { outcomeOf } from './circuit-outcome.ts';
import { Circuits } from './circuits.ts';

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Failures in a row that open the circuit. @default 5 */
  readonly failures?: number;
  /** The failures must lie within this time, in milliseconds. @default Infinity */
  readonly windowMs?: number;
  /** How long an open circuit refuses, in milliseconds. @default 10000 */
  readonly openMs?: number;
  /** Calls that may probe at once when that time is over; one success closes, one failure opens again. @default 1 */
  readonly halfOpenProbes?: number;
  /** `send` guards destinations, `receive` handlers. @default 'both' */
  readonly on?: 'send' | 'receive' | 'both';
  /** @default the bus's */
  readonly clock?: Clock;
}

type Context = SendContext | ReceiveContext;

const checkOptions = optionsCheck({
  failures: whole(1),
  windowMs: (value) => (value === Infinity ? undefined : amount(value)),
  openMs: amount,
  halfOpenProbes: whole(1),
  on: oneOf('send', 'receive', 'both'),
  clock: aClock,
});

/**
 * A circuit breaker per topic: of the handlers where messages are received, of the destination (with its endpoint) where they are sent.
 * Replies pass. Opening and closing is logged at info.
 *
 * @example
 * ```ts
 * import { circuitBreaker } from 'tracebus/middleware';
 *
 * bus.use(circuitBreaker({ failures: 3, openMs: 5000, on: 'send' }));
 * ```
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): Middleware {
  checkOptions(options);
  const { on = 'both' } = options;
  const limits = limitsOf(options);
  let clock = options.clock ?? systemClock;
  let logger: Logger | undefined;

  const guard = (): ((ctx: Context, next: Next) => Promise<void>) => {
    const circuits = new Circuits(limits);
    const find = (ctx: Context): Circuit | undefined => (circuits.isEmpty ? undefined : circuits.find(keyOf(ctx)));

    const settle = (circuit: Circuit | undefined, era: number, outcome: Outcome, ctx: Context): void => {
      if (circuit?.settle(era, outcome, clock.now()) !== true) return;
      const change = circuit.state === 'open' ? `open for ${String(limits.openMs)} ms` : 'closed again';
      logger?.info(`the circuit of ${JSON.stringify(ctx.topic)} (${ctx.direction}, ${ctx.endpoint}) is ${change}`);
    };

    return async (ctx, next) => {
      if (ctx.pattern === 'reply') return next();
      const known = find(ctx);
      const era = known === undefined ? FIRST_ERA : enter(known, ctx);
      try {
        await next();
      } catch (error) {
        const outcome = outcomeOf(error, ctx.direction);
        settle(outcome === 'failure' ? circuits.failing(keyOf(ctx), known) : known, era, outcome, ctx);
        throw error;
      }
      settle(known ?? find(ctx), era, 'success', ctx);
    };
  };

  const enter = (circuit: Circuit, ctx: Context): number => {
    const era = circuit.enter(clock.now());
    if (era !== undefined) return era;
    const remainingMs = Math.ceil(circuit.remainingMs(clock.now()));
    const { topic, endpoint } = ctx;
    throw new BusError(
      'CIRCUIT_OPEN',
      remainingMs > 0
        ? `refused for another ${String(remainingMs)} ms after failures`
        : 'refused while a probe is under way',
      {
        topic,
        endpoint,
        limitMs: limits.openMs,
        hint: 'Find out what failed before; the circuit closes when a probe succeeds.',
      },
    );
  };

  return {
    name: 'circuit-breaker',
    stage: 'body',
    awaitsNext: true,
    attach(host) {
      if (logger !== undefined) {
        throw new BusError('INVALID_PIPELINE', 'one circuitBreaker() is used by two buses', {
          hint: 'Make one for each bus.',
        });
      }
      clock = options.clock ?? host.clock;
      ({ logger } = host);
    },
    ...(on === 'receive' ? {} : { send: guard() }),
    ...(on === 'send' ? {} : { receive: guard() }),
  };
}

function limitsOf(options: CircuitBreakerOptions): CircuitLimits {
  const { failures = 5, windowMs = Infinity, openMs = 10_000, halfOpenProbes = 1 } = options;
  return { failures, windowMs, openMs, halfOpenProbes };
}

/** A destination where it is sent, a topic where it is handled. */
function keyOf(ctx: Context): string {
  return ctx.direction === 'send' ? `${ctx.endpoint}\n${ctx.topic}` : ctx.topic;
}
