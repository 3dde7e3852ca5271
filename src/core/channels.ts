/** The open endpoints of one bus, by pattern: made when first used, asked together by ready, describe and close. */
import type { Place } from './endpoint-roles.ts';
import type { Kernel } from './kernel.ts';
import { PublishChannel } from './publish-channel.ts';
import { PullChannel } from './pull-channel.ts';
import { PushChannel } from './push-channel.ts';
import { Opening } from './opening.ts';
import type { Wanted } from './readiness.ts';
import { RequestChannel } from './request-channel.ts';
import { RespondChannel } from './respond-channel.ts';
import type { AnyHandler } from './subscriber.ts';
import { SubscribeChannel } from './subscribe-channel.ts';
import type { Link } from './transport.ts';
import type { LinkKeeper } from './link-keeper.ts';

/** An endpoint as `describe()` shows it. */
export interface LinkDescription {
  readonly pattern: string;
  /** As configured. */
  readonly endpoint: string;
  /** As it is in effect: a wildcard port is resolved. Undefined until it is open. */
  readonly address: string | undefined;
  readonly mode: 'bind' | 'connect';
  readonly state: 'open' | 'cooling down' | 'closed';
}

/** Every channel kind, by the verb it serves. */
export interface ChannelMaps {
  readonly publish: Map<string, PublishChannel>;
  readonly push: Map<string, PushChannel>;
  readonly request: Map<string, RequestChannel>;
  readonly subscribe: Map<string, SubscribeChannel>;
  readonly pull: Map<string, PullChannel>;
  readonly respond: Map<string, RespondChannel>;
}

/** What messages arrive through. */
export type ReceivingKind = SubscribeChannel | PullChannel | RespondChannel;

