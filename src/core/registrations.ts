/** The incoming side of a bus: registers handlers with the endpoints that their messages arrive through. */
import { checkHandling, checkPulling, checkSubscribing } from './call-checks.ts';
import type { HandlerOptions, PullOptions, SubscribeOptions } from './call-options.ts';
import type { Channels, ReceivingKind } from './channels.ts';
import type { EndpointRoles } from './endpoint-roles.ts';
import type { Kernel } from './kernel.ts';
import { Limiter } from './limiter.ts';
import type { AnyHandler } from './subscriber.ts';
import { Subscriber } from './subscriber.ts';
import { Subscription } from './subscription.ts';
import { assertPattern } from './topics.ts';

/** See the head of this file. */
export class Registrations {
  readonly #kernel: Kernel;
  readonly #roles: EndpointRoles;
  readonly #channels: Channels;

  constructor(kernel: Kernel, roles: EndpointRoles, channels: Channels) {
    this.#kernel = kernel;
    this.#roles = roles;
    this.#channels = channels;
  }

  subscribe(pattern: string, handler: unknown, options: SubscribeOptions): Subscription {
    checkSubscribing(options);
    const subscriber = this.#subscriber(pattern, handler, options);
    const places = this.#roles.places('subscribe', options.endpoint);
    const channels = places.map((place) => this.#channels.subscriber(place, options.ownSocket ?? false));
    return this.#register(subscriber, channels);
  }

  pull(pattern: string, handler: unknown, options: PullOptions, fallback: AnyHandler | undefined): Subscription {
    checkPulling(options);
    const subscriber = this.#subscriber(pattern, handler, options);
    const places = this.#roles.places('pull', options.endpoint);
    const channels = places.map((place) => this.#channels.puller(place, fallback));
    return this.#register(subscriber, channels);
  }

  respond(pattern: string, handler: unknown, options: HandlerOptions, fallback: AnyHandler | undefined): Subscription {
    checkHandling(options);
    const subscriber = this.#subscriber(pattern, handler, options);
    const places = this.#roles.places('respond', options.endpoint);
    const channels = places.map((place) => this.#channels.responder(place, fallback));
    return this.#register(subscriber, channels);
  }

  #subscriber(pattern: string, handler: unknown, options: SubscribeOptions): Subscriber {
    assertPattern(pattern);
    const { concurrency, maxQueued = this.#kernel.settings.hwmInbound } = options;
    // A string until it is checked: options come from JavaScript too.
    const overflow: string = options.overflow ?? 'block';
    if (concurrency === undefined && (options.maxQueued !== undefined || options.overflow !== undefined)) {
      throw new TypeError(
        'Expected `concurrency` to be given where `maxQueued` or `overflow` is: without it nothing waits',
      );
    }
    if (overflow !== 'block' && overflow !== 'drop-oldest') {
      throw new TypeError(`Expected \`overflow\` to be 'block' or 'drop-oldest', got ${JSON.stringify(overflow)}`);
    }
    if (handler !== undefined && typeof handler !== 'function') {
      throw new TypeError(`Expected the handler to be a function, got ${typeof handler}`);
    }
    const limiter = concurrency === undefined ? undefined : new Limiter(concurrency, maxQueued, overflow);
    return new Subscriber(pattern, handler as AnyHandler | undefined, limiter, options.link);
  }

  #register(subscriber: Subscriber, channels: readonly ReceivingKind[]): Subscription {
    for (const channel of channels) channel.add(subscriber);
    const endpoints = channels.map(({ endpoint }) => endpoint);
    return new Subscription(subscriber, endpoints, async () => {
      subscriber.close();
      for (const channel of channels) channel.remove(subscriber);
      // Nobody is left who would want what arrives there.
      const idle = channels.filter(({ routes }) => routes.size === 0);
      await Promise.all(idle.map((channel) => this.#channels.retire(channel)));
    });
  }
}
