/**
 * The transport inside one process, and the reference of the contract in src/core/transport.ts: what it does is what the
 * conformance suite asks of every transport, without sockets.
 *
 * Packets go through the codec as on a wire, and arrive as copies on a later turn of the event loop, out of bounded pipes.
 * Endpoints are names, compared as text: `memory://prices`, or `tcp://127.0.0.1:5555`, so that a configuration for ZeroMQ
 * works unchanged. One that ends in `*` binds a name nobody has.
 *
 * What differs from sockets, by design: a subscription is in effect at once, nothing is ever on its way, and no peer is lost
 * without a word.
 */
import { optionsCheck } from '../core/option-checks.ts';
import type { Transport } from '../core/transport.ts';
import { MemoryHub } from './memory/hub.ts';
import { MemoryPublisher } from './memory/publisher.ts';
import { MemoryPuller, MemoryPusher } from './memory/push-pull.ts';
import { MemoryRequester, MemoryResponder } from './memory/request-respond.ts';
import { MemorySubscriber } from './memory/subscriber.ts';

export type { MemoryHub } from './memory/hub.ts';

/** Options of {@link memory}. */
export interface MemoryOptions {
  /**
   * Where this transport meets others; two transports with the same hub reach each other.
   * @default a hub of its own: only buses with this very transport reach each other
   */
  readonly hub?: MemoryHub;
}

const checkOptions = optionsCheck({ hub: (value) => (value instanceof MemoryHub ? undefined : 'made by memoryHub()') });

/** A hub for transports that shall reach each other. */
export function memoryHub(): MemoryHub {
  return new MemoryHub();
}

/**
 * A transport inside this process.
 *
 * @example
 * ```ts
 * import { MessageBus } from 'tracebus';
 * import { memory } from 'tracebus/memory';
 *
 * const transport = memory();
 * const shop = new MessageBus('shop', { transport, publish: true });
 * const stock = new MessageBus('stock', { transport });
 * stock.subscribe('order.placed', (message) => console.log(message.body));
 * await shop.ready();
 * await stock.ready();
 * await shop.publish('order.placed', { article: 7 });
 * await shop.close();
 * await stock.close();
 * ```
 */
export function memory(options: MemoryOptions = {}): Transport {
  checkOptions(options);
  const { hub = memoryHub() } = options;
  return {
    system: 'memory',
    features: {
      wire: 'native',
      schemes: ['memory', 'tcp', 'ipc', 'inproc'],
      subscriberCounts: true,
      ready: true,
      slowSubscribers: ['leave-behind', 'wait', 'drop'],
      peerEvents: true,
    },
    checkEndpoint,
    openPublisher: (spec) => opening(() => new MemoryPublisher(hub, spec).open()),
    openPusher: (spec) => opening(() => new MemoryPusher(hub, spec).open()),
    openSubscriber: (spec) => opening(() => new MemorySubscriber(hub, spec).open()),
    openPuller: (spec) => opening(() => new MemoryPuller(hub, spec).open()),
    openRequester: (spec) => opening(() => new MemoryRequester(hub, spec).open()),
    openResponder: (spec) => opening(() => new MemoryResponder(hub, spec).open()),
  };
}

/** Any name will do, as long as it can be read in a log. */
function checkEndpoint(endpoint: string): void {
  if (/^[^\s\p{Cc}]+$/u.test(endpoint)) return;
  throw new RangeError(`Expected an endpoint such as memory://prices, without spaces, got ${JSON.stringify(endpoint)}`);
}

/** A throw becomes a rejection. */
function opening<Opened>(open: () => Opened): Promise<Opened> {
  return new Promise((resolve) => resolve(open()));
}
