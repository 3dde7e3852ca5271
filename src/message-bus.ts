/**
 * The bus as most services use it: the kernel with the ZeroMQ transport, the standard middleware and the documented config.
 *
 * The stack is metrics, logs, trace, limit-concurrency, retry, serialize. `use` of one of these replaces it in place; `middleware: []` replaces them all.
 */
import { Bus } from './core/bus.ts';
import { BusError } from './core/errors.ts';
import type { Middleware } from './core/middleware.ts';
import { expectObject } from './core/option-checks.ts';
import type { BusOptions, Endpoints } from './core/options.ts';
import { checkOptions } from './core/options.ts';
import type { Message } from './core/receive-context.ts';
import type { AnyHandler } from './core/subscriber.ts';
import type { AnyTopics } from './core/topic-types.ts';
import type { Transport } from './core/transport.ts';
import type { Codec } from './middleware/codec.ts';
import { limitConcurrency } from './middleware/limit-concurrency.ts';
import { logs } from './middleware/logs.ts';
import { metrics } from './middleware/metrics.ts';
import { retry } from './middleware/retry.ts';
import type { RetryOptions } from './middleware/retry.ts';
import { serialize } from './middleware/serialize.ts';
import { trace } from './middleware/trace.ts';
import { Ports } from './ports.ts';
import { zeromq } from './transports/zeromq/index.ts';

/** Port numbers of the three patterns. */
export interface PortNumbers {
  /** Events. @default 5555 */
  readonly GLOBAL_EVENTS?: number;
  /** Pushed results. @default 5556 */
  readonly TASK_RESULTS?: number;
  /** Requests. @default 5557 */
  readonly STATE_MANAGEMENT?: number;
}

/** The config of a {@link MessageBus}. Times are milliseconds. */
export interface MessageBusConfig extends BusOptions {
  /** Ports of the three patterns, on `host`. @default Ports */
  readonly ports?: PortNumbers;
  /** @default zeromq() */
  readonly transport?: Transport;
  /** How bodies become bytes. @default 'json' */
  readonly serializer?: 'json' | Codec;
  /** How many subscription handlers run at once, all together. @default undefined: no limit besides `hwmInbound` */
  readonly handlerMaxConcurrency?: number | undefined;
  /** Options of the retry step, or `false` for none. @default the standard ones: requests and pushes */
  readonly retry?: RetryOptions | false;
  /** Replaces the standard stack. @default metrics, logs, trace, limit-concurrency, retry, serialize */
  readonly middleware?: readonly Middleware[];
}

const aStack = (value: unknown): string | undefined => (Array.isArray(value) ? undefined : 'a list of middleware');
const anObject = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null ? undefined : 'an object';

const somePorts = (value: unknown): string | undefined => {
  const fits = Object.entries(Object(value) as object).every(
    ([name, port]) =>
      Object.hasOwn(Ports, name) && Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535,
  );
  return fits && anObject(value) === undefined
    ? undefined
    : `an object of ports from 0 to 65535 named ${Object.keys(Ports).join(', ')}`;
};

const CHECKS = {
  ports: somePorts,
  serializer: (value: unknown) =>
    value === 'json' || (typeof value === 'object' && value !== null && 'encode' in value && 'decode' in value)
      ? undefined
      : "'json' or a Codec { contentType, encode, decode }",
  handlerMaxConcurrency: (value: unknown) =>
    Number.isInteger(value) && (value as number) >= 1 ? undefined : 'an integer from 1, or undefined for no limit',
  retry: (value: unknown) => (value === false ? undefined : anObject(value)),
  middleware: aStack,
};

/**
 * One service's bus.
 *
 * @example
 * ```ts
 * import { MessageBus } from 'tracebus';
 *
 * const bus = new MessageBus('analytics', { publish: true });
 * bus.subscribe('price.*', (message) => console.log(message.topic, message.body));
 * await bus.ready();
 * await bus.publish('price.tick', { symbol: 'BTC', price: 43210.5 });
 * await bus.close();
 * ```
 */
export class MessageBus<Topics = AnyTopics> extends Bus<Topics> {
  /** Names of the standard steps that may still be replaced. */
  readonly #replaceable = new Set<string>();

  constructor(serviceName: string, config: MessageBusConfig = {}) {
    expectObject('config', config);
    checkOptions({ serviceName, ...config }, CHECKS);
    expectUsed(config);
    const { ports, transport, serializer, handlerMaxConcurrency, retry: retrying, middleware, ...options } = config;
    const host = options.host ?? '127.0.0.1';
    super({
      ...options,
      host,
      serviceName,
      transport: transport ?? zeromq(),
      endpoints: { ...defaultEndpoints(host, { ...Ports, ...ports }), ...options.endpoints },
      publish: options.publish ?? options.endpoints?.publish !== undefined,
    });
    const standard = middleware ?? [
      metrics(),
      logs(),
      trace(),
      limitConcurrency(handlerMaxConcurrency),
      ...(retrying === false ? [] : [retry(retrying)]),
      serialize(serializer),
    ];
    for (const one of standard) this.putStep('the standard stack', one, undefined);
    for (const { name } of middleware === undefined ? standard : []) this.#replaceable.add(name);
  }

  /** Replaces how bodies become bytes; possible until the first message. */
  set serializer(codec: 'json' | Codec) {
    const current = this.steps.find(({ stage }) => stage === 'serialize');
    this.putStep('assigning `serializer`', serialize(codec), current?.name);
  }

  /** A built-in step that the standard stack holds is replaced in place, once. */
  protected override replaceable({ name }: Middleware): string | undefined {
    return this.#replaceable.delete(name) ? name : undefined;
  }

  /** Answers requests that no registered handler wants. Override it; by default the caller is told NO_HANDLER at once. */
  protected handleRequest(message: Message): unknown {
    throw new BusError('NO_HANDLER', `nothing answers "${message.topic}" here`, {
      topic: message.topic,
      hint: 'Register a handler with respond(topic, handler), or override handleRequest.',
    });
  }

  /** Gets pushed messages that no registered handler wants. Override it; by default they are logged at `logLevelNoHandler`. */
  protected handlePulledMessage(_message: Message): unknown {
    return undefined;
  }

  protected override pullFallback(): AnyHandler {
    return (message) => this.handlePulledMessage(message);
  }

  protected override respondFallback(): AnyHandler {
    return (message) => this.handleRequest(message);
  }
}

/** What configures a step of the standard stack means nothing to a stack that replaces it. */
function expectUsed(config: MessageBusConfig): void {
  if (config.middleware === undefined) return;
  for (const name of ['serializer', 'handlerMaxConcurrency', 'retry'] as const) {
    if (config[name] === undefined) continue;
    throw new TypeError(
      `Expected \`${name}\` to be left out where \`middleware\` replaces the standard stack: put the step there`,
    );
  }
}

function defaultEndpoints(host: string, ports: Required<PortNumbers>): Endpoints {
  const at = (port: number): string => `tcp://${host}:${String(port)}`;
  const [events, results, state] = [at(ports.GLOBAL_EVENTS), at(ports.TASK_RESULTS), at(ports.STATE_MANAGEMENT)];
  return {
    publish: { bind: events },
    subscribe: { connect: [events] },
    push: { connect: [results] },
    pull: { bind: results },
    request: { connect: [state] },
    respond: { bind: state },
  };
}
