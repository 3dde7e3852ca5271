/**
 * The ZeroMQ transport: tcp, ipc and inproc, between processes and machines, without a broker.
 *
 * This file checks the options and hands each kind of link to its file. All sockets of a process share one Context unless one
 * is given. `native` is the wire format of docs/wire-format.md; `plain` talks to peers that know nothing of tracebus.
 */
import type { LinkSpec, Transport } from '../../core/transport.ts';
import { expectAllowed, inprocFault } from './bind-rules.ts';
import type { CurveClients } from './curve-access.ts';
import { parseEndpoint } from './endpoint.ts';
import { checkedSettings } from './options.ts';
import type { ZeromqOptions } from './options.ts';
import { openPublisher } from './publish.ts';
import { openPuller } from './pull.ts';
import { openPusher } from './push.ts';
import { openRequester } from './request.ts';
import { openResponder } from './respond.ts';
import type { ZeromqSettings } from './settings.ts';
import { openSubscriber } from './subscribe.ts';

export { curveKeyPair } from './curve-keys.ts';
export type { CurveKeyPair } from './curve-keys.ts';
export type { CurveAuthorized, CurveAuthorizer, CurveClients, CurveDenial } from './curve-access.ts';
export type { CurveClientOptions, CurveOptions, CurveServerOptions } from './curve.ts';
export { startForwarder } from './forward.ts';
export type { Forwarder, ForwarderOptions } from './forward.ts';
export type { ZeromqOptions } from './options.ts';

/** What {@link zeromq} makes. */
export interface ZeromqTransport extends Transport {
  /** The clients of its CURVE server: authorize, revoke, see who was refused. Undefined without `curve.server`. */
  readonly curveClients: CurveClients | undefined;
}

/**
 * Makes the ZeroMQ transport. It opens nothing: sockets are made when the bus needs them.
 *
 * @example
 * ```ts
 * import { Bus } from 'tracebus/core';
 * import { zeromq } from 'tracebus/zeromq';
 *
 * const bus = new Bus({ serviceName: 'prices', transport: zeromq({ reconnectMaxMs: 2000 }) });
 * await bus.close();
 * ```
 */
export function zeromq(options: ZeromqOptions = {}): ZeromqTransport {
  const settings = checkedSettings(options);
  const opening =
    <S extends LinkSpec, L>(open: (spec: S, settings: ZeromqSettings) => Promise<L>) =>
    async (spec: S): Promise<L> => {
      expectAllowed(spec, settings);
      return open(spec, settings);
    };
  return {
    system: 'zeromq',
    curveClients: settings.curve?.clients,
    connectHint: settings.curve?.connectHint,
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
      const fault = settings.curve === undefined ? undefined : inprocFault(endpoint);
      if (fault !== undefined)
        throw new RangeError(`Expected no inproc endpoint beside \`curve\`, got ${endpoint}: ${fault}`);
    },
    openPublisher: opening(openPublisher),
    openSubscriber: opening(openSubscriber),
    openPusher: opening(openPusher),
    openPuller: opening(openPuller),
    openRequester: opening(openRequester),
    openResponder: opening(openResponder),
  };
}
