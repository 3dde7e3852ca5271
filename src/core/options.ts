/**
 * The options of a bus: names, defaults, checks. Validated once, at construction; an unknown name is an error with the
 * nearest known one, and a key of the Python predecessor is told its new name.
 */
import type { Clock } from './clock.ts';
import type { Gap } from './gap-detector.ts';
import type { LogLevel, Logger } from './logger.ts';
import { LOG_LEVELS } from './logger.ts';
import {
  aBoolean,
  aFunction,
  anObject,
  aString,
  aClock,
  checkAll,
  expectObject,
  LONGEST_MS,
  oneOf,
  time,
  whole,
  withMethods,
} from './option-checks.ts';
import type { Check } from './option-checks.ts';
import { DEFAULT_PACKET_LIMITS } from './packet-layout.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { SendContext } from './send-context.ts';
import type { SlowSubscribers, Transport } from './transport.ts';

/** Where a pattern binds or connects. */
export type EndpointRole = { readonly bind: string } | { readonly connect: readonly string[] };

/** The endpoints of the patterns; what is missing follows from `host` and `ports`. */
export interface Endpoints {
  readonly publish?: EndpointRole;
  readonly subscribe?: EndpointRole;
  readonly push?: EndpointRole;
  readonly pull?: EndpointRole;
  readonly request?: EndpointRole;
  readonly respond?: EndpointRole;
}

/** The verbs that have an endpoint. */
export type EndpointPattern = keyof Endpoints;

/** Options that every bus has. Times are milliseconds. */
export interface BusOptions {
  /** Endpoints per pattern. Publish, pull and respond bind by default; subscribe, push and request connect. */
  readonly endpoints?: Endpoints;
  /** Host for endpoints given as a port number. @default '127.0.0.1' */
  readonly host?: string;
  /** Messages that a sending endpoint queues before callers wait. @default 1000 */
  readonly hwmOutbound?: number;
  /** Messages that a receiving endpoint handles at once or keeps waiting. @default 1000 */
  readonly hwmInbound?: number;
  /** The transport's own high-water mark, in packets. @default 256 for publish, request and respond; else hwmOutbound or hwmInbound */
  readonly hwmPackets?: number;
  /** Bytes that a sending endpoint queues before callers wait. @default 67108864 */
  readonly maxQueueBytes?: number;
  /** Deadline of a publish, all attempts included. @default 1000 */
  readonly publishTimeoutMs?: number;
  /** Deadline of a push, all attempts included. @default 1000 */
  readonly pushTimeoutMs?: number;
  /** Deadline of a request, all attempts included. @default 5000 */
  readonly requestTimeoutMs?: number;
  /** How long a reply may wait for its requester to take it. @default 5000 */
  readonly replySendTimeoutMs?: number;
  /** How long a failed endpoint is left alone. @default 10000 */
  readonly failedSocketCooldownMs?: number;
  /** How long closing lets handed-over packets leave. @default 100 */
  readonly closeLingerMs?: number;
  /** Interval of a publisher's heartbeats. @default 1000 */
  readonly heartbeatMs?: number;
  /** What a publisher does about a subscriber that is full. @default 'leave-behind' */
  readonly slowSubscribers?: SlowSubscribers;
  /** Publishing waits for a subscriber, and rejects with NO_SUBSCRIBERS when none comes in time. @default false */
  readonly requireSubscribers?: boolean;
  /**
   * `global` keeps a publisher's order across topics, `topic` only within each topic: a message whose chain is slow holds back its own topic alone.
   * With either, topics that go to the same subscribers share packets, with `topic` also where others come between them. @default 'global'
   */
  readonly order?: 'global' | 'topic';
  /** Pushed messages per packet; above 1 a burst goes to one puller. @default 1 */
  readonly pack?: number;
  /** `true` binds the publisher at `ready()`, so that subscribers can connect before the first publish. @default false */
  readonly publish?: boolean;
  /**
   * What all services of one bus share: goes into signatures and encryption, so that nothing sealed for one bus is accepted by another that
   * has the same keys. `sign` and `encrypt` need it.
   */
  readonly audience?: string;
  /** @default the console */
  readonly logger?: Logger;
  /** @default 'info' */
  readonly logLevel?: LogLevel;
  /** At which level a message that no handler wants is logged. @default 'debug' */
  readonly logLevelNoHandler?: LogLevel;
  /** Told of every failure that no call can report: failing handlers, unreadable packets, broken sockets. */
  readonly onError?: (error: Error, context?: ReceiveContext | SendContext) => void;
  /** Told when messages were missed. */
  readonly onGap?: (gap: Gap) => void;
  /** @default the system's */
  readonly clock?: Clock;
  /** A number from 0 to 1. @default Math.random */
  readonly random?: () => number;
}

