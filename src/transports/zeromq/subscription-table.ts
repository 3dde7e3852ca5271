/**
 * Who is subscribed to what, as the subscription frames of an XPUB tell it: `01 prefix` and `00 prefix`, one for each socket
 * that begins or ends to ask for the prefix (a socket that disconnects ends all of its own).
 *
 * It also knows the route of a topic: the longest prefix that anybody asks for and that the topic (with its terminator) begins
 * with. Every other one that matches is a beginning of it, so a message that begins with the route goes to exactly the sockets
 * that want the topic, and topics with the same route are wanted by the same sockets.
 *
 * libzmq knows of a subscription a little earlier than this table. Whoever has just subscribed must not get one record of a topic
 * and miss the next, so a route may grow at any time and shrinks only when it can take a topic from nobody: a prefix whose last
 * subscription ended stays a possible route until {@link SubscriptionTable.settle}. docs/decisions.md has the reasoning.
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
  /** Prefixes that nobody asks for any more, and that are routes still. */
  readonly #ended = new Set<string>();
  /** How many prefixes there are of each length, those that have ended included. */
  readonly #lengths: number[] = [];
  readonly #max: number;
  readonly #onRefused: () => void;
  /** By topic, until a subscription changes. */
  readonly #wanted = new Map<string, number>();
  /** By topic, until a prefix comes or goes. */
  readonly #routes = new Map<string, SubscriptionRoute | undefined>();
  readonly #routesByPrefix = new Map<string, SubscriptionRoute>();
  /** Some subscription is not in the table: only the topic itself is sure to reach it. */
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
    // Native subscribers are counted by the heartbeats: those have a place whoever filled the others.
    const isFull = this.#counts.size >= this.#max && prefix !== HEARTBEAT_PREFIX;
    if (isTooLong || (before === 0 && isFull)) {
      // What is too long for the table is too long for any topic.
      if (!isTooLong) this.#giveRoutesUp();
      this.#onRefused();
      return undefined;
    }
    const count = first === 1 ? before + 1 : before - 1;
    if (count > 0) this.#counts.set(prefix, count);
    if (before === 0) this.#begin(prefix);
    else if (count === 0) this.#end(prefix);
    // No user's topic is told by those of the bus itself, and each ready() brings some.
    if (!prefix.startsWith(RESERVED_PREFIX)) this.#wanted.clear();
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
    for (let length = 0; length <= bytes.length; length += 1) {
      if ((this.#lengths[length] ?? 0) > 0) sum += this.count(bytes.slice(0, length));
    }
    if (topic.startsWith(RESERVED_PREFIX)) return sum;
    if (this.#wanted.size >= REMEMBERED_TOPICS) this.#wanted.clear();
    this.#wanted.set(topic, sum);
    return sum;
  }

  /** The route of a topic of users, the same object for all that have it; undefined when it is the topic itself. Nobody asks: that of everything. */
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

  /** Whether there are prefixes that have ended and are routes still. */
  get isSettled(): boolean {
    return this.#ended.size === 0;
  }

  /** Whether nobody asks for anything. */
  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  /** Everything that libzmq has read is in the table: what has ended is no route any more. */
  settle(): void {
    for (const prefix of this.#ended) this.#forget(prefix);
    this.#ended.clear();
  }

  #begin(prefix: string): void {
    if (this.#ended.delete(prefix)) return;
    this.#lengths[prefix.length] = (this.#lengths[prefix.length] ?? 0) + 1;
    this.#forgetRoutes(prefix);
  }

  #end(prefix: string): void {
    this.#counts.delete(prefix);
    const isRoute = !this.#isIncomplete && !prefix.startsWith(RESERVED_PREFIX);
    if (!isRoute) {
      this.#forget(prefix);
      return;
    }
    this.#ended.add(prefix);
    if (this.#ended.size > this.#max) this.#giveRoutesUp();
  }

  #forget(prefix: string): void {
    this.#lengths[prefix.length] = (this.#lengths[prefix.length] ?? 1) - 1;
    this.#forgetRoutes(prefix);
  }

  #forgetRoutes(prefix: string): void {
    if (prefix.startsWith(RESERVED_PREFIX)) return;
    this.#routes.clear();
    this.#routesByPrefix.clear();
  }

  /** From now on every topic goes by its own name, which is the longest route there is. */
  #giveRoutesUp(): void {
    this.#isIncomplete = true;
    this.settle();
  }

  #longest(bytes: string): string {
    for (let length = bytes.length; length > 0; length -= 1) {
      if ((this.#lengths[length] ?? 0) === 0) continue;
      const prefix = bytes.slice(0, length);
      if (this.#counts.has(prefix) || this.#ended.has(prefix)) return prefix;
    }
    return '';
  }
}

function bytesOf(topic: string): string {
  return Buffer.from(`${topic}\0`).toString('latin1');
}
