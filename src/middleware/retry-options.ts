/** The options of `retry`, and which failures they make repeatable. */
import type { Clock } from '../core/clock.ts';
import { BusError } from '../core/errors.ts';
import type { BusErrorCode } from '../core/errors.ts';
import { aBoolean, aClock, aFunction, amount, anything, optionsCheck, whole } from '../core/option-checks.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import type { RetryBudgetOptions } from './retry-budget.ts';

/** How often to try, how long to wait in between, and after which errors. */
export interface AttemptOptions {
  /** Attempts in all, the first included; 1 means never again. @default 3 */
  readonly maxAttempts?: number;
  /** The longest first wait, in milliseconds; it doubles with each attempt. @default 50 */
  readonly baseMs?: number;
  /** The longest wait, in milliseconds. @default 5000 */
  readonly capMs?: number;
  /**
   * Whether to try again after this error. It never allows what would send a message twice, nor a repeat after ABORTED, CANCELLED or CLOSED.
   *
   * @default when sending: any BusError whose `retryable` is true; for handlers: any error but a BusError that is not retryable
   */
  readonly retryIf?: (error: unknown) => boolean;
}

/** Options of `retry`. */
export interface RetryOptions extends AttemptOptions {
  /** Repeats every publish, not only those called with `{ retry: true }`. It costs their order. @default false */
  readonly publish?: boolean;
  /** Repeats the handlers (subscribe, pull, respond) of a message that fail; options of their own replace those above. @default false */
  readonly handlers?: boolean | AttemptOptions;
  /** How many retries a destination is sent at most; false for no limit. @default { ratio: 0.1, perSecond: 3 } */
  readonly budget?: RetryBudgetOptions | false;
  /** A number from 0 to 1, for the jitter. @default the bus's */
  readonly random?: () => number;
  /** Time, of which the deadlines of the messages must be. @default the bus's */
  readonly clock?: Clock;
}

/** {@link AttemptOptions}, completed. */
export interface AttemptLimits {
  readonly maxAttempts: number;
  readonly baseMs: number;
  readonly capMs: number;
  readonly mayRepeat: (error: unknown, ctx: SendContext | ReceiveContext) => boolean;
}

/** The caller or `close` has ended these: nobody waits for another attempt. */
const ENDED: ReadonlySet<BusErrorCode> = new Set<BusErrorCode>(['ABORTED', 'CANCELLED', 'CLOSED']);

const ATTEMPTS = { maxAttempts: whole(1), baseMs: amount, capMs: amount, retryIf: aFunction };
const checkOptions = optionsCheck({
  ...ATTEMPTS,
  publish: aBoolean,
  handlers: (value) =>
    typeof value === 'boolean' || (typeof value === 'object' && value !== null) ? undefined : 'true, false or options',
  budget: anything,
  random: aFunction,
  clock: aClock,
});
const checkHandlers = optionsCheck(ATTEMPTS, 'handlers');

/** All but the budget, which checks itself. @throws TypeError or RangeError */
export function checkRetryOptions(options: RetryOptions): void {
  checkOptions(options);
  if (typeof options.handlers === 'object') checkHandlers(options.handlers);
}

/** The limits for sending. */
export function attemptLimits(options: AttemptOptions): AttemptLimits {
  const { retryIf = isRetryable } = options;
  return completed(options, (error, ctx) => retryIf(error) && ctx.direction === 'send' && mayBeSentAgain(error, ctx));
}

/** The limits for handlers; undefined when handlers are not repeated. */
export function handlerLimits({ handlers = false, ...outer }: RetryOptions): AttemptLimits | undefined {
  if (handlers === false) return undefined;
  const options = handlers === true ? outer : { ...outer, ...handlers };
  const { retryIf = isPassing } = options;
  const limits = completed(options, (error) => retryIf(error));
  return limits.maxAttempts === 1 ? undefined : limits;
}

function completed(options: AttemptOptions, mayRepeat: AttemptLimits['mayRepeat']): AttemptLimits {
  const { maxAttempts = 3, baseMs = 50, capMs = 5000 } = options;
  return { maxAttempts, baseMs, capMs, mayRepeat: (error, ctx) => !hasEnded(error) && mayRepeat(error, ctx) };
}

function isRetryable(error: unknown): boolean {
  return error instanceof BusError && error.retryable;
}

/** What a handler throws may pass, unless the bus says that it will not. Several handlers of one message fail together. */
function isPassing(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isPassing);
  return !(error instanceof BusError) || error.retryable;
}

function hasEnded(error: unknown): boolean {
  return error instanceof BusError && ENDED.has(error.code);
}

/** True if the message was never taken, or was refused before it ran, or may run twice. */
function mayBeSentAgain(error: unknown, ctx: SendContext): boolean {
  return !ctx.accepted || ctx.idempotent || (error instanceof BusError && error.code === 'OVERFLOW');
}
