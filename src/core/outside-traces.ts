/**
 * Loops, timers and sockets that the bus opens on the way must not belong to the trace of whoever happened to come first:
 * else every later message would be a child of that span.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';

/** Runs a function outside any trace. */
export function outsideTraces<T>(run: () => T): T {
  return context.with(ROOT_CONTEXT, run);
}