/** What makes a core {@link Bus}: a name, a transport, options. */
export interface CoreBusOptions extends BusOptions {
  readonly serviceName: string;
  readonly transport: Transport;
}

/** Its length goes before it wherever it is signed: 255 bytes are plenty. */
const anAudience: Check = (value) =>
  typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= 255
    ? undefined
    : 'a non-empty string of at most 255 bytes';

const CHECKS: Readonly<Record<keyof CoreBusOptions, Check>> = {
  serviceName: aString,
  transport: withMethods(
    'a transport',
    'checkEndpoint',
    'openPublisher',
    'openSubscriber',
    'openRequester',
    'openResponder',
  ),
  endpoints: anObject,
  host: aString,
  hwmOutbound: whole(1),
  hwmInbound: whole(1),
  hwmPackets: whole(1),
  maxQueueBytes: whole(1),
  publishTimeoutMs: time,
  pushTimeoutMs: time,
  requestTimeoutMs: time,
  replySendTimeoutMs: time,
  failedSocketCooldownMs: time,
  closeLingerMs: time,
  heartbeatMs: whole(1, LONGEST_MS),
  slowSubscribers: oneOf('leave-behind', 'wait', 'drop'),
  requireSubscribers: aBoolean,
  order: oneOf('global', 'topic'),
  pack: whole(1, DEFAULT_PACKET_LIMITS.maxRecords),
  publish: aBoolean,
  audience: anAudience,
  logger: withMethods('a logger', 'debug', 'info', 'warn', 'error'),
  logLevel: oneOf(...LOG_LEVELS),
  logLevelNoHandler: oneOf(...LOG_LEVELS),
  onError: aFunction,
  onGap: aFunction,
  clock: aClock,
  random: aFunction,
};

/** Options that have no default. */
const REQUIRED: readonly (keyof CoreBusOptions)[] = ['serviceName', 'transport'];

/** Checks the options of a core bus, of which some have to be there. @throws TypeError or RangeError that says what was expected */
export function checkCoreOptions(options: CoreBusOptions): void {
  expectObject('options', options);
  for (const name of REQUIRED) {
    if ((options as Partial<CoreBusOptions>)[name] !== undefined) continue;
    throw new TypeError(`Expected \`${name}\` to be ${CHECKS[name](undefined) ?? 'given'}, got undefined`);
  }
  checkOptions(options as unknown as Record<string, unknown>);
  const { slowSubscribers, transport } = options;
  const known = transport.features.slowSubscribers;
  if (slowSubscribers !== undefined && !known.includes(slowSubscribers)) {
    throw new RangeError(
      `Expected \`slowSubscribers\` to be one that the transport knows: ${known.join(', ')}, got ${slowSubscribers}`,
    );
  }
}

/** Checks options of a bus, and further ones. @throws TypeError or RangeError that says what was expected */
export function checkOptions(
  options: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, Check>> = {},
): void {
  checkAll(options, new Map(Object.entries<Check>({ ...CHECKS, ...more })));
}
