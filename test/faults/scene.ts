/** Buses over real sockets for the tests of this folder: quiet, recorded, and closed when the test ends. */
import type { TestContext } from 'node:test';
import type { Gap } from '../../src/core/gap-detector.ts';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../transports/conformance/waiting.ts';

/** Binds a free port. */
export const FREE = 'tcp://127.0.0.1:*';

/** A bus and what it told. */
export interface Party {
  readonly bus: MessageBus;
  readonly gaps: Gap[];
  /** What was logged at warn or above. */
  readonly warnings: string[];
  /** What was given to `onError`. */
  readonly errors: Error[];
}

/** A bus that reconnects quickly, and for which one call is one attempt. */
export function party(t: TestContext, serviceName: string, config: MessageBusConfig = {}): Party {
  const gaps: Gap[] = [];
  const warnings: string[] = [];
  const errors: Error[] = [];
  const note = (text: string): void => void warnings.push(text);
  const bus = new MessageBus(serviceName, {
    transport: zeromq({ reconnectMs: 5, reconnectMaxMs: 40 }),
    retry: false,
    logger: { debug() {}, info() {}, warn: note, error: note },
    onGap: (gap) => void gaps.push(gap),
    onError: (error) => void errors.push(error),
    ...config,
  });
  t.after(() => bus.close({ timeoutMs: 0 }));
  return { bus, gaps, warnings, errors };
}

/** The address that a bound endpoint got. */
export async function addressOf(bus: MessageBus, pattern: string): Promise<string> {
  const address = (): string | undefined => bus.describe().links.find((link) => link.pattern === pattern)?.address;
  await until(() => address() !== undefined, `an address of ${pattern}`);
  return address()!;
}

/** A loopback endpoint where nobody listens. */
export async function freeEndpoint(): Promise<string> {
  return `tcp://127.0.0.1:${String(await freePort())}`;
}

/** Runs a call for each of `count` indexes, `atOnce` of them at a time. */
export async function inParallel(count: number, atOnce: number, call: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
