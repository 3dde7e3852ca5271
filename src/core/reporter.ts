/**
 * The one place where failures are counted and told. A failure counts once, however many hands it passes through: when it
 * rejects a call, or when it is logged at warn or above because there is no call to reject. Several calls that fail for one
 * reason, with one error between them, are several failures.
 */
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Counters, Operation } from './counters.ts';
import type { BusError, BusErrorCode } from './errors.ts';
import { errorType, messageOf } from './errors.ts';
import { FloodLog } from './flood-log.ts';
import type { LogLevel, Logger } from './logger.ts';
import { logAt } from './logger.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { SendContext } from './send-context.ts';

type Context = ReceiveContext | SendContext;

/** Whose caller knows, or whose end is no fault of anybody's. */
const EVERYDAY: ReadonlySet<BusErrorCode> = new Set<BusErrorCode>(['CANCELLED', 'EXPIRED', 'LATE_REPLY']);

/** How a failure is told. */
export interface Told {
  readonly context?: Context | undefined;
  /** @default 'error' */
  readonly level?: LogLevel;
  /** The message reached no handler. @default false */
  readonly isDropped?: boolean;
}

/** A failure that no call reports, after it was counted and logged. */
export interface Failure {
  readonly error: Error;
  readonly operation: Operation;
  /** At which level it was logged. */
  readonly level: LogLevel;
  /** The line of the log. */
  readonly line: string;
  /** The message that it happened to. */
  readonly context: ReceiveContext | SendContext | undefined;
  /** The message reached no handler. */
  readonly isDropped: boolean;
}

/** Told of failures that no call reports. */
export type OnError = (error: Error, context?: Context) => void;

/** See the head of this file. */
export class Reporter {
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #onError: OnError | undefined;
  /** For lines that peers can cause in any number. */
  readonly #floods: FloodLog;
  /** Errors that were told because there was no call to reject; the first call that they reject later counts no second time. */
  readonly #told = new WeakSet();
  readonly #listeners = new Set<(failure: Failure) => void>();
  /** Errors that have rejected a call; a handler that passes one on counts no second time. */
  readonly #rejecting = new WeakSet();

  constructor(counters: Counters, logger: Logger, onError: OnError | undefined, clock: Clock = systemClock) {
    this.#counters = counters;
    this.#logger = logger;
    this.#onError = onError;
    this.#floods = new FloodLog(logger, clock);
  }

  /** Counts an error that rejects a call; `ready` and `close` belong to no operation. */
  rejected(error: unknown, operation: Operation | undefined): void {
    if (!isObject(error) || !this.#told.delete(error)) this.#counters.errors.add(operation, errorType(error));
    if (isObject(error)) this.#rejecting.add(error);
  }

  /** Tells a listener of every failure that no call reports, until the function that it returns is called. */
  listen(listener: (failure: Failure) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Counts, logs and hands to `onError` what no call can report. */
  report(error: unknown, operation: Operation, what: string, told: Told = {}): void {
    const { context, level = 'error', isDropped = false } = told;
    this.#count(error, operation);
    const shown = error instanceof Error ? error : new Error(messageOf(error));
    this.#tell({ error: shown, operation, level, line: `${what}: ${messageOf(error)}`, context, isDropped });
    const onError: ((error: Error, context?: Context) => unknown) | undefined = this.#onError;
    if (onError === undefined) return;
    guard(
      () => onError(shown, context),
      (failure) => {
        this.#count(failure, operation);
        this.#logger.error(`onError itself threw: ${messageOf(failure)}`);
      },
    );
  }

  /** Calls another listener of the application; what it throws, also as a promise, is reported. */
  call(name: string, operation: Operation, listener: () => unknown): void {
    guard(listener, (failure) => {
      this.report(failure, operation, `${name} itself threw`);
    });
  }

  /** A message or unreadable packet that reached no handler. Expired, cancelled and late ones are everyday and not errors. */
  inboundDropped(error: BusError, operation: Operation, context?: Context): void {
    this.#counters.inboundDropped.add(operation, errorType(error));
    if (EVERYDAY.has(error.code)) {
      this.#tell({ error, operation, level: 'debug', line: error.message, context, isDropped: true });
    } else {
      // Whoever refused it writes a line a minute: strangers must not fill the log.
      const level = error.code === 'UNVERIFIED' ? 'debug' : 'warn';
      this.report(error, operation, 'dropped', { context, level, isDropped: true });
    }
  }

  /** A message of a topic that no handler is registered for. */
  noHandler(operation: Operation, level: LogLevel, line: string): void {
    this.#counters.noHandler.add(operation);
    this.#floods.write(level, `no handler (${operation})`, line);
  }

  /** Tells what is left to tell: the bus has closed. */
  close(): void {
    this.#floods.flush();
  }

  outboundDropped(error: unknown, operation: Operation): void {
    this.#counters.outboundDropped.add(operation, errorType(error));
  }

  #tell(failure: Failure): void {
    const { error, operation, level, line, isDropped } = failure;
    // What failed here is the application's own and told in full.
    if (isDropped) this.#floods.write(level, `dropped (${operation}, ${errorType(error)})`, line);
    else logAt(this.#logger, level, line);
    for (const listener of this.#listeners) listener(failure);
  }

  #count(error: unknown, operation: Operation): void {
    if (isObject(error)) {
      if (this.#rejecting.has(error)) return;
      this.#told.add(error);
    }
    this.#counters.errors.add(operation, errorType(error));
  }
}

function guard(listener: () => unknown, failed: (failure: unknown) => void): void {
  try {
    const answer = listener();
    if (answer instanceof Promise) answer.catch(failed);
  } catch (failure) {
    failed(failure);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
