/** tracebus as a service would write it: `MessageBus` with its standard stack, one handler. */
import type { Codec } from 'tracebus/middleware';
import { metrics } from 'tracebus/middleware';
import { MessageBus } from 'tracebus';
import type { Endpoints, MessageBusConfig } from 'tracebus';
import { TOPIC, TOPICS_PREFIX } from '../../body.ts';
import type { Spec } from '../../load.ts';
import { AUDIENCE, securedTransport, securingStep } from '../secured.ts';
import type { Sender, System } from '../system.ts';

/** Bodies that are bytes already. */
const asTheyAre: Codec = {
  contentType: 'application/octet-stream',
  encode: (value) => value as Uint8Array,
  decode: (bytes) => bytes,
};

/** Messages that wait, unless a bus is told otherwise. */
const DEFAULT_HWM = 1000;
/** As many as with Redis. */
const MOST_OUTSTANDING = 1000;

const ANY_PORT = { bind: 'tcp://127.0.0.1:*' };

function busOf({ load, variant }: Spec, endpoints: Endpoints): MessageBus {
  const { order, pack, secured, middleware = 0, durations } = variant;
  const transport = securedTransport(secured);
  const step = securingStep(secured);
  const config: MessageBusConfig = {
    endpoints,
    logLevel: 'warn',
    ...(transport !== undefined && { transport }),
    ...(step !== undefined && { audience: AUDIENCE }),
    ...(order !== undefined && { order }),
    ...(pack !== undefined && { pack }),
    ...(load.inFlight >= DEFAULT_HWM && { hwmInbound: 2 * load.inFlight, hwmOutbound: 2 * load.inFlight }),
    ...(load.body === 'bytes' && { serializer: asTheyAre }),
  };
  const bus = new MessageBus('bench', config);
  if (step !== undefined) bus.use(step);
  if (durations === 'off') bus.use(metrics({ durations: false }));
  for (let i = 0; i < middleware; i++) {
    bus.use({
      name: `pass-through-${String(i)}`,
      stage: 'body',
      send: (_ctx, next) => next(),
      receive: (_ctx, next) => next(),
    });
  }
  return bus;
}

/** Pushes that are not awaited one by one, so that they can share packets. */
function outstanding(bus: MessageBus): Pick<Sender, 'flush' | 'send'> {
  const pushes: Promise<void>[] = [];
  const settled = async (): Promise<void> => {
    await Promise.all(pushes.splice(0));
  };
  return {
    send: (topic, body) => {
      pushes.push(bus.push(topic, body));
      return pushes.length < MOST_OUTSTANDING ? undefined : settled();
    },
    flush: settled,
  };
}

const addressOf = (bus: MessageBus): string => bus.describe().links[0]?.address ?? '';

export const system: System = {
  async openSender(spec) {
    const pushes = spec.role === 'push';
    const bus = busOf(spec, pushes ? { push: { connect: [spec.address] } } : { publish: ANY_PORT });
    if (!pushes) await bus.ready();
    return {
      address: pushes ? '' : addressOf(bus),
      send: pushes ? (topic, body) => bus.push(topic, body) : (topic, body) => bus.publish(topic, body),
      flush: () => Promise.resolve(),
      ...(spec.variant.pack !== undefined && outstanding(bus)),
      close: () => bus.close(),
    };
  },

  async openReceiver(spec, onBody) {
    const { load, variant } = spec;
    const pattern = load.topics === 1 ? TOPIC : `${TOPICS_PREFIX}*`;
    const pulls = spec.role === 'pull';
    const bus = busOf(spec, pulls ? { pull: ANY_PORT } : { subscribe: { connect: [spec.address] } });
    if (pulls) bus.pull(pattern, ({ body }) => onBody(body));
    else bus.subscribe(pattern, ({ body }) => onBody(body));
    for (let i = 1; i < (variant.subscriptions ?? 1); i++) bus.subscribe(`other.t${String(i)}`, () => undefined);
    await bus.ready();
    return { address: pulls ? addressOf(bus) : '', close: () => bus.close() };
  },

  openRequester(spec) {
    const bus = busOf(spec, { request: { connect: [spec.address] } });
    return Promise.resolve({ ask: (body) => bus.request('echo', body), close: () => bus.close() });
  },

  async openResponder(spec) {
    const bus = busOf(spec, { respond: ANY_PORT });
    bus.respond('echo', ({ body }) => body);
    await bus.ready();
    return { address: addressOf(bus), close: () => bus.close() };
  },
};
