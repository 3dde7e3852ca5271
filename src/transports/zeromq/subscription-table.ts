/**
 * Who is subscribed to what, as the subscription frames of an XPUB tell it: `01 prefix` and `00 prefix`, one for each socket
 * that begins or ends to ask for the prefix (a socket that disconnects ends all of its own).
 */
import { RESERVED_PREFIX } from '../../core/topics.ts';

/** What every native subscriber asks for: how often it is there is how many of them there are. */
export const HEARTBEAT_PREFIX: string = `${RESERVED_PREFIX}heartbeat\0`;

/** One change of a subscription. */
export interface SubscriptionChange {
  readonly kind: 'subscribe' | 'unsubscribe';
  /** The bytes of the prefix, one character each. */
  readonly prefix: string;
  /** How many sockets ask for it now. */
  readonly count: number;
}

/** Longer than any prefix of a native peer; a plain one may ask for less or more, and is told nothing more exact. */
const LONGEST_PREFIX = 1024;

/** Counts answered from memory; with more topics than that they are worked out again. */
const REMEMBERED_TOPICS = 4096;

/** Counts by prefix. Prefixes are kept as latin1 text, so that they compare by bytes. */
export class SubscriptionTable {
  readonly #counts = new Map<string, number>();
  readonly #max: number;
  readonly #onRefused: () => void;
  /** By topic, until a subscription changes. */
  readonly #wanted = new Map<string, number>();

  /**
   * @param max how many different prefixes are kept account of
   * @param onRefused called for each that is not, for this reason or because it is too long
   */
  constructor(max: number, onRefused: () => void) {
    this.#max = max;
    this.#onRefused = onRefused;
  }

  /** Takes a frame that an XPUB received. Undefined when it is none of a subscription, or ends one that was not there. */
  apply(frame: Buffer): SubscriptionChange | undefined {
    const first = frame[0];
    if (first !== 0 && first !== 1) return undefined;
    const isTooLong = frame.length > LONGEST_PREFIX;
    const prefix = isTooLong ? '' : frame.toString('latin1', 1);
    const before = isTooLong ? 0 : (this.#counts.get(prefix) ?? 0);
    if (first === 0 && before === 0) return undefined;
    // Native subscribers are counted by the heartbeats: those have a place whoever filled the others.
    const isFull = this.#counts.size >= this.#max && prefix !== HEARTBEAT_PREFIX;
    if (isTooLong || (before === 0 && isFull)) {
      this.#onRefused();
      return undefined;
    }
    const count = first === 1 ? before + 1 : before - 1;
    if (count === 0) this.#counts.delete(prefix);
    else this.#counts.set(prefix, count);
    this.#wanted.clear();
    return { kind: first === 1 ? 'subscribe' : 'unsubscribe', prefix, count };
  }

  /** How many sockets ask for exactly this prefix. */
  count(prefix: string): number {
    return this.#counts.get(prefix) ?? 0;
  }

  /** How many subscriptions match what begins with `topic` and its terminator: an upper bound of the sockets that get it. */
  matching(topic: string): number {
    const known = this.#wanted.get(topic);
    if (known !== undefined) return known;
    const bytes = Buffer.from(`${topic}\0`).toString('latin1');
    let sum = 0;
    for (let length = 0; length <= bytes.length; length += 1) sum += this.count(bytes.slice(0, length));
    if (this.#wanted.size >= REMEMBERED_TOPICS) this.#wanted.clear();
    this.#wanted.set(topic, sum);
    return sum;
  }
}
