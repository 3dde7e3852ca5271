/** The options of `zeromq()` and their check. */
import type { Context } from 'zeromq';
import { packetLimits } from '../../core/packet-layout.ts';
import { messageTopicFault } from '../../core/topics.ts';
import { sharedContext } from './context.ts';
import { Curve } from './curve.ts';
import type { CurveOptions } from './curve.ts';
import { expectKnownOptions } from './known-options.ts';
import type { ZeromqSettings } from './settings.ts';

/** Options of `zeromq()`. */
export interface ZeromqOptions {
  /** A Context of the `zeromq` package to make the sockets in, for instance to share `inproc` names. @default one per process */
  readonly context?: Context | undefined;
  /**
   * `native` packets carry headers and several messages. `plain` is for peers that know nothing of tracebus: `[topic, JSON]`
   * when published, `[JSON]` when pushed, `[id, '', JSON]` for requests; no headers, no `ready()`.
   * @default 'native'
   */
  readonly wire?: 'native' | 'plain' | undefined;
  /** Plain wire: what an incoming push or request is about, as it carries no topic. @default `results` for pushes, `state` for requests */
  readonly topic?: string | ((body: unknown) => string) | undefined;
  /**
   * The largest payload, in bytes, 131072 (a packet of many messages must fit) to 2147483647. A larger one is refused when sent;
   * when it arrives a binding socket drops the peer that sent it, a connecting one the message.
   * @default 67108864
   */
  readonly maxMessageBytes?: number | undefined;
  /** Frames of one arriving packet: itself and its payloads over 8 KB, 1 to 65536. A packet with more is dropped. @default 256 */
  readonly maxFrames?: number | undefined;
  /** Messages in one arriving packet, 1 to 65535. A packet with more is dropped. @default 8192 */
  readonly maxRecords?: number | undefined;
  /** Headers of one arriving message, from 0. A packet that has a message with more is dropped. @default 64 */
  readonly maxHeaders?: number | undefined;
  /** Bytes of the headers of one arriving message, 1 to 65535. A packet that has a message with more is dropped. @default 16384 */
  readonly maxHeaderBytes?: number | undefined;
  /**
   * Different prefixes that a publisher keeps account of, and that a forwarder passes on. Those beyond are counted as dropped
   * and do not count as subscribers; libzmq, which cannot be told to refuse them, still serves them.
   * @default 100000
   */
  readonly maxSubscriptions?: number | undefined;
  /** Connections that wait to be accepted by a bound socket; the system may have a lower limit. @default 100 */
  readonly backlog?: number | undefined;
  /** Permissions of the socket file of a bound ipc path, 0 to 0o777. @default 0o600 */
  readonly ipcMode?: number | undefined;
  /** Encryption and authentication of every connection, instead of TLS. Not over inproc. @default none */
  readonly curve?: CurveOptions | undefined;
  /**
   * Allows binding beyond loopback (`*`, another host, the name of an interface) without `curve`: whoever reaches the address
   * can read and send everything.
   * @default false
   */
  readonly insecure?: boolean | undefined;
  /** The first wait before a lost connection is tried again, in milliseconds; it doubles with each failure. @default 100 */
  readonly reconnectMs?: number | undefined;
  /** The longest such wait, in milliseconds. @default 5000 */
  readonly reconnectMaxMs?: number | undefined;
  /** How long a connection may take to agree on the protocol, in milliseconds. @default 5000 */
  readonly handshakeTimeoutMs?: number | undefined;
  /** How long one attempt to connect may take, in milliseconds; 0 leaves it to the system. @default 5000 */
  readonly connectTimeoutMs?: number | undefined;
  /** 0 up to 1; jitter of the waits. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** A frame below this could not hold one full packet: about 32 KB of records, and the one that filled it. */
const MIN_MESSAGE_BYTES = 131_072;
const MAX_INT32 = 2_147_483_647;

const NAMES: readonly (keyof ZeromqOptions)[] = [
  'context',
  'wire',
  'topic',
  'maxMessageBytes',
  'maxFrames',
  'maxRecords',
  'maxHeaders',
  'maxHeaderBytes',
  'maxSubscriptions',
  'backlog',
  'ipcMode',
  'curve',
  'insecure',
  'reconnectMs',
  'reconnectMaxMs',
  'handshakeTimeoutMs',
  'connectTimeoutMs',
  'random',
];

/** Completes and checks the options; throws TypeError or RangeError. */
export function checkedSettings(options: ZeromqOptions = {}): ZeromqSettings {
  expectKnownOptions('zeromq()', options, NAMES);
  const { context, wire = 'native', topic, random = Math.random } = options;
  const { maxMessageBytes = 67_108_864, reconnectMs = 100, reconnectMaxMs = 5000 } = options;
  const { handshakeTimeoutMs = 5000, connectTimeoutMs = 5000 } = options;
  const { maxSubscriptions = 100_000, backlog = 100, ipcMode = 0o600, curve, insecure = false } = options;
  const { maxFrames, maxRecords, maxHeaders, maxHeaderBytes } = options;
  expectOneOf('wire', wire, ['native', 'plain']);
  if (topic !== undefined && typeof topic !== 'string' && typeof topic !== 'function') {
    throw new TypeError(`Expected \`topic\` to be text or a function, got ${typeof topic}`);
  }
  if (typeof topic === 'string') expectTopic(topic);
  expectInteger('maxMessageBytes', maxMessageBytes, MIN_MESSAGE_BYTES);
  expectInteger('reconnectMs', reconnectMs, 1);
  expectInteger('reconnectMaxMs', reconnectMaxMs, reconnectMs);
  expectInteger('handshakeTimeoutMs', handshakeTimeoutMs, 1);
  expectInteger('connectTimeoutMs', connectTimeoutMs, 0);
  expectInteger('maxSubscriptions', maxSubscriptions, 1);
  expectInteger('backlog', backlog, 1);
  expectInteger('ipcMode', ipcMode, 0, 0o777);
  if (typeof insecure !== 'boolean') {
    throw new TypeError(`Expected \`insecure\` to be true or false, got ${typeof insecure}`);
  }
  if (typeof random !== 'function') throw new TypeError(`Expected \`random\` to be a function, got ${typeof random}`);
  return {
    context: () => context ?? sharedContext(),
    wire,
    topic,
    maxMessageBytes,
    limits: packetLimits({ maxFrames, maxRecords, maxHeaders, maxHeaderBytes, maxPayloadBytes: maxMessageBytes }),
    maxSubscriptions,
    backlog,
    ipcMode,
    curve: curve === undefined ? undefined : new Curve(curve, handshakeTimeoutMs),
    insecure,
    reconnectMs,
    reconnectMaxMs,
    handshakeTimeoutMs,
    connectTimeoutMs,
    random,
  };
}

function expectTopic(topic: string): void {
  const fault = messageTopicFault(topic);
  if (fault === undefined) return;
  throw new RangeError(`Expected \`topic\` to be a topic, got ${JSON.stringify(topic)}: ${fault}`);
}

/** Throws a TypeError unless the option is one of these. */
export function expectOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  const names = allowed.map((one) => `'${one}'`).join(' or ');
  throw new TypeError(`Expected \`${name}\` to be ${names}, got ${JSON.stringify(value)}`);
}

/** Throws a RangeError unless the option is an integer in this range. */
export function expectInteger(name: string, value: number, from: number, to: number = MAX_INT32): void {
  if (Number.isInteger(value) && value >= from && value <= to) return;
  throw new RangeError(
    `Expected \`${name}\` to be an integer from ${String(from)} to ${String(to)}, got ${String(value)}`,
  );
}
