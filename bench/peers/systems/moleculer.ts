/** Moleculer over its TCP transporter, one action that answers with its parameters. The two nodes are told of each other: no discovery. */
import { freePorts } from '../../../scripts/backends/ports.ts';
import type { Spec } from '../../load.ts';
import { load } from '../packages.ts';
import type { System } from '../system.ts';

interface Broker {
  createService(schema: object): unknown;
  start(): Promise<void>;
  stop(): Promise<void>;
  waitForServices(name: string, timeoutMs: number): Promise<unknown>;
  call(action: string, parameters: unknown, options: object): Promise<unknown>;
}

interface Module {
  readonly ServiceBroker: new (options: object) => Broker;
}

const START_TIMEOUT_MS = 30_000;
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** `address` is the list of both nodes, `HOST:PORT/NAME,...`: each has to know the other's. */
function brokerOf({ packages }: Spec, name: string, address: string): Broker {
  const { ServiceBroker } = load(packages, 'moleculer') as Module;
  const own = address.split(',').find((url) => url.endsWith(`/${name}`)) ?? '';
  return new ServiceBroker({
    nodeID: name,
    logger: false,
    transporter: {
      type: 'TCP',
      options: { udpDiscovery: false, urls: address.split(','), port: Number(/:(\d+)\//.exec(own)?.[1]) },
    },
  });
}

export const system: System = {
  async openRequester(spec) {
    const broker = brokerOf(spec, 'requester', spec.address);
    await broker.start();
    await broker.waitForServices('echo', START_TIMEOUT_MS);
    return {
      ask: (body) => broker.call('echo.same', body, { meta: { traceparent: TRACEPARENT } }),
      close: () => broker.stop(),
    };
  },

  async openResponder(spec) {
    const [own, other] = await freePorts(2);
    const address = `127.0.0.1:${String(own)}/responder,127.0.0.1:${String(other)}/requester`;
    const broker = brokerOf(spec, 'responder', address);
    broker.createService({ name: 'echo', actions: { same: ({ params }: { params: unknown }) => params } });
    await broker.start();
    return { address, close: () => broker.stop() };
  },
};
