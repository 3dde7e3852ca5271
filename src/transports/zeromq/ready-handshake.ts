/**
 * How a subscriber learns that its subscriptions have arrived: it subscribes to a random topic, on which the publisher then
 * sends one packet.
 *
 * Subscriptions arrive in the order in which they were sent, but on a new connection all of them are sent again in the order
 * of a tree, in which the random one may come first. So there are two: when the first echo is here, the connection exists, and
 * a second random topic goes after everything else. With one echo none of 20,000 subscriptions could be there, with two all were.
 * A connection made between the two begins anew. A publisher that appears later is sent the subscriptions then, and answers;
 * as an answer can get lost, fresh topics are tried after a while. Those before them still count: behind a full pipe every answer may take longer
 * than the longest while.
 */
import { randomUUID } from 'node:crypto';
import type { Clock, ClockTimer } from '../../core/clock.ts';
import type { DecodedPacket } from '../../core/packet.ts';
import { RESERVED_PREFIX, TOPIC_TERMINATOR } from '../../core/topics.ts';

/** What the topics of echoes begin with. */
export const READY_PREFIX: string = `${RESERVED_PREFIX}ready.`;

/** How long the first attempt waits for an echo before there is another; each later one twice as long, as thousands of subscriptions take their time. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

/** Attempts that still count: the answer to the oldest may take a minute. */
const MAX_ATTEMPTS = 16;

/** What the handshake needs of its link. */
export interface ReadyLink {
  readonly clock: Clock;
  /** Goes up with each connection that is made. */
  connections(): number;
  subscribePrefix(prefix: string): void;
  unsubscribePrefix(prefix: string): void;
}

/** The handshakes of one subscriber. */
export class ReadyHandshake {
  readonly #link: ReadyLink;
  /** What to do with the id of an echo, by its topic. */
  readonly #waiting = new Map<string, (publisherId: string) => void>();

  constructor(link: ReadyLink) {
    this.#link = link;
  }

  /** An echo has arrived; those of others, or too late, are nobody's. */
  onEcho(topic: string, { epoch, records }: DecodedPacket): void {
    const answered = this.#waiting.get(topic);
    if (answered === undefined) return;
    for (const { payload } of records) answered(publisherId(payload) ?? `epoch ${String(epoch)}`);
  }

  /** Resolves when all earlier subscriptions are at `publishers` different publishers; rejects with the signal's reason. */
  async run(publishers: number, signal: AbortSignal): Promise<void> {
    let connections: number;
    do {
      await this.#echo(publishers, signal);
      connections = this.#link.connections();
      await this.#echo(publishers, signal);
    } while (connections !== this.#link.connections());
  }

  /** Resolves when enough publishers have answered on one random topic; rejects with the signal's reason. */
  async #echo(publishers: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { clock } = this.#link;
    const topics: string[] = [];
    let timer: ClockTimer = undefined;
    let abort = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const attempt = (waitMs: number): void => {
          const oldest = topics.length === MAX_ATTEMPTS ? topics.shift() : undefined;
          if (oldest !== undefined) this.#forget(oldest);
          topics.push(this.#ask(publishers, resolve));
          const next = Math.min(waitMs * 2, LONGEST_WAIT_MS);
          timer = clock.setTimeout(() => attempt(next), waitMs, { keepAlive: false });
        };
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the contract: the signal's reason
        abort = () => reject(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        attempt(FIRST_WAIT_MS);
      });
    } finally {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      for (const topic of topics) this.#forget(topic);
    }
  }

  /** Asks for answers on a random topic, which it answers with. */
  #ask(publishers: number, onEnough: () => void): string {
    const topic = READY_PREFIX + randomUUID();
    const ids = new Set<string>();
    this.#waiting.set(topic, (id) => {
      ids.add(id);
      if (ids.size >= publishers) onEnough();
    });
    this.#link.subscribePrefix(topic + TOPIC_TERMINATOR);
    return topic;
  }

  #forget(topic: string): void {
    this.#waiting.delete(topic);
    this.#link.unsubscribePrefix(topic + TOPIC_TERMINATOR);
  }
}

/** Who answered: `{"id":"..."}`. Who does not say so is told from others by the epoch of the stream. */
function publisherId(payload: Buffer): string | undefined {
  try {
    const said: unknown = JSON.parse(payload.toString('utf8'));
    if (typeof said === 'object' && said !== null && 'id' in said && typeof said.id === 'string') return said.id;
  } catch {
    // Nameless, see above.
  }
  return undefined;
}
