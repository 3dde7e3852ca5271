/** The options of `zeromq()` and their check. */
import type { Context } from 'zeromq';
import { packetLimits } from '../../core/packet-layout.ts';
import { messageTopicFault } from '../../core/topics.ts';
import { sharedContext } from './context.ts';
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

/** Completes and checks the options; throws TypeError or RangeError. */
export function checkedSettings(options: ZeromqOptions = {}): ZeromqSettings {
  const { context, wire = 'native', topic, random = Math.random } = options;
  const { maxMessageBytes = 67_108_864, reconnectMs = 100, reconnectMaxMs = 5000 } = options;
  const { handshakeTimeoutMs = 5000, connectTimeoutMs = 5000 } = options;
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
  if (typeof random !== 'function') throw new TypeError(`Expected \`random\` to be a function, got ${typeof random}`);
  return {
    context: () => context ?? sharedContext(),
    wire,
    topic,
    maxMessageBytes,
    limits: packetLimits({ maxPayloadBytes: maxMessageBytes }),
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

/** Throws a RangeError unless the option is an integer from `from` to 2^31 - 1. */
export function expectInteger(name: string, value: number, from: number): void {
  if (Number.isInteger(value) && value >= from && value <= MAX_INT32) return;
  throw new RangeError(
    `Expected \`${name}\` to be an integer from ${String(from)} to ${String(MAX_INT32)}, got ${String(value)}`,
  );
}
