/**
 * The bus: what applications call. It finds the endpoint, makes the context of the message and hands both to the chain; the
 * channels do the rest. docs/architecture.md follows one message through all of it.
 */
import type {
  BusDescription,
  BusStats,
  HandlerOptions,
  MessagesOptions,
  ReadyOptions,
  RequestOptions,
  SendOptions,
  SubscribeOptions,
} from './call-options.ts';
import { Channels } from './channels.ts';
import { buildChains, checkStack } from './chain.ts';
import type { Chains } from './chain.ts';
import type { DocumentedMetrics } from './counters.ts';
import type { EndpointChoice, Place } from './endpoint-roles.ts';
import { EndpointRoles } from './endpoint-roles.ts';
import { BusError } from './errors.ts';
import { MessageHeaders } from './headers.ts';
import { Kernel } from './kernel.ts';
import { Limiter } from './limiter.ts';
import type { Middleware, MiddlewareFunction } from './middleware.ts';
import { MessageStream } from './message-stream.ts';
import type { CoreBusOptions, EndpointPattern } from './options.ts';
import { checkOptions } from './options.ts';
import { sendOut } from './outgoing.ts';
import { allReady } from './readiness.ts';
import type { PullChannel } from './pull-channel.ts';
import type { PushChannel } from './push-channel.ts';
import type { Message, ReceiveContext } from './receive-context.ts';
import type { RequestChannel } from './request-channel.ts';
import type { RespondChannel } from './respond-channel.ts';
import { SendContext } from './send-context.ts';
import { shutDown } from './shut-down.ts';
import type { CloseOptions, CloseReport } from './shut-down.ts';
import { Subscriber } from './subscriber.ts';
import type { AnyHandler } from './subscriber.ts';
import type { SubscribeChannel } from './subscribe-channel.ts';
import { stamp } from './stamp.ts';
import { Subscription } from './subscription.ts';
import type {
  AnyTopics,
  CallName,
  EventBody,
  EventName,
  Handler,
  PatternBody,
  PatternReply,
  PatternRequest,
  ReplyBody,
  RequestBody,
  ValidPattern,
} from './topic-types.ts';
import { assertPattern, assertTopic } from './topics.ts';

/** The topic of a push that names none. */
const DEFAULT_PUSH_TOPIC = 'results';
/** The topic of a request that names none. */
const DEFAULT_REQUEST_TOPIC = 'state';

/** The kernel of tracebus: three patterns over one pipeline. `MessageBus` is this class with the usual parts put in. */
export class Bus<Topics = AnyTopics> implements AsyncDisposable {
  protected readonly kernel: Kernel;
  readonly #channels: Channels;
  readonly #roles: EndpointRoles;
  readonly #stack: Middleware[] = [];
  readonly #publishAtReady: boolean;
  readonly #checkEndpoint: (endpoint: string) => void;
  #started = false;
  #closing: Promise<CloseReport> | undefined;
  #nextCorrelation = 0;
  #turn = 0;
  #generated = 0;
  #closed = false;
  readonly #streams = new Set<MessageStream>();

