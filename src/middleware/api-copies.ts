/**
 * Notices an SDK that registered itself with another copy of `@opentelemetry/api` than the bus's. A copy can use what an equal
 * or newer one of the same major version registered; from an older one it gets no-ops, without a word. That is found by
 * looking: what stands in the global of the API must be what our own copy answers.
 */
import * as api from '@opentelemetry/api';
import type { Logger } from '../core/logger.ts';

/** `opentelemetry.js.api.1` holds what was registered, and the version of the copy that did. */
const API_KEY = /^opentelemetry\.js\.api\.\d+$/;

type Registered = Readonly<Record<string, unknown>>;

/** Registrations that were warned about. */
const told = new WeakSet();

/** Warns, once per process, when there is an SDK that the bus cannot reach; says what to do about it. */
export function warnOfUnusableApi(logger: Logger): void {
  for (const key of Object.getOwnPropertySymbols(globalThis)) {
    if (!API_KEY.test(key.description ?? '')) continue;
    const registered = (globalThis as Record<symbol, unknown>)[key];
    if (typeof registered !== 'object' || registered === null || told.has(registered)) continue;
    if (isUsable(registered as Registered)) continue;
    told.add(registered);
    logger.warn(
      `An OpenTelemetry SDK is registered with @opentelemetry/api ${String((registered as Registered).version)}, ` +
        'but this bus has another copy of that package, which cannot use it: there will be no spans, metrics and log records of the bus. ' +
        'Run `npm ls @opentelemetry/api` to see the copies and `npm dedupe` to make them one, or install the newer version in the application.',
    );
  }
}

function isUsable(registered: Registered): boolean {
  const ours: Registered = {
    trace: api.trace.getTracerProvider(),
    metrics: api.metrics.getMeterProvider(),
  };
  return Object.entries(ours).every(([name, one]) => registered[name] === undefined || registered[name] === one);
}
