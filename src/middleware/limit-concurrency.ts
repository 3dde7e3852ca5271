/**
 * How many subscription handlers of a bus run at once, all of them together. It stands at `admit`, before the chain: at the limit the
 * receive loop reads no further, so the rest waits in the sockets and, in the end, at the publishers, and not in this heap.
 *
 * Only published messages are limited: pull and respond have a `concurrency` each, and a handler at the limit may itself
 * await a reply. First come, first served.
 */
import type { Middleware, Release } from '../core/middleware.ts';
import { expectCount } from '../core/option-checks.ts';

/**
 * Limits the messages that are handled at once; undefined and Infinity set no limit beside the bus's own `hwmInbound`.
 *
 * @param limit an integer from 1. @default undefined
 * @example
 * ```ts
 * import { limitConcurrency } from 'tracebus/middleware';
 *
 * bus.use(limitConcurrency(8));
 * ```
 */
export function limitConcurrency(limit?: number): Middleware {
  const frame = { name: 'limit-concurrency', stage: 'body', awaitsNext: true } as const;
  if (limit === undefined || limit === Infinity) return frame;
  expectCount('limit', limit, 1);

  let inFlight = 0;
  const waiting: ((release: Release) => void)[] = [];

  const leave = (): void => {
    const next = waiting.shift();
    // The place passes on directly: nobody who comes meanwhile can take it.
    if (next === undefined) inFlight--;
    else next(makeRelease());
  };

  const makeRelease = (): Release => {
    let released = false;
    return () => {
      if (released) return; // a second call would give away somebody else's place
      released = true;
      leave();
    };
  };

  return {
    ...frame,
    admit(ctx) {
      if (ctx.pattern !== 'publish') return undefined;
      if (inFlight >= limit) return new Promise((resolve) => waiting.push(resolve));
      inFlight++;
      return makeRelease();
    },
  };
}