  constructor(options: CoreBusOptions) {
    checkOptions(options as unknown as Record<string, unknown>);
    if (options.serviceName === undefined) throw new TypeError('Expected `serviceName` to be a non-empty string');
    const { transport } = options;
    this.kernel = new Kernel(options);
    this.#checkEndpoint = (endpoint) => {
      transport.checkEndpoint(endpoint);
    };
    this.#roles = new EndpointRoles(options.host ?? '127.0.0.1', options.endpoints ?? {}, this.#checkEndpoint);
    this.#channels = new Channels(this.kernel);
    this.#publishAtReady = options.publish ?? options.endpoints?.publish !== undefined;
    if (!transport.features.slowSubscribers.includes(this.kernel.settings.slowSubscribers) && options.slowSubscribers !== undefined) {
      throw new RangeError(`Expected \`slowSubscribers\` to be one the transport knows: ${transport.features.slowSubscribers.join(', ')}`);
    }
  }

  /**
   * Adds a middleware; a bare function runs in both directions at stage `body`.
   * @throws BusError INVALID_PIPELINE after the first message or subscription, and for names used twice
   */
  use(middleware: Middleware | MiddlewareFunction): this {
    this.expectNotStarted('use()');
    const one = typeof middleware === 'function' ? this.#named(middleware) : middleware;
    this.installed(one);
    checkStack(this.#stack);
    return this;
  }

  /** Puts a middleware into the stack; the preset replaces its own by name here. */
  protected installed(middleware: Middleware): void {
    this.#stack.push(middleware);
  }

  /** The stack as it stands, outermost use first. */
  protected get stack(): Middleware[] {
    return this.#stack;
  }

  /** Throws INVALID_PIPELINE once the chains are composed. */
  protected expectNotStarted(what: string): void {
    if (!this.#started) return;
    throw new BusError('INVALID_PIPELINE', `${what} came after the bus had started`, {
      hint: 'Put the pipeline together before the first publish, push, request, subscribe, pull, respond or ready.',
    });
  }

  /**
   * Publishes an event. Resolves when the bounded queue has accepted it; rejects with SEND_TIMEOUT after `publishTimeoutMs`.
   * The promise may be left alone: a rejection is counted and never ends the process.
   */
  publish<Name extends EventName<Topics>>(
    topic: Name,
    body: EventBody<Topics, Name>,
    options: SendOptions = {},
  ): Promise<void> {
    return this.#guarded(() => {
      const channel = this.#channels.publisher(this.#place('publish', options.endpoint));
      const ctx = this.#outgoing('publish', topic, body, options, channel.endpoint, this.kernel.settings.publishTimeoutMs);
      channel.reserve(ctx);
      return sendOut(this.kernel, ctx, 'publish');
    });
  }

  /** Pushes a task or result to one puller. Resolves when a connected peer's socket has accepted it. One argument is the body (topic `results`). */
  push(body: EventBody<Topics, typeof DEFAULT_PUSH_TOPIC>): Promise<void>;
  push<Name extends EventName<Topics>>(topic: Name, body: EventBody<Topics, Name>, options?: SendOptions): Promise<void>;
  push(...args: readonly unknown[]): Promise<void> {
    const { topic, body, options } = topicAndBody<SendOptions>(args, DEFAULT_PUSH_TOPIC);
    return this.#guarded(() => {
      const channel = this.#inTurn(this.#places('push', options.endpoint).map((place) => this.#channels.pusher(place)));
      const ctx = this.#outgoing('push', topic, body, options, channel.endpoint, this.kernel.settings.pushTimeoutMs);
      channel.reserve(ctx);
      return sendOut(this.kernel, ctx, 'push');
    });
  }

  /**
   * Asks a responder and resolves with the body of its reply. Rejects with a coded error: REQUEST_TIMEOUT, SEND_TIMEOUT, NO_HANDLER,
   * HANDLER_FAILED, COOLING_DOWN, ABORTED, ... One argument is the body (topic `state`).
   */
  request(
    body: RequestBody<Topics, typeof DEFAULT_REQUEST_TOPIC>,
  ): Promise<ReplyBody<Topics, typeof DEFAULT_REQUEST_TOPIC>>;
  request<Name extends CallName<Topics>>(
    topic: Name,
    body: RequestBody<Topics, Name>,
    options?: RequestOptions,
  ): Promise<ReplyBody<Topics, Name>>;
  request(...args: readonly unknown[]): Promise<unknown> {
    const { topic, body, options } = topicAndBody<RequestOptions>(args, DEFAULT_REQUEST_TOPIC);
    return this.#guarded(async () => {
      const channel = this.#inTurn(this.#places('request', options.endpoint).map((place) => this.#channels.requester(place)));
      const timeoutMs = options.timeoutMs ?? this.kernel.settings.requestTimeoutMs;
      if (!(timeoutMs >= 0)) throw new RangeError(`Expected \`timeoutMs\` to be a number from 0, got ${String(timeoutMs)}`);
      const ctx = this.#outgoing('request', topic, body, options, channel.endpoint, timeoutMs);
      channel.reserve(ctx);
      await sendOut(this.kernel, ctx, 'request');
      return ctx.reply?.body;
    });
  }

  /** Handles the events whose topic fits the pattern (`*` one word, `>` the rest). Without a handler they are only received. */
  subscribe<const Pattern extends string>(
    pattern: (Pattern & ValidPattern<EventName<Topics>, Pattern>) | EventName<Topics>,
    handler?: Handler<PatternBody<Topics, Pattern>>,
    options: SubscribeOptions = {},
  ): Subscription {
    this.#start();
    const { ownSocket = false } = options;
    const subscriber = this.#subscriber(pattern, handler, options);
    const channels = this.#places('subscribe', options.endpoint).map((place) => this.#channels.subscriber(place, ownSocket));
    return this.#register(subscriber, channels, this.#channels.subscribe);
  }

  /** The same as an async iterator. The message counts as being handled until the loop asks for the next. */
  messages<const Pattern extends string>(
    pattern: (Pattern & ValidPattern<EventName<Topics>, Pattern>) | EventName<Topics>,
    options: MessagesOptions = {},
  ): AsyncIterableIterator<Message<PatternBody<Topics, Pattern>>> {
    const { signal, ...rest } = options;
    let subscription: Subscription | undefined;
    const stream = new MessageStream(() => {
      this.#streams.delete(stream);
      void subscription?.close();
    }, signal);
    if (signal?.aborted === true) return stream as AsyncIterableIterator<Message<PatternBody<Topics, Pattern>>>;
    subscription = this.subscribe(pattern, stream.take as Handler<PatternBody<Topics, Pattern>>, rest);
    this.#streams.add(stream);
    return stream as AsyncIterableIterator<Message<PatternBody<Topics, Pattern>>>;
  }

  /** Works on pushed messages; without a handler the fallback gets them. */
  pull<const Pattern extends string = '>'>(
    pattern?: (Pattern & ValidPattern<EventName<Topics>, Pattern>) | EventName<Topics>,
    handler?: Handler<PatternBody<Topics, Pattern>>,
    options: HandlerOptions = {},
  ): Subscription {
    this.#start();
    const subscriber = this.#subscriber(pattern ?? '>', handler, options);
    const places = this.#places('pull', options.endpoint);
    const channels = places.map((place) => this.#channels.puller(place, this.pullFallback()));
    return this.#register(subscriber, channels, this.#channels.pull);
  }

  /** Answers requests with what the handler returns; without a handler the fallback does. */
  respond<const Pattern extends string = '>'>(
    pattern?: (Pattern & ValidPattern<CallName<Topics>, Pattern>) | CallName<Topics>,
    handler?: Handler<
      PatternRequest<Topics, Pattern>,
      PatternReply<Topics, Pattern> | Promise<PatternReply<Topics, Pattern>>
    >,
    options: HandlerOptions = {},
  ): Subscription {
    this.#start();
    const subscriber = this.#subscriber(pattern ?? '>', handler, options);
    const places = this.#places('respond', options.endpoint);
    const channels = places.map((place) => this.#channels.responder(place, this.respondFallback()));
    return this.#register(subscriber, channels, this.#channels.respond);
  }

  /** Who gets pushed messages that no handler wants. */
  protected pullFallback(): AnyHandler | undefined {
    return undefined;
  }

  /** Who answers requests that no handler wants. */
  protected respondFallback(): AnyHandler | undefined {
    return undefined;
  }

  /**
   * Resolves when all that this bus has opened works: subscriptions have arrived, requests and pushes have a peer.
   * @throws BusError NOT_READY naming the endpoints that do not, UNSUPPORTED over plain peers, ABORTED
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    this.#expectOpen();
    this.#start();
    const { timeoutMs = 5000, signal, topic, subscribers = 1, publishers = 1 } = options;
    const { clock } = this.kernel;
    const publisher = topic !== undefined || this.#publishAtReady ? this.#channels.publisher(this.#place('publish', undefined)) : undefined;
    const wanted = this.#channels.wanted(publishers);
    if (topic !== undefined && publisher !== undefined) {
      assertTopic(topic);
      if (!this.kernel.transport.features.subscriberCounts) throw unsupportedCounts();
      const what = `${String(subscribers)} subscriber(s) of ${topic}`;
      wanted.push({ what, wait: (stop) => publisher.subscribers(topic, subscribers, stop) });
    }
    await allReady(wanted, clock, timeoutMs, signal);
  }

  /** The nine documented figures; needs no SDK and no middleware. */
  metrics(): DocumentedMetrics {
    return this.kernel.counters.documented();
  }

  /** What the bus counts beyond them. */
  stats(): BusStats {
    const { counters } = this.kernel;
    return {
      gaps: counters.gaps.total,
      unrouted: counters.unrouted.total,
      no_handler: counters.noHandler.total,
      late_replies: counters.lateReplies.total,
      retries: counters.retries.total,
      subscribers_left_behind: counters.subscribersLeftBehind.total,
      reconnects: counters.reconnects.total,
      handshake_failures: counters.handshakeFailures.total,
      in_flight_handlers: counters.inFlightHandlers(),
      queued_messages: counters.queuedMessages(),
      cooling_down: counters.coolingDown(),
    };
  }

  /** Both chains in the order in which they run, and every endpoint with its state. */
  describe(): BusDescription {
    const { serviceName, transport } = this.kernel;
    const preview = this.#started ? this.kernel.chains : this.#compose();
    return {
      serviceName,
      system: transport.system,
      send: preview.sendNames,
      receive: preview.receiveNames,
      links: this.#channels.describe(),
    };
  }

  /**
   * Stops taking messages in, lets handlers finish and queues leave for up to `timeoutMs`, closes every socket, and resolves with what
   * was not delivered. Idempotent. The process then exits by itself.
   */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    if (this.#closing === undefined) {
      for (const stream of this.#streams) stream.end();
      this.#closing = shutDown(this.kernel, this.#channels, this.#stack, options, () => {
        this.#closed = true;
      });
    }
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(): void {
    this.#expectOpen();
    if (this.#started) return;
    const { kernel } = this;
    kernel.chains = this.#compose();
    kernel.admits = this.#stack.flatMap(({ admit }, index) => (admit === undefined ? [] : [admit.bind(this.#stack[index])]));
    this.#started = true;
    const { serviceName, transport, clock, logger, counters, random, reporter } = kernel;
    const report = (error: unknown, ctx?: ReceiveContext | SendContext): void => {
      reporter.report(error, ctx?.direction === 'receive' ? 'subscribe' : 'publish', 'a middleware reported a failure', ctx);
    };
    for (const one of this.#stack) {
      one.attach?.({ serviceName, system: transport.system, clock, logger, counters, random, report });
    }
  }

  #compose(): Chains {
    const { kernel } = this;
    return buildChains(this.#stack, {
      stamp: (ctx) => {
        stamp(kernel, ctx);
      },
      send: (ctx) => ctx.channel?.handOver(ctx),
      receive: (ctx) => ctx.destination?.deliver(ctx),
      sendCancel: (ctx) => (ctx.channel as RequestChannel | undefined)?.cancelled(ctx),
      receiveCancel: (ctx) => {
        for (const channel of this.#channels.respond.values()) channel.cancelled(ctx);
      },
      late: (error, ctx) => {
        const operation = ctx.direction === 'send' ? 'publish' : 'subscribe';
        kernel.reporter.report(error, operation, 'a middleware did not wait for next(), which failed', ctx);
      },
    });
  }

  #expectOpen(): void {
    if (this.#closed || this.#closing !== undefined) throw new BusError('CLOSED', 'the bus is closed', { hint: 'Make a new bus.' });
  }

  /** A call as a promise that may be left alone; what is wrong with the call itself rejects it too. */
  #guarded<T>(call: () => Promise<T>): Promise<T> {
    let promise: Promise<T>;
    try {
      if (this.#closed) throw new BusError('CLOSED', 'the bus is closed', { hint: 'Make a new bus.' });
      if (!this.#started) this.#start();
      promise = call();
    } catch (error) {
      this.kernel.reporter.rejected(error, 'publish');
      promise = Promise.reject(error as Error);
    }
    promise.catch(ignore);
    return promise;
  }

  #outgoing(
    pattern: 'publish' | 'push' | 'request',
    topic: string,
    body: unknown,
    options: RequestOptions,
    endpoint: string,
    timeoutMs: number,
  ): SendContext {
    assertTopic(topic);
    return new SendContext({
      pattern,
      kind: pattern === 'request' ? 'request' : 'message',
      topic,
      body,
      headers: options.headers === undefined ? new MessageHeaders() : MessageHeaders.from(options.headers),
      endpoint,
      correlation: pattern === 'request' ? (++this.#nextCorrelation).toString(36) : undefined,
      deadline: this.kernel.clock.now() + timeoutMs,
      signal: options.signal,
      idempotent: options.idempotent,
      retry: options.retry,
    });
  }

  #place(pattern: EndpointPattern, choice: EndpointChoice | undefined): Place {
    return this.#places(pattern, choice)[0] ?? unreachable();
  }

  #places(pattern: EndpointPattern, choice: EndpointChoice | undefined): readonly Place[] {
    if (choice !== undefined) return [this.#roles.choose(pattern, choice, this.#checkEndpoint)];
    return this.#roles.places(pattern);
  }

  /** Several endpoints are used in turn: those with a peer first, then those that are not cooling down. */
  #inTurn<C extends PushChannel | RequestChannel>(channels: readonly C[]): C {
    const [only] = channels;
    if (channels.length === 1 && only !== undefined) return only;
    const well = channels.filter(({ keeper }) => !keeper.coolingDown);
    const connected = well.filter(({ keeper }) => keeper.peers > 0);
    const pool = connected.length > 0 ? connected : well.length > 0 ? well : soonest(channels);
    return pool[this.#turn++ % pool.length] ?? unreachable();
  }

  #subscriber(pattern: string, handler: unknown, options: SubscribeOptions): Subscriber {
    assertPattern(pattern);
    const { concurrency, maxQueued = this.kernel.settings.hwmInbound, overflow = 'block' } = options;
    checkLimit('concurrency', concurrency, 1);
    checkLimit('maxQueued', maxQueued, 0);
    if (handler !== undefined && typeof handler !== 'function') throw new TypeError('Expected the handler to be a function');
    const limiter = concurrency === undefined ? undefined : new Limiter(concurrency, maxQueued, overflow);
    return new Subscriber(pattern, handler as AnyHandler | undefined, limiter);
  }

  #register<C extends SubscribeChannel | PullChannel | RespondChannel>(
    subscriber: Subscriber,
    channels: readonly C[],
    all: Map<string, C>,
  ): Subscription {
    for (const channel of channels) channel.add(subscriber);
    const endpoints = channels.map(({ endpoint }) => endpoint);
    return new Subscription(subscriber, endpoints, () => {
      for (const channel of channels) {
        channel.remove(subscriber);
        if (channel.routes.size > 0) continue;
        for (const [key, one] of all) if (one === channel) all.delete(key);
        void channel.keeper.close();
      }
    });
  }

  #named(run: MiddlewareFunction): Middleware {
    const name = run.name === '' || run.name === 'middleware' ? `middleware-${String(++this.#generated)}` : run.name;
    return { name, stage: 'body', send: run, receive: run };
  }
}

/** One argument is the body; with two or more the first is the topic. */
function topicAndBody<O>(args: readonly unknown[], usual: string): { topic: string; body: unknown; options: O } {
  const [topic, body] = args.length < 2 ? [usual, args[0]] : args;
  return { topic: topic as string, body, options: (args[2] ?? {}) as O };
}

function ignore(): void {
  // Counted already; the caller may look or not.
}

function unreachable(): never {
  throw new Error('a list that is never empty was empty');
}

function soonest<C extends { keeper: { coolDownMs: number } }>(channels: readonly C[]): readonly C[] {
  return [...channels].sort((a, b) => a.keeper.coolDownMs - b.keeper.coolDownMs).slice(0, 1);
}

function checkLimit(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new RangeError(`Expected \`${name}\` to be an integer from ${String(least)}, got ${String(value)}`);
}

function unsupportedCounts(): BusError {
  return new BusError('UNSUPPORTED', 'this transport does not know how many subscribers there are', {
    hint: 'Leave `topic` and `subscribers` out.',
  });
}
