/* eslint-disable max-lines -- one class is the public surface: its overloads and their documentation belong together */
/**
 * The bus: what applications call. Calls (outgoing), Registrations (incoming) and the Pipeline do the work;
 * docs/architecture.md follows one message through all of it.
 */
import { checkClosing, checkMessages, checkReady, NO_OPTIONS } from './call-checks.ts';
import type {
  BusDescription,
  BusStats,
  HandlerOptions,
  MessagesOptions,
  PullOptions,
  ReadyOptions,
  RequestOptions,
  SendOptions,
  SubscribeOptions,
} from './call-options.ts';
import { Calls } from './calls.ts';
import { Channels } from './channels.ts';
import type { DocumentedMetrics } from './counters.ts';
import { EndpointRoles } from './endpoint-roles.ts';
import { BusError, messageOf } from './errors.ts';
import { Kernel } from './kernel.ts';
import { MessageStream } from './message-stream.ts';
import type { Middleware, MiddlewareFunction } from './middleware.ts';
import type { CoreBusOptions } from './options.ts';
import { checkCoreOptions } from './options.ts';
import { Pipeline } from './pipeline.ts';
import { allReady } from './readiness.ts';
import type { Message } from './receive-context.ts';
import { Registrations } from './registrations.ts';
import { RespondChannel } from './respond-channel.ts';
import type { SendingOperation } from './sending-channel.ts';
import { shutDown } from './shut-down.ts';
import type { CloseOptions, CloseReport } from './shut-down.ts';
import type { AnyHandler } from './subscriber.ts';
import type { Subscription } from './subscription.ts';
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
import { assertTopic } from './topics.ts';

/** The topic of a push that names none. */
const DEFAULT_PUSH_TOPIC = 'results';
/** The topic of a request that names none. */
const DEFAULT_REQUEST_TOPIC = 'state';

/** The kernel of tracebus: three patterns over one pipeline. `MessageBus` is this class with the usual parts put in. */
export class Bus<Topics = AnyTopics> implements AsyncDisposable {
  readonly #kernel: Kernel;
  readonly #channels: Channels;
  readonly #pipeline: Pipeline;
  readonly #calls: Calls;
  readonly #registrations: Registrations;
  readonly #streams = new Set<MessageStream>();
  readonly #publishAtReady: boolean;
  #closing: Promise<CloseReport> | undefined;
  #closed = false;

