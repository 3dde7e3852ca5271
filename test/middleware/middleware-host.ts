/** What a bus gives a middleware at its start, for tests that drive one middleware by hand. */
import { systemClock } from '../../src/core/clock.ts';
import { Counters } from '../../src/core/counters.ts';
import type { MiddlewareHost } from '../../src/core/middleware.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export function middlewareHost(init: Partial<MiddlewareHost> = {}): MiddlewareHost {
  return {
    serviceName: 'test',
    system: 'zeromq',
    wire: 'native',
    audience: undefined,
    clock: systemClock,
    logger: silent,
    counters: new Counters(),
    random: () => 0.5,
    report: (error) => {
      throw error;
    },
    onFailure: () => () => undefined,
    ...init,
  };
}
