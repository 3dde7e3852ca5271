/** A real bus on the memory transport that talks to itself in all three patterns, for tests of middleware in the real chain. */
import { Bus } from '../../src/core/bus.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware, MiddlewareFunction } from '../../src/core/middleware.ts';
import type { CoreBusOptions } from '../../src/core/options.ts';
import { memory } from '../../src/transports/memory.ts';

/** Errors that no call rejected with, as `CODE` or text, in the order in which they were told. */
interface MemoryBus {
  readonly bus: Bus;
  readonly errors: string[];
}

export function memoryBus(
  stack: readonly (Middleware | MiddlewareFunction)[],
  options: Partial<CoreBusOptions> = {},
): MemoryBus {
  const errors: string[] = [];
  const endpoint = (name: string): string => `memory://${name}`;
  const bus = new Bus({
    serviceName: 'test',
    transport: memory(),
    publish: true,
    logLevel: 'silent',
    onError: (error) => errors.push(error instanceof BusError ? error.code : error.message),
    endpoints: {
      publish: { bind: endpoint('events') },
      subscribe: { connect: [endpoint('events')] },
      push: { connect: [endpoint('tasks')] },
      pull: { bind: endpoint('tasks') },
      request: { connect: [endpoint('calls')] },
      respond: { bind: endpoint('calls') },
    },
    ...options,
  });
  for (const one of stack) bus.use(one);
  return { bus, errors };
}

/** Waits, bounded, for a condition that only the event loop can bring about. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not true in time: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