  constructor(options: CoreBusOptions) {
    checkCoreOptions(options);
    const kernel = new Kernel(options);
    const channels = new Channels(kernel);
    const { transport } = options;
    const roles = new EndpointRoles(options.host ?? '127.0.0.1', options.endpoints ?? {}, (endpoint) => {
      transport.checkEndpoint(endpoint);
    });
    this.#kernel = kernel;
    this.#channels = channels;
    this.#calls = new Calls(kernel, roles, channels);
    this.#registrations = new Registrations(kernel, roles, channels);
    this.#publishAtReady = options.publish ?? options.endpoints?.publish !== undefined;
    this.#pipeline = new Pipeline(kernel, (ctx) => {
      for (const responder of channels.receiving) {
        if (responder instanceof RespondChannel && responder.endpoint === ctx.endpoint) responder.cancelled(ctx);
      }
    });
  }

  /**
   * Adds a middleware; a bare function runs in both directions at stage `body`.
   * @throws BusError INVALID_PIPELINE after the first message or subscription, and for names used twice
   */
  use(middleware: Middleware | MiddlewareFunction): this {
    this.#pipeline.expectNotStarted('use()');
    const one = this.#pipeline.named(middleware);
    this.#pipeline.put(one, this.replaceable(one));
    return this;
  }

  /** The name of the step whose place a middleware takes; `undefined` puts it at the end. The preset replaces its own steps. */
  protected replaceable(_middleware: Middleware): string | undefined {
    return undefined;
  }

  /**
   * Publishes an event. Resolves when the bounded queue has accepted it; rejects with SEND_TIMEOUT after `publishTimeoutMs`.
   * The promise may be left alone: a rejection is counted and never ends the process.
   */
  publish<Name extends EventName<Topics>>(
    topic: Name,
    body: EventBody<Topics, Name>,
    options: SendOptions = NO_OPTIONS,
  ): Promise<void> {
    return this.#guarded('publish', () => this.#calls.publish(topic, body, options));
  }

  /** Pushes a task or result to one puller. Resolves when a connected peer's socket has accepted it. One argument is the body (topic `results`). */
  push(body: EventBody<Topics, typeof DEFAULT_PUSH_TOPIC>): Promise<void>;
  push<Name extends EventName<Topics>>(
    topic: Name,
    body: EventBody<Topics, Name>,
    options?: SendOptions,
  ): Promise<void>;
  push(...args: readonly unknown[]): Promise<void> {
    const { topic, body, options } = topicAndBody(args, DEFAULT_PUSH_TOPIC);
    return this.#guarded('push', () => this.#calls.push(topic, body, options));
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
    const { topic, body, options } = topicAndBody(args, DEFAULT_REQUEST_TOPIC);
    return this.#guarded('request', () => this.#calls.request(topic, body, options));
  }

  /** Handles the events whose topic fits the pattern (`*` one word, `>` the rest). Without a handler they are only received. */
  subscribe<const Pattern extends string>(
    pattern: (Pattern & ValidPattern<EventName<Topics>, Pattern>) | EventName<Topics>,
    handler?: Handler<PatternBody<Topics, Pattern>>,
    options: SubscribeOptions = NO_OPTIONS,
  ): Subscription {
    this.#start();
    return this.#registrations.subscribe(pattern, handler, options);
  }

  /** The same as an async iterator. The message counts as being handled until the loop asks for the next. */
  messages<const Pattern extends string>(
    pattern: (Pattern & ValidPattern<EventName<Topics>, Pattern>) | EventName<Topics>,
    options: MessagesOptions = NO_OPTIONS,
  ): AsyncIterableIterator<Message<PatternBody<Topics, Pattern>>> {
    checkMessages(options);
    const { signal, ...rest } = options;
    const stream = new MessageStream(signal);
    // A loop takes one message at a time, so where a limit of what may wait is given, one is what runs.
    const { concurrency = rest.maxQueued === undefined && rest.overflow === undefined ? undefined : 1 } = rest;
    if (!stream.ended) {
      const subscription = this.subscribe(pattern, stream.take as Handler<PatternBody<Topics, Pattern>>, {
        ...rest,
        ...(concurrency !== undefined && { concurrency }),
      });
      this.#streams.add(stream);
      stream.onEnd(() => {
        this.#streams.delete(stream);
        void subscription.close();
      });
    }
    return stream as AsyncIterableIterator<Message<PatternBody<Topics, Pattern>>>;
  }

  /** Works on pushed messages; without a handler the fallback gets them. */
  pull<const Pattern extends string = '>'>(
    pattern?: (Pattern & ValidPattern<EventName<Topics>, Pattern>) | EventName<Topics>,
    handler?: Handler<PatternBody<Topics, Pattern>>,
    options: PullOptions = NO_OPTIONS,
  ): Subscription {
    this.#start();
    return this.#registrations.pull(pattern ?? '>', handler, options, this.pullFallback());
  }

  /** Answers requests with what the handler returns; without a handler the fallback does. */
  respond<const Pattern extends string = '>'>(
    pattern?: (Pattern & ValidPattern<CallName<Topics>, Pattern>) | CallName<Topics>,
    handler?: Handler<
      PatternRequest<Topics, Pattern>,
      PatternReply<Topics, Pattern> | Promise<PatternReply<Topics, Pattern>>
    >,
    options: HandlerOptions = NO_OPTIONS,
  ): Subscription {
    this.#start();
    return this.#registrations.respond(pattern ?? '>', handler, options, this.respondFallback());
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
  ready(options: ReadyOptions = NO_OPTIONS): Promise<void> {
    return this.#observed(this.#ready(options));
  }

  async #ready(options: ReadyOptions): Promise<void> {
    checkReady(options);
    const { timeoutMs = 5000, signal, topic, subscribers = 1, publishers = 1 } = options;
    this.#start();
    const { clock } = this.#kernel;
    const publishes = topic !== undefined || this.#publishAtReady;
    const publisher = publishes ? this.#channels.publisher(this.#calls.place('publish', undefined)) : undefined;
    const wanted = this.#channels.wanted(publishers, clock.now() + timeoutMs);
    if (topic !== undefined && publisher !== undefined) {
      assertTopic(topic);
      if (!this.#kernel.transport.features.subscriberCounts) throw unsupportedCounts();
      const what = `${String(subscribers)} subscriber(s) of ${topic}`;
      wanted.push({ what, wait: (stop) => publisher.subscribers(topic, subscribers, stop) });
    }
    await allReady(wanted, clock, timeoutMs, signal);
  }

  /** The nine documented figures; needs no SDK and no middleware. */
  metrics(): DocumentedMetrics {
    return this.#kernel.counters.documented();
  }

  /** What the bus counts beyond them. */
  stats(): BusStats {
    const { counters } = this.#kernel;
    return {
      gaps: counters.gaps.total,
      unrouted: counters.unrouted.total,
      no_handler: counters.noHandler.total,
      unverified: counters.unverified.total,
      late_replies: counters.lateReplies.total,
      retries: counters.retries.total,
      subscribers_left_behind: counters.subscribersLeftBehind.total,
      reconnects: counters.reconnects.total,
      cool_downs: counters.coolDowns.total,
      handshake_failures: counters.handshakeFailures.total,
      in_flight_handlers: counters.inFlightHandlers(),
      queued_messages: counters.queuedMessages(),
      cooling_down: counters.coolingDown(),
    };
  }

  /** Both chains in the order in which they run, and every endpoint with its state. */
  describe(): BusDescription {
    const { serviceName, transport } = this.#kernel;
    const { sendNames, receiveNames } = this.#pipeline.chains();
    return {
      serviceName,
      system: transport.system,
      send: sendNames,
      receive: receiveNames,
      links: this.#channels.describe(),
    };
  }

  /**
   * Stops taking messages in, lets handlers finish and queues leave for up to `timeoutMs`, closes every socket, and resolves with what
   * was not delivered. Idempotent. The process then exits by itself. A handler that closes its own bus must not await it: `close` waits
   * for that handler.
   */
  close(options: CloseOptions = NO_OPTIONS): Promise<CloseReport> {
    if (this.#closing === undefined) {
      try {
        checkClosing(options);
      } catch (error) {
        return this.#observed(Promise.reject(error as Error));
      }
      for (const stream of this.#streams) stream.end();
      const onDrained = (): void => {
        this.#closed = true;
      };
      const { attached: stack } = this.#pipeline;
      this.#closing = shutDown({ kernel: this.#kernel, channels: this.#channels, stack, onDrained }, options);
    }
    return this.#closing;
  }

  /** A promise that may be left alone; its rejection counts. */
  #observed<T>(promise: Promise<T>): Promise<T> {
    promise.catch((error: unknown) => {
      this.#kernel.reporter.rejected(error, undefined);
    });
    return promise;
  }

  /** `close()` with its defaults, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(): void {
    if (this.#closing !== undefined) throw closed();
    this.#pipeline.start();
  }

  /** A call as a promise that may be left alone; what is wrong with the call itself rejects it too. */
  #guarded<T>(operation: SendingOperation, call: () => Promise<T>): Promise<T> {
    let promise: Promise<T>;
    try {
      // Handlers that finish while the bus closes may still send.
      if (this.#closed) throw closed();
      if (!this.#pipeline.started) this.#start();
      promise = call();
    } catch (error) {
      this.#kernel.reporter.rejected(error, operation);
      promise = Promise.reject(error instanceof Error ? error : new Error(messageOf(error)));
      promise.catch(ignore);
    }
    return promise;
  }

  /** Changes a step of the stack from a subclass. @throws BusError INVALID_PIPELINE once the bus has started */
  protected putStep(what: string, middleware: Middleware, replaces: string | undefined): void {
    this.#pipeline.expectNotStarted(what);
    this.#pipeline.put(middleware, replaces);
  }

  /** The names and stages of the stack. */
  protected get steps(): readonly Middleware[] {
    return this.#pipeline.stack;
  }
}

/** One argument is the body; with two or more the first is the topic. */
function topicAndBody(
  args: readonly unknown[],
  usual: string,
): { topic: string; body: unknown; options: RequestOptions } {
  const [topic, body] = args.length < 2 ? [usual, args[0]] : args;
  return { topic: topic as string, body, options: args[2] === undefined ? NO_OPTIONS : (args[2] as RequestOptions) };
}

function ignore(): void {
  // Counted already; the caller may look or not.
}

function closed(): BusError {
  return new BusError('CLOSED', 'the bus is closed', { hint: 'Make a new bus.' });
}

function unsupportedCounts(): BusError {
  return new BusError('UNSUPPORTED', 'this transport does not know how many subscribers there are', {
    hint: 'Leave `topic` and `subscribers` out.',
  });
}
