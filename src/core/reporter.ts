/**
 * The one place where failures are counted and told. An error counts once, however many hands it passes through: when it
 * rejects a call, or when it is logged at warn or above because there is no call to reject.
 */
import type { Counters, Operation } from './counters.ts';
import { BusError, errorType, messageOf } from './errors.ts';
import type { LogLevel, Logger } from './logger.ts';
import { logAt } from './logger.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { SendContext } from './send-context.ts';

type Context = ReceiveContext | SendContext;

/** Told of failures that no call reports. */
export type OnError = (error: Error, context?: Context) => void;

/** See the head of this file. */
export class Reporter {
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #onError: OnError | undefined;
  readonly #counted = new WeakSet();

  constructor(counters: Counters, logger: Logger, onError: OnError | undefined) {
    this.#counters = counters;
    this.#logger = logger;
    this.#onError = onError;
  }

  /** Counts an error that rejects a call. */
  rejected(error: unknown, operation: Operation): void {
    this.#count(error, operation);
  }

  /** Counts, logs and hands to `onError` what no call can report. */
  report(error: unknown, operation: Operation, what: string, context?: Context, level: LogLevel = 'error'): void {
    this.#count(error, operation);
    logAt(this.#logger, level, `${what}: ${messageOf(error)}`);
    if (this.#onError === undefined) return;
    try {
      this.#onError(error instanceof Error ? error : new Error(messageOf(error)), context);
    } catch (failure) {
      this.#count(failure, operation);
      this.#logger.error(`onError itself threw: ${messageOf(failure)}`);
    }
  }

  /** A message or unreadable packet that reached no handler. Expired and late ones are everyday and not errors. */
  inboundDropped(error: BusError, operation: Operation, context?: Context): void {
    this.#counters.inboundDropped.add(operation, errorType(error));
    if (error.code === 'EXPIRED' || error.code === 'LATE_REPLY') this.#logger.debug(error.message);
    else this.report(error, operation, 'dropped', context, 'warn');
  }

  outboundDropped(error: unknown, operation: Operation): void {
    this.#counters.outboundDropped.add(operation, errorType(error));
  }

  #count(error: unknown, operation: Operation): void {
    if (typeof error === 'object' && error !== null) {
      if (this.#counted.has(error)) return;
      this.#counted.add(error);
    }
    this.#counters.errors.add(operation, errorType(error));
  }
}
