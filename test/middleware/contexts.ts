/** Contexts for tests that drive one middleware by hand, each field with a plain default. */
import { systemClock } from '../../src/core/clock.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import type { HeaderValue } from '../../src/core/headers.ts';
import { ReceiveContext } from '../../src/core/receive-context.ts';
import type { ReceiveInit } from '../../src/core/receive-context.ts';
import { SendContext } from '../../src/core/send-context.ts';
import type { SendInit } from '../../src/core/send-context.ts';

type Headers = Readonly<Record<string, HeaderValue>>;

export function sendContext({
  deadline,
  ...init
}: Omit<Partial<SendInit>, 'headers'> & { readonly headers?: Headers; readonly deadline?: number } = {}): SendContext {
  return new SendContext({
    pattern: 'publish',
    kind: init.pattern === 'request' || init.pattern === 'reply' ? init.pattern : 'message',
    topic: 'price.tick',
    body: undefined,
    endpoint: 'memory://test',
    // A call that began at 0 ends at its deadline.
    clock: { ...systemClock, now: () => 0 },
    timeoutMs: deadline,
    ...init,
    headers: MessageHeaders.from(init.headers),
  });
}

export function receiveContext(
  init: Omit<Partial<ReceiveInit>, 'headers'> & { readonly headers?: Headers; readonly body?: unknown } = {},
): ReceiveContext {
  const ctx = new ReceiveContext({
    pattern: 'publish',
    kind: init.pattern === 'request' || init.pattern === 'reply' ? init.pattern : 'message',
    topic: 'price.tick',
    payload: new Uint8Array(0),
    endpoint: 'memory://test',
    epoch: 7,
    sequence: 1,
    sentAtUs: 1_700_000_000_000_000,
    receivedAt: 0,
    ...init,
    headers: MessageHeaders.from(init.headers),
  });
  ctx.body = init.body;
  return ctx;
}

/** The end of a chain that does nothing. */
export const done = (): Promise<void> => Promise.resolve();
