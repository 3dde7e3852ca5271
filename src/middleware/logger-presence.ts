/**
 * Who takes log records. The Logs API is in a package of its own beside the SDKs for `@opentelemetry/api` 1.9 and in the API
 * itself from 1.10 on. Both are found without a further dependency: that package keeps its provider in a global of a
 * registered symbol, so nothing has to be loaded to see whether there is one.
 */
import * as api from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';

/** A log record as the Logs API takes it, as far as the bus fills it. */
export interface LogRecord {
  readonly eventName: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: string;
  readonly attributes: Record<string, string | number>;
  /** Carries the span that the record belongs to. */
  readonly context: Context;
}

/** What the bus needs of a `Logger` of the Logs API. */
export interface RecordLogger {
  /** Takes a record. */
  emit(record: LogRecord): void;
  /** Whether records like this are wanted. */
  enabled?(about: Pick<LogRecord, 'context' | 'severityNumber' | 'eventName'>): boolean;
}

/** What the bus needs of a `LoggerProvider` of the Logs API: the one of `@opentelemetry/sdk-logs` fits. */
export interface RecordLoggerProvider {
  /** The logger of an instrumentation scope. */
  getLogger(name: string, version?: string, options?: { schemaUrl?: string }): RecordLogger;
}

/** The Logs API of `@opentelemetry/api` 1.10; 1.9 has none. */
interface LogsApi {
  getLoggerProvider(): RecordLoggerProvider;
  disable(): void;
}

/** Where `@opentelemetry/api-logs` keeps its provider, behind a function that is asked with a version. */
const API_LOGS_KEY = Symbol.for('io.opentelemetry.js.api.logs');
const API_LOGS_VERSION = 1;
type ProviderGetter = (version: number) => RecordLoggerProvider;

/** Where `@opentelemetry/api` keeps what was registered: its own answer is a proxy of nothing while there is nobody. */
const API_KEY = Symbol.for('opentelemetry.js.api.1');

/** The global logger provider, or undefined where there cannot be one. Asked for anew each time: an SDK may come late. */
export function globalLoggerProvider(): RecordLoggerProvider | undefined {
  const get = (globalThis as Record<symbol, unknown>)[API_LOGS_KEY] as ProviderGetter | undefined;
  if (typeof get === 'function') return get(API_LOGS_VERSION);
  const registered = (globalThis as Record<symbol, unknown>)[API_KEY] as { readonly logs?: unknown } | undefined;
  return registered?.logs === undefined ? undefined : logsApi()?.getLoggerProvider();
}

/** Takes the global logger provider out, as `disable()` of the Logs API does. */
export function forgetLoggerProvider(): void {
  Reflect.deleteProperty(globalThis, API_LOGS_KEY);
  logsApi()?.disable();
}

function logsApi(): LogsApi | undefined {
  return (api as { readonly logs?: LogsApi }).logs;
}
