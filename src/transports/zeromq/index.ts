/**
 * The ZeroMQ transport: tcp, ipc and inproc, between processes and machines, without a broker.
 *
 * This file checks the options and hands each kind of link to its file. All sockets of a process share one Context unless one
 * is given. `native` is the wire format of docs/wire-format.md; `plain` talks to peers that know nothing of tracebus.
 */
import type { Transport } from '../../core/transport.ts';
import { parseEndpoint } from './endpoint.ts';
import { checkedSettings } from './options.ts';
import type { ZeromqOptions } from './options.ts';
import { openPublisher } from './publish.ts';
import { openPuller } from './pull.ts';
import { openPusher } from './push.ts';
import { openRequester } from './request.ts';
import { openResponder } from './respond.ts';
import { openSubscriber } from './subscribe.ts';

export { startForwarder } from './forward.ts';
export type { Forwarder, ForwarderOptions } from './forward.ts';
export type { ZeromqOptions } from './options.ts';

/**
 * Makes the ZeroMQ transport. It opens nothing: sockets are made when the bus needs them.
 *
 * @example
 * ```ts
 * import { Bus } from 'tracebus/core';
 * import { zeromq } from 'tracebus/zeromq';
 *
 * const bus = new Bus({ name: 'prices', transport: zeromq({ reconnectMaxMs: 2000 }) });
 * await bus.close();
 * ```
 */
export function zeromq(options: ZeromqOptions = {}): Transport {
  const settings = checkedSettings(options);
  return {
    system: 'zeromq',
    features: {
      wire: settings.wire,
      schemes: ['tcp', 'ipc', 'inproc'],
      subscriberCounts: true,
      ready: settings.wire === 'native',
      slowSubscribers: ['leave-behind', 'wait', 'drop'],
      peerEvents: true,
    },
    checkEndpoint: (endpoint) => {
      parseEndpoint(endpoint);
    },
    openPublisher: (spec) => openPublisher(spec, settings),
    openSubscriber: (spec) => openSubscriber(spec, settings),
    openPusher: (spec) => openPusher(spec, settings),
    openPuller: (spec) => openPuller(spec, settings),
    openRequester: (spec) => openRequester(spec, settings),
    openResponder: (spec) => openResponder(spec, settings),
  };
}
