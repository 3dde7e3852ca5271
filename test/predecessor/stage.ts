/** Message buses for the tests of this folder: the preset itself, quiet and recorded, closed when the test ends. */
import type { TestContext } from 'node:test';
import type { BusError } from '../../src/core/errors.ts';
import type { LinkSpec, PublishSpec, RespondSpec, Transport } from '../../src/core/transport.ts';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordingLogger } from '../support/memory-bus.ts';
import { until } from '../transports/conformance/waiting.ts';

/** Binds a free port. */
export const FREE = 'tcp://127.0.0.1:*';

/** A bus and what it told. */
export interface Actor<B extends MessageBus = MessageBus> {
  readonly bus: B;
  readonly log: RecordingLogger;
  readonly errors: Error[];
}

type BusClass<B extends MessageBus> = new (serviceName: string, config?: MessageBusConfig) => B;

/** On a memory transport of its own unless one is given, where the default ports are only names. `logLevel` is debug. */
export function actor(t: TestContext, config?: MessageBusConfig): Actor;
export function actor<B extends MessageBus>(t: TestContext, config: MessageBusConfig, made: BusClass<B>): Actor<B>;
export function actor(t: TestContext, config: MessageBusConfig = {}, made: BusClass<MessageBus> = MessageBus): Actor {
  const log = new RecordingLogger();
  const errors: Error[] = [];
  const bus = new made('actor', {
    transport: memory(),
    logger: log,
    logLevel: 'debug',
    onError: (error) => void errors.push(error),
    ...config,
  });
  t.after(() => closed(bus, config.clock));
  return { bus, log, errors };
}

/** Closes at once, also on a clock that nobody moves any more. */
async function closed(bus: MessageBus, clock: MessageBusConfig['clock']): Promise<void> {
  const watch = watched(bus.close({ timeoutMs: 0 }));
  if (clock instanceof FakeClock) while (watch.outcome === 'pending') await clock.pass(100, 50);
  await bus.close();
}

/** Over real sockets. */
export function overZeromq(t: TestContext, config: MessageBusConfig = {}): Actor {
  return actor(t, { transport: zeromq({ reconnectMs: 5, reconnectMaxMs: 40 }), ...config });
}

/** The address that a bound endpoint got. */
export async function addressOf(bus: MessageBus, pattern: string): Promise<string> {
  const address = (): string | undefined => bus.describe().links.find((link) => link.pattern === pattern)?.address;
  await until(() => address() !== undefined, `an address of ${pattern}`);
  return address()!;
}

/** Whether a promise has settled, and how: seen from outside, at any time. */
export function watched(promise: Promise<unknown>): { outcome: string } {
  const watch = { outcome: 'pending' };
  promise.then(
    () => (watch.outcome = 'resolved'),
    (error: unknown) => (watch.outcome = (error as BusError).code),
  );
  return watch;
}

/** Moves the clock to just before and then just after a limit; answers how the call stood at both times. */
export async function aroundLimit(clock: FakeClock, limitMs: number, call: Promise<unknown>): Promise<string[]> {
  const watch = watched(call);
  // Deadlines sit on a grid of a few milliseconds.
  const marginMs = 10;
  await clock.pass(limitMs - marginMs, limitMs / 20);
  const before = watch.outcome;
  await clock.pass(2 * marginMs);
  return [before, watch.outcome];
}

/** Waits until the transport has so many messages of a bus: it takes them in real time, whatever the clock of the bus says. */
export async function handedOver(bus: MessageBus, messages: number): Promise<void> {
  await until(() => bus.metrics().messages_sent === messages, `${String(messages)} messages to be handed over`);
}

/** A memory transport that records how links are opened, and whose sinks can be stopped from taking packets. */
export class SpyTransport {
  readonly specs: { readonly verb: string; readonly spec: LinkSpec }[] = [];
  readonly transport: Transport;
  /** What takes no packet: publishers, pushers, requesters, or the peers of responders. */
  stuck: ReadonlySet<string> = new Set();

  constructor(inner: Transport = memory()) {
    const opens =
      <S extends LinkSpec, L extends object>(verb: string, open: (spec: S) => Promise<L>) =>
      async (spec: S): Promise<L> => {
        this.specs.push({ verb, spec });
        return this.#stoppable(verb, await open(spec));
      };
    this.transport = {
      ...inner,
      openPublisher: opens('publish', (spec: PublishSpec) => inner.openPublisher(spec)),
      openSubscriber: opens('subscribe', (spec) => inner.openSubscriber(spec)),
      openPusher: opens('push', (spec: LinkSpec) => inner.openPusher(spec)),
      openPuller: opens('pull', (spec) => inner.openPuller(spec)),
      openRequester: opens('request', (spec) => inner.openRequester(spec)),
      openResponder: opens('respond', (spec: RespondSpec) =>
        inner.openResponder({
          ...spec,
          onRequest: (incoming, peer) => {
            spec.onRequest(incoming, this.#stoppable('respond', peer));
          },
        }),
      ),
    };
  }

  #stoppable<T extends object>(verb: string, sink: T): T {
    return new Proxy(sink, {
      get: (target, name) => {
        if (name === 'trySend' && this.stuck.has(verb)) return () => false;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}
