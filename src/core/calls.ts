/** The outgoing calls of a bus: finds the endpoint, makes the context, takes the place in its queue and runs the chain. */
import { checkRequesting, checkSending } from './call-checks.ts';
import type { RequestOptions, SendOptions } from './call-options.ts';
import type { Channels } from './channels.ts';
import { Correlations } from './correlations.ts';
import type { EndpointChoice, EndpointRoles, Place } from './endpoint-roles.ts';
import { MessageHeaders } from './headers.ts';
import type { Kernel } from './kernel.ts';
import { sendOut } from './outgoing.ts';
import type { PublishChannel } from './publish-channel.ts';
import type { PushChannel } from './push-channel.ts';
import type { RequestChannel } from './request-channel.ts';
import { SendContext } from './send-context.ts';
import type { SendingOperation } from './sending-channel.ts';
import { assertTopic } from './topics.ts';

type SendingChannel = PublishChannel | PushChannel | RequestChannel;

/** See the head of this file. */
export class Calls {
  readonly #kernel: Kernel;
  readonly #roles: EndpointRoles;
  readonly #channels: Channels;
  readonly #timeouts: Readonly<Record<SendingOperation, number>>;
  readonly #correlations: Correlations = new Correlations();
  #turn = 0;

  constructor(kernel: Kernel, roles: EndpointRoles, channels: Channels) {
    this.#kernel = kernel;
    this.#roles = roles;
    this.#channels = channels;
    const { publishTimeoutMs, pushTimeoutMs, requestTimeoutMs } = kernel.settings;
    this.#timeouts = { publish: publishTimeoutMs, push: pushTimeoutMs, request: requestTimeoutMs };
  }

  publish(topic: string, body: unknown, options: SendOptions): Promise<void> {
    checkSending(options);
    const channel = this.#channels.publisher(this.place('publish', options.endpoint));
    return sendOut(this.#kernel, this.#reserved(channel, topic, body, options), 'publish') as Promise<void>;
  }

  push(topic: string, body: unknown, options: SendOptions): Promise<void> {
    checkSending(options);
    const places = this.#roles.places('push', options.endpoint);
    const channel = this.#inTurn(places, (place) => this.#channels.pusher(place));
    return sendOut(this.#kernel, this.#reserved(channel, topic, body, options), 'push') as Promise<void>;
  }

  request(topic: string, body: unknown, options: RequestOptions): Promise<unknown> {
    checkRequesting(options);
    const places = this.#roles.places('request', options.endpoint);
    const channel = this.#inTurn(places, (place) => this.#channels.requester(place));
    return sendOut(this.#kernel, this.#reserved(channel, topic, body, options), 'request');
  }

  /** The one endpoint that a publish goes to. */
  place(pattern: SendingOperation, choice: EndpointChoice | undefined): Place {
    return this.#roles.places(pattern, choice)[0] ?? noPlace();
  }

  /** The context of a call, its place in the queue taken. */
  #reserved(channel: SendingChannel, topic: string, body: unknown, options: RequestOptions): SendContext {
    assertTopic(topic);
    const { operation } = channel;
    const { headers, signal, idempotent, retry, timeoutMs = this.#timeouts[operation] } = options;
    const ctx = new SendContext({
      pattern: operation,
      kind: operation === 'request' ? 'request' : 'message',
      topic,
      body,
      headers: headers === undefined ? new MessageHeaders() : MessageHeaders.from(headers),
      endpoint: channel.endpoint,
      correlation: operation === 'request' ? this.#correlations.next() : undefined,
      clock: this.#kernel.clock,
      timeoutMs,
      signal,
      idempotent,
      retry,
    });
    channel.reserve(ctx);
    return ctx;
  }

  /** Several endpoints are used in turn: those with a peer first, then those that are not cooling down. */
  #inTurn<C extends PushChannel | RequestChannel>(places: readonly Place[], channelOf: (place: Place) => C): C {
    const [only] = places;
    if (places.length === 1 && only !== undefined) return channelOf(only);
    const channels = places.map(channelOf);
    const well = channels.filter(({ keeper }) => !keeper.coolingDown);
    // Else the first one that is connected would get every call, and the others would never be opened.
    for (const { keeper } of well) keeper.warm();
    const connected = well.filter(({ keeper }) => keeper.peers > 0);
    const pool = connected.length > 0 ? connected : well.length > 0 ? well : soonest(channels);
    return pool[this.#turn++ % pool.length] ?? noPlace();
  }
}

/** When all cool down, the one that is usable first says how long that takes. */
function soonest<C extends PushChannel | RequestChannel>(channels: readonly C[]): readonly C[] {
  return [...channels].sort((a, b) => a.keeper.coolDownMs - b.keeper.coolDownMs).slice(0, 1);
}

function noPlace(): never {
  throw new Error('a list of endpoints is never empty');
}
