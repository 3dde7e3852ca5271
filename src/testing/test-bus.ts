/** A bus in memory that records what goes out and comes in, for tests of code that uses a bus. */
import { MessageBus } from '../message-bus.ts';
import type { MessageBusConfig } from '../message-bus.ts';
import type { CloseReport } from '../core/shut-down.ts';
import { memory } from '../transports/memory.ts';

/** Options of {@link testBus}: those of the bus, and its name. */
export interface TestBusOptions extends MessageBusConfig {
  /** @default 'test' */
  readonly serviceName?: string;
}

/** One message as it was sent or received. */
export interface RecordedMessage {
  readonly pattern: 'publish' | 'push' | 'request' | 'reply';
  readonly topic: string;
  readonly body: unknown;
}

/** What {@link testBus} gives. */
export interface TestBus {
  readonly bus: MessageBus;
  /** What passed the body stage on the way out, in order. */
  readonly sent: readonly RecordedMessage[];
  /** What reached the body stage on the way in, in order. */
  readonly received: readonly RecordedMessage[];
  /** Closes the bus. */
  readonly close: () => Promise<CloseReport>;
}

/**
 * A `MessageBus` on the memory transport, all endpoints in this process.
 *
 * @example
 * ```ts
 * import { testBus } from 'tracebus/testing';
 *
 * const { bus, sent, close } = testBus();
 * bus.respond('add', (message) => (message.body as number[]).reduce((a, b) => a + b, 0));
 * console.log(await bus.request('add', [1, 2, 3]), sent.length);
 * await close();
 * ```
 */
export function testBus({ serviceName = 'test', ...config }: TestBusOptions = {}): TestBus {
  const sent: RecordedMessage[] = [];
  const received: RecordedMessage[] = [];
  const bus = new MessageBus(serviceName, { transport: memory(), publish: true, ...config });
  bus.use({
    name: 'record',
    stage: 'body',
    awaitsNext: true,
    send({ pattern, topic, body }, next) {
      sent.push({ pattern, topic, body });
      return next();
    },
    receive({ pattern, topic, body }, next) {
      received.push({ pattern, topic, body });
      return next();
    },
  });
  return { bus, sent, received, close: () => bus.close() };
}
