/**
 * Who is subscribed to what, as the subscription frames of an XPUB tell it: `01 prefix` and `00 prefix`, one for each socket
 * that begins or ends to ask for the prefix (a socket that disconnects ends all of its own).
 *
 * It also knows the route of a topic: the longest prefix that was asked for and that the topic (with its terminator) begins with.
 * Every other one that matches is a beginning of it, so a message that begins with the route goes to exactly the sockets that want
 * the topic, and topics with the same route are wanted by the same sockets.
 *
 * A route may grow and never shrinks: a prefix stays one when its last subscription has ended. libzmq, or a forwarder in between,
 * knows of a subscription earlier than this table, and on a shorter route whoever has just subscribed could miss a record after it
 * got one; and any peer can end a subscription that is not its own. A longer route than needed costs packing, and nobody a record.
 */
import { MAX_TOPIC_BYTES, RESERVED_PREFIX, TOPIC_TERMINATOR } from '../../core/topics.ts';

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

/** Where packets of several topics go: to all who ask for `frame` or a beginning of it. */
export class SubscriptionRoute {
  /** The first frame of a message. */
  readonly frame: Uint8Array;

  constructor(prefix: string) {
    this.frame = Buffer.from(prefix, 'latin1');
  }
}

/** Longer than any prefix of a native peer; a plain one may ask for less or more, and is told nothing more exact. */
const LONGEST_PREFIX = 1024;

/** Answers kept in memory; with more topics than that they are worked out again. */
const REMEMBERED_TOPICS = 10_000;

/** Counts by prefix. Prefixes are kept as latin1 text, so that they compare by bytes. */
export class SubscriptionTable {
  readonly #counts = new Map<string, number>();
  /** All that users' topics may begin with and somebody has asked for. */
  readonly #prefixes = new Set<string>();
  /** Whether one of them has this length. */
  readonly #lengths: boolean[] = [];
  readonly #max: number;
  readonly #onRefused: () => void;
  /** By topic, until a subscription changes. */
  readonly #wanted = new Map<string, number>();
  /** By topic, until there is another prefix. */
  readonly #routes = new Map<string, SubscriptionRoute | undefined>();
  readonly #routesByPrefix = new Map<string, SubscriptionRoute>();
  /** Some prefix is not in the table: only the topic itself is sure to reach who asks for it. */
  #isIncomplete = false;

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
    if (first === 1 && !isTooLong) this.#addRoute(prefix);
    // Native subscribers are counted by the heartbeats: those have a place whoever filled the others.
    const isFull = this.#counts.size >= this.#max && prefix !== HEARTBEAT_PREFIX;
    if (isTooLong || (before === 0 && isFull)) {
      this.#onRefused();
      return undefined;
    }
    const count = first === 1 ? before + 1 : before - 1;
    if (count === 0) this.#counts.delete(prefix);
    else this.#counts.set(prefix, count);
    if (isForUsers(prefix)) this.#wanted.clear();
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
    const bytes = bytesOf(topic);
    let sum = 0;
    for (let length = 0; length <= bytes.length; length += 1) sum += this.count(bytes.slice(0, length));
    if (topic.startsWith(RESERVED_PREFIX)) return sum;
    if (this.#wanted.size >= REMEMBERED_TOPICS) this.#wanted.clear();
    this.#wanted.set(topic, sum);
    return sum;
  }

  /**
   * The route of a topic of users, the same object for all that have it; undefined when it is the topic itself. Where nobody has
   * asked for the topic it is the empty one: who asks for everything comes later and begins with it.
   */
  routeOf(topic: string): SubscriptionRoute | undefined {
    if (this.#isIncomplete) return undefined;
    const known = this.#routes.get(topic);
    if (known !== undefined || this.#routes.has(topic)) return known;
    const bytes = bytesOf(topic);
    const prefix = this.#longest(bytes);
    let route: SubscriptionRoute | undefined;
    if (prefix.length < bytes.length) {
      route = this.#routesByPrefix.get(prefix) ?? new SubscriptionRoute(prefix);
      this.#routesByPrefix.set(prefix, route);
    }
    if (this.#routes.size >= REMEMBERED_TOPICS) this.#routes.clear();
    this.#routes.set(topic, route);
    return route;
  }

  #addRoute(prefix: string): void {
    if (this.#isIncomplete || !isForUsers(prefix) || this.#prefixes.has(prefix)) return;
    if (this.#prefixes.size >= this.#max) {
      this.#giveRoutesUp();
      return;
    }
    this.#prefixes.add(prefix);
    this.#lengths[prefix.length] = true;
    this.#routes.clear();
  }

  /** From now on every topic goes by its own name, which is the longest route there is. */
  #giveRoutesUp(): void {
    this.#isIncomplete = true;
    this.#prefixes.clear();
    this.#routes.clear();
    this.#routesByPrefix.clear();
  }

  #longest(bytes: string): string {
    for (let length = bytes.length; length > 0; length -= 1) {
      if (this.#lengths[length] !== true) continue;
      const prefix = bytes.slice(0, length);
      if (this.#prefixes.has(prefix)) return prefix;
    }
    return '';
  }
}

/** Whether a topic of users can begin with it. Each ready() brings some with which none can. */
function isForUsers(prefix: string): boolean {
  return prefix.length <= MAX_TOPIC_BYTES + TOPIC_TERMINATOR.length && !prefix.startsWith(RESERVED_PREFIX);
}

function bytesOf(topic: string): string {
  return Buffer.from(`${topic}\0`).toString('latin1');
}
