/**
 * What a SUB socket asks for, each prefix once however many patterns need it: libzmq counts too, but tells the publisher of every beginning and
 * of the last end only.
 *
 * A prefix does not end in the moment in which a longer one takes its place. libzmq, at the publisher or at a forwarder, acts on both before the
 * publisher has read of the longer one, and until then sends what begins with it by a shorter route (subscription-table.ts), which nobody asks for here
 * any more. So the shorter one stays a while; what it brings too much the core filters, as ever.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { Clock, ClockTimer } from '../../core/clock.ts';
import { RESERVED_PREFIX, TOPIC_TERMINATOR } from '../../core/topics.ts';

/** For so long after a prefix began those that it begins with do not end: far more than its way to the publishers takes. */
export const HAND_OVER_MS = 1000;

/** The part of a SUB socket that is needed. */
export interface PrefixSocket {
  readonly closed: boolean;
  subscribe(prefix: string): void;
  unsubscribe(prefix: string): void;
}

interface Asked {
  /** How many need it; 0 while it only stays a while. */
  count: number;
  readonly since: number;
  ending: ClockTimer;
}

/** See the head of this file. */
export class Prefixes {
  readonly #socket: PrefixSocket;
  readonly #clock: Clock;
  readonly #handOverMs: number;
  readonly #asked = new Map<string, Asked>();
  /** When the last one began. */
  #lastBegun = -Infinity;

  /** @param handOverMs 0 where publishers send by topic alone */
  constructor(socket: PrefixSocket, clock: Clock, handOverMs: number = HAND_OVER_MS) {
    this.#socket = socket;
    this.#clock = clock;
    this.#handOverMs = handOverMs;
  }

  begin(prefix: string): void {
    const asked = this.#asked.get(prefix);
    if (asked !== undefined) {
      asked.count++;
      this.#clock.clearTimeout(asked.ending);
      asked.ending = undefined;
      return;
    }
    const since = this.#clock.now();
    this.#asked.set(prefix, { count: 1, since, ending: undefined });
    // Topics of the bus itself go by their own names.
    if (!prefix.startsWith(RESERVED_PREFIX)) this.#lastBegun = since;
    if (!this.#socket.closed) this.#socket.subscribe(prefix);
  }

  end(prefix: string): void {
    const asked = this.#asked.get(prefix);
    if (asked === undefined || asked.count === 0) return;
    asked.count--;
    if (asked.count === 0) this.#endInTime(prefix, asked);
  }

  /** The socket closes: no timer is left. */
  stop(): void {
    for (const asked of this.#asked.values()) this.#clock.clearTimeout(asked.ending);
    this.#asked.clear();
  }

  #endInTime(prefix: string, asked: Asked): void {
    const wait = this.#mayEndIn(prefix);
    if (wait > 0) {
      const again = (): void => this.#endInTime(prefix, asked);
      asked.ending = context.with(ROOT_CONTEXT, () => this.#clock.setTimeout(again, wait, { keepAlive: false }));
      return;
    }
    this.#asked.delete(prefix);
    if (!this.#socket.closed) this.#socket.unsubscribe(prefix);
  }

  /** Milliseconds until every longer one that begins with the prefix has been there for long enough. */
  #mayEndIn(prefix: string): number {
    const handedOver = this.#clock.now() - this.#handOverMs;
    // Nothing longer begins with a whole topic.
    if (this.#lastBegun <= handedOver || prefix.endsWith(TOPIC_TERMINATOR)) return 0;
    let last = handedOver;
    for (const [other, { count, since }] of this.#asked) {
      if (since <= last || count === 0 || other.length <= prefix.length) continue;
      if (other.startsWith(prefix) && !other.startsWith(RESERVED_PREFIX)) last = since;
    }
    return last - handedOver;
  }
}
