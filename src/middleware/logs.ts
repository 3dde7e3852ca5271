/**
 * A log record of OpenTelemetry for every failure that no call reports (a handler that throws, a dropped message), in the trace
 * of its message. The bus's own log is written in any case; this is for those who read logs and traces in one place.
 *
 * It has neither `send` nor `receive` and costs the messages nothing. Floods are limited: ten records a second of each
 * operation and error type, the next one says how many were left out. Nothing that a logger throws reaches the bus.
 */
import { diag } from '@opentelemetry/api';
import { BusError, errorType } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import { FloodGate } from '../core/flood-gate.ts';
import { LOG_LEVELS } from '../core/logger.ts';
import type { LogLevel } from '../core/logger.ts';
import type { Middleware } from '../core/middleware.ts';
import { oneOf, optionsCheck, withMethods } from '../core/option-checks.ts';
import type { Failure } from '../core/reporter.ts';
import { SCHEMA_URL, SCOPE_NAME } from '../core/semconv.ts';
import { warnOfUnusableApi } from './api-copies.ts';
import { FailureRecords } from './failure-records.ts';
import { globalLoggerProvider } from './logger-presence.ts';
import type { LogRecord, RecordLogger, RecordLoggerProvider } from './logger-presence.ts';
import { quietly } from './message-span.ts';

/** Options of {@link logs}. */
export interface LogsOptions {
  /** Takes the records. @default the global provider of the Logs API, asked for when something fails */
  readonly loggerProvider?: RecordLoggerProvider;
  /** The least severe failures that become records; `silent` for none. Expired messages and late replies are `debug`. @default 'warn' */
  readonly level?: LogLevel;
}

/**
 * Sends failures to OpenTelemetry as log records, correlated with the trace of their message; see docs/observability.md.
 *
 * @throws TypeError for options that are none
 * @example
 * ```ts
 * import { Bus } from 'tracebus/core';
 * import { memory } from 'tracebus/memory';
 * import { logs, serialize } from 'tracebus/middleware';
 *
 * const bus = new Bus({ serviceName: 'prices', transport: memory() }).use(logs({ level: 'error' })).use(serialize());
 * ```
 */
export function logs(options: LogsOptions = {}): Middleware {
  checkOptions(options);
  const { loggerProvider, level = 'warn' } = options;
  const least = LOG_LEVELS.indexOf(level);
  let detach: (() => void) | undefined;

  return {
    name: 'logs',
    stage: 'observe',

    attach(host) {
      if (detach !== undefined) {
        throw new BusError('INVALID_PIPELINE', 'one logs() is used by two buses', { hint: 'Make one for each bus.' });
      }
      warnOfUnusableApi(host.logger);
      const write = recordWriter(new FailureRecords(host.system), host.clock, loggerProvider);
      detach = host.onFailure((failure) => {
        if (failure.level !== 'silent' && LOG_LEVELS.indexOf(failure.level) >= least) quietly(() => write(failure));
      });
    },

    detach() {
      detach?.();
      detach = undefined;
    },
  };
}

/** Writes records to the provider that is there, within the limit for floods. */
function recordWriter(
  records: FailureRecords,
  clock: Clock,
  given: RecordLoggerProvider | undefined,
): (failure: Failure) => void {
  const gate = new FloodGate(clock);
  let known: { readonly provider: RecordLoggerProvider; readonly logger: RecordLogger } | undefined;
  return (failure) => {
    const provider = given ?? globalLoggerProvider();
    if (provider === undefined) return;
    if (known?.provider !== provider) {
      known = { provider, logger: provider.getLogger(SCOPE_NAME, undefined, { schemaUrl: SCHEMA_URL }) };
    }
    const { logger } = known;
    const about = records.about(failure);
    if (logger.enabled?.(about) === false) return;
    const leftOut = gate.pass(`${failure.operation} ${errorType(failure.error)}`);
    if (leftOut !== undefined) emit(logger, records.record(failure, about, leftOut));
  };
}

function emit(logger: RecordLogger, record: LogRecord): void {
  // Whatever it is made of: a promise that rejects must not end the process.
  const emitting: (record: LogRecord) => unknown = logger.emit.bind(logger);
  const answer = emitting(record);
  if (answer instanceof Promise) {
    answer.catch((error: unknown) => {
      diag.error('tracebus: a log record could not be written', error);
    });
  }
}

const checkOptions = optionsCheck({
  loggerProvider: withMethods('a LoggerProvider', 'getLogger'),
  level: oneOf(...LOG_LEVELS),
});
