/**
 * Tries again what failed for a passing reason: requests and pushes, and by opting in, publishes and handlers. At stage body,
 * declared repeatable: each attempt starts from the message as it was, so each is serialized, encrypted and signed afresh.
 *
 * What the transport has taken is not sent twice, unless the caller says that it is `idempotent`; then all attempts carry
 * one `message-id`. An answer OVERFLOW says that the message was not run, so it may be repeated. All attempts share the deadline of the call,
 * and what retries add to a destination's load is bounded by a budget (retry-budget.ts). Repeating costs the order of messages:
 * later ones overtake what waits here, which is why a publish has to opt in.
 */
import { randomBytes } from 'node:crypto';
import { fullJitter } from '../core/backoff.ts';
import { systemClock } from '../core/clock.ts';
import type { Operation } from '../core/counters.ts';
import { DONE } from '../core/done.ts';
import { BusError, errorType, messageOf } from '../core/errors.ts';
import type { MessagePattern } from '../core/kinds.ts';
import type { Middleware, MiddlewareHost, Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { ATTR, SPAN_EVENTS } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { addSpanEvent } from '../core/span-event.ts';
import { RetryBudget } from './retry-budget.ts';
import { attemptLimits, checkRetryOptions, handlerLimits } from './retry-options.ts';
import type { AttemptLimits, RetryOptions } from './retry-options.ts';
import { Waits } from './waits.ts';

export type { AttemptOptions, RetryOptions } from './retry-options.ts';
export type { RetryBudgetOptions } from './retry-budget.ts';

type Context = SendContext | ReceiveContext;

/** The verb that a repeated message belongs to. */
const OPERATIONS: Readonly<Record<Context['direction'], Readonly<Record<MessagePattern, Operation>>>> = {
  send: { publish: 'publish', push: 'push', request: 'request', reply: 'respond' },
  receive: { publish: 'subscribe', push: 'pull', request: 'respond', reply: 'request' },
};

/** The reason that ends the waits of a bus that has closed. */
const CLOSING = Symbol('closing');

/**
 * Repeats failed messages with full jitter: a wait of U(0, min(capMs, baseMs * 2^n)) before retry n = 0, 1, ... It rejects with
 * the error of the last attempt, or with ABORTED when the caller's signal ends a wait. Per call, `{ retry: false }` turns it off and `{ retry: true }`
 * turns it on for a publish.
 *
 * @example
 * ```ts
 * import { retry } from 'tracebus/middleware';
 *
 * bus.use(retry({ maxAttempts: 5, handlers: { maxAttempts: 2 } }));
 * ```
 */
export function retry(options: RetryOptions = {}): Middleware {
  checkRetryOptions(options);
  const sending = attemptLimits(options);
  const handling = handlerLimits(options);
  const { publish = false, budget: budgetOptions = {} } = options;
  const budget = budgetOptions === false ? undefined : new RetryBudget(budgetOptions);
  const newId = messageIds();
  const waits = new Waits();
  let host: MiddlewareHost | undefined;
  let clock = options.clock ?? systemClock;
  let random = options.random ?? Math.random;

  const isRepeatable = (ctx: Context): boolean => {
    if (ctx.pattern === 'reply') return false;
    if (ctx.direction === 'receive') return handling !== undefined;
    if (sending.maxAttempts === 1 || ctx.retry === false) return false;
    return ctx.pattern !== 'publish' || publish || ctx.retry === true;
  };

  /** Waits for the next attempt, or throws the error if there is to be none. */
  const prepare = async (ctx: Context, attempt: number, limits: AttemptLimits, error: unknown): Promise<void> => {
    if (attempt >= limits.maxAttempts || !limits.mayRepeat(error, ctx)) throw error;
    const waitMs = fullJitter({ attempt: attempt - 1, baseMs: limits.baseMs, capMs: limits.capMs, random });
    const now = clock.now();
    if (ctx.deadline !== undefined && now + waitMs >= ctx.deadline) throw error;
    if (ctx.direction === 'send' && budget?.spend(ctx.endpoint, now) === false) throw error;
    const progress = `attempt ${String(attempt)} of ${String(limits.maxAttempts)} for ${JSON.stringify(ctx.topic)}`;
    host?.logger.debug(`${progress} failed, the next in ${waitMs.toFixed(0)} ms: ${messageOf(error)}`);
    await waits.wait(clock, waitMs, ctx.signal).catch((reason: unknown) => {
      throw stopped(ctx, reason, error);
    });
    const type = errorType(error);
    host?.counters.retries.add(OPERATIONS[ctx.direction][ctx.pattern], type);
    if (ctx.span !== undefined)
      addSpanEvent(ctx, SPAN_EVENTS.retry, { [ATTR.attempt]: attempt, [ATTR.errorType]: type });
  };

  const count = (ctx: Context, attempt: number): void => {
    if (ctx.direction === 'send') ctx.attempt = attempt;
    else ctx.delivery = attempt;
  };

  const repeat = async (ctx: Context, next: Next, limits: AttemptLimits, first: unknown): Promise<void> => {
    let failure = first;
    for (let attempt = 1; ; attempt++) {
      await prepare(ctx, attempt, limits, failure);
      count(ctx, attempt + 1);
      try {
        await next();
        return;
      } catch (error) {
        failure = error;
      }
    }
  };

  /** Most messages take one attempt, which is to cost little. */
  const attempt = (ctx: Context, next: Next, limits: AttemptLimits): Promise<void> => {
    count(ctx, 1);
    const running = next();
    return running === DONE ? DONE : running.catch((error: unknown) => repeat(ctx, next, limits, error));
  };

  const send = (ctx: SendContext, next: Next): Promise<void> => {
    budget?.earn(ctx.endpoint);
    // Before the first attempt: a receiver could not tell afterwards that the second is the same message.
    if (ctx.idempotent && !ctx.headers.has('message-id')) ctx.headers.set('message-id', newId());
    return attempt(ctx, next, sending);
  };

  return {
    name: 'retry',
    stage: 'body',
    awaitsNext: true,
    attach(given) {
      if (host !== undefined) {
        throw new BusError('INVALID_PIPELINE', 'one retry() is used by two buses', { hint: 'Make one for each bus.' });
      }
      host = given;
      clock = options.clock ?? given.clock;
      random = options.random ?? given.random;
    },
    detach() {
      waits.endAll(CLOSING);
    },
    repeatable: isRepeatable,
    send: (ctx, next) => (isRepeatable(ctx) ? send(ctx, next) : next()),
    ...(handling === undefined
      ? {}
      : { receive: (ctx, next) => (isRepeatable(ctx) ? attempt(ctx, next, handling) : next()) }),
  };
}

/** Unique without a random draw per message. */
function messageIds(): () => string {
  const prefix = randomBytes(9).toString('base64url');
  let last = 0;
  return () => `${prefix}.${(++last).toString(36)}`;
}

/** Why a wait ended early; the failed attempt is the cause where nobody gave another reason. */
function stopped(ctx: Context, reason: unknown, failure: unknown): BusError {
  const { topic, endpoint } = ctx;
  if (reason === CLOSING) {
    return new BusError('CLOSED', 'the bus was closed before the next attempt', { topic, endpoint, cause: failure });
  }
  const details = { topic, endpoint, cause: reason };
  return ctx.direction === 'send'
    ? new BusError('ABORTED', 'the caller ended the call before the next attempt', details)
    : new BusError('CANCELLED', 'the message was cancelled before the next attempt', details);
}