/** See the head of this file. */
export class Channels implements ChannelMaps {
  readonly publish: Map<string, PublishChannel> = new Map();
  readonly push: Map<string, PushChannel> = new Map();
  readonly request: Map<string, RequestChannel> = new Map();
  readonly subscribe: Map<string, SubscribeChannel> = new Map();
  readonly pull: Map<string, PullChannel> = new Map();
  readonly respond: Map<string, RespondChannel> = new Map();
  readonly #kernel: Kernel;
  /** Channels without handlers that still finish what they had begun. */
  readonly #retired = new Set<ReceivingKind>();
  /** Endpoints that are being left: whoever comes back to one waits. */
  readonly #leaving = new Map<string, Promise<void>>();
  #own = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    kernel.counters.activeConnections = () => this.#sum(({ keeper }) => keeper.sockets);
    kernel.counters.coolingDown = () => this.#sum(({ keeper }) => (keeper.coolingDown ? 1 : 0));
    kernel.counters.inFlightHandlers = () => this.receiving.reduce((sum, { intake }) => sum + intake.inFlight, 0);
    kernel.counters.queuedMessages = () =>
      this.sending.reduce((sum, { writer }) => sum + writer.queued, 0) +
      [...this.respond.values()].reduce((sum, { replies }) => sum + replies.queued, 0);
  }

  publisher({ endpoint, mode }: Place): PublishChannel {
    // Asked for each message: nothing is made on the way.
    return (
      this.publish.get(endpoint) ?? once(this.publish, endpoint, () => new PublishChannel(this.#kernel, endpoint, mode))
    );
  }

  pusher({ endpoint, mode }: Place): PushChannel {
    return this.push.get(endpoint) ?? once(this.push, endpoint, () => new PushChannel(this.#kernel, endpoint, mode));
  }

  requester({ endpoint, mode }: Place): RequestChannel {
    return (
      this.request.get(endpoint) ?? once(this.request, endpoint, () => new RequestChannel(this.#kernel, endpoint, mode))
    );
  }

  /** `own`: a socket of its own, which no other subscription can block. */
  subscriber({ endpoint, mode }: Place, own: boolean): SubscribeChannel {
    const key = own ? `${endpoint}#${String(++this.#own)}` : endpoint;
    return once(this.subscribe, key, () => this.#opened(new SubscribeChannel(this.#kernel, endpoint, mode)));
  }

  puller({ endpoint, mode }: Place, fallback: AnyHandler | undefined): PullChannel {
    return once(this.pull, endpoint, () => this.#opened(new PullChannel(this.#kernel, endpoint, mode, fallback)));
  }

  responder({ endpoint, mode }: Place, fallback: AnyHandler | undefined): RespondChannel {
    return once(this.respond, endpoint, () => this.#opened(new RespondChannel(this.#kernel, endpoint, mode, fallback)));
  }

  get sending(): readonly (PublishChannel | PushChannel | RequestChannel)[] {
    return [...this.publish.values(), ...this.push.values(), ...this.request.values()];
  }

  get receiving(): readonly ReceivingKind[] {
    return [...this.subscribe.values(), ...this.pull.values(), ...this.respond.values(), ...this.#retired];
  }

  /** Closes a channel that no handler wants any more; resolves when its socket is closed. What is being handled finishes, and requests are answered. */
  retire(channel: ReceivingKind): Promise<void> {
    for (const map of [this.subscribe, this.pull, this.respond] as Map<string, ReceivingKind>[]) {
      for (const [key, one] of map) if (one === channel) map.delete(key);
    }
    this.#retired.add(channel);
    const gone = channel instanceof RespondChannel ? channel.finish() : channel.keeper.close();
    const place = placeOf(channel);
    this.#leaving.set(place, gone);
    void Promise.all([gone, channel.intake.idle()]).then(() => {
      this.#retired.delete(channel);
      if (this.#leaving.get(place) === gone) this.#leaving.delete(place);
    });
    return gone;
  }

  /** Receivers open at once: nothing calls them. What fails is reported by the keeper and tried again. */
  #opened<T extends ReceivingKind>(channel: T): T {
    channel.keeper.after = this.#leaving.get(placeOf(channel));
    const opening = channel.keeper.ensure();
    if (opening instanceof Promise) opening.catch(() => undefined);
    return channel;
  }

  describe(): LinkDescription[] {
    return (Object.entries(this.#maps()) as [string, Map<string, { keeper: LinkKeeper<Link> }>][]).flatMap(
      ([pattern, map]) =>
        [...map.values()].map(({ keeper }) => ({
          pattern,
          endpoint: keeper.endpoint,
          address: keeper.link?.endpoint,
          mode: keeper.mode,
          state: keeper.coolingDown ? 'cooling down' : keeper.link === undefined ? 'closed' : 'open',
        })),
    );
  }

  /** What `ready()` waits for, at most until `deadline` on the bus's clock. */
  wanted(publishers: number, deadline: number): Wanted[] {
    const list: Wanted[] = [];
    for (const [pattern, map] of Object.entries(this.#maps()) as [
      keyof ChannelMaps,
      Map<string, { keeper: LinkKeeper<Link> }>,
    ][]) {
      for (const { keeper } of map.values()) {
        const opening = new Opening(keeper, this.#kernel.clock, deadline);
        list.push({
          what: `${pattern} ${keeper.endpoint}`,
          met: () => opening.met,
          hint: keeper.mode === 'connect' ? this.#kernel.transport.connectHint : undefined,
          wait: async (signal) => {
            const link = (await opening.link(signal)) as unknown as Readied;
            // Who binds to be found works as soon as it is bound, whether anybody has come or not.
            if (keeper.mode === 'bind' && (pattern === 'pull' || pattern === 'respond')) return;

            await (pattern === 'subscribe' || pattern === 'pull'
              ? link.ready({ signal, publishers })
              : link.ready(signal));
          },
        });
      }
    }
    return list;
  }

  #maps(): ChannelMaps {
    const { publish, push, request, subscribe, pull, respond } = this;
    return { publish, push, request, subscribe, pull, respond };
  }

  #sum(of: (channel: { keeper: { sockets: number; coolingDown: boolean } }) => number): number {
    return [...this.sending, ...this.receiving].reduce((sum, channel) => sum + of(channel), 0);
  }
}

interface Readied {
  ready(how: AbortSignal | { readonly signal: AbortSignal; readonly publishers: number }): Promise<void>;
}

function once<T>(map: Map<string, T>, key: string, make: () => T): T {
  let one = map.get(key);
  if (one === undefined) {
    one = make();
    map.set(key, one);
  }
  return one;
}

function placeOf(channel: ReceivingKind): string {
  return `${channel.operation} ${channel.endpoint}`;
}
