/**
 * The subscribing side of gap detection: compares the sequences that arrive with the ones that should. The base line of a
 * stream is its first packet, or the first heartbeat that names it; a new epoch and a new subscription start over. The number of
 * streams is bounded: a forgotten one starts over too, so that a flood of topics costs counts and not memory.
 *
 * A first heartbeat is a base line on trial: it may have left before the subscription was there, and what was published between the two
 * was never meant for this receiver. A packet that comes next moves the base line up to itself, a second heartbeat confirms it.
 */

/** Messages that were published and never arrived. */
export interface Gap {
  readonly topic: string;
  readonly epoch: number;
  readonly endpoint: string;
  /** The first and the last sequence that are missing. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

interface Seen {
  epoch: number;
  last: number;
  /** What heartbeats have told to be missing since the last packet. */
  missed: number;
  onTrial: boolean;
}

/** Streams of one receiver. */
export class GapDetector {
  readonly #streams = new Map<string, Map<number, Seen>>();
  readonly #endpoint: string;
  readonly #onGap: (gap: Gap) => void;
  readonly #max: number;
  #size = 0;
  #hasEvicted = false;
  #recentTopic = '';
  #recent: Seen | undefined;

  constructor(endpoint: string, onGap: (gap: Gap) => void, max = 10_000) {
    this.#endpoint = endpoint;
    this.#onGap = onGap;
    this.#max = max;
  }

  /**
   * Records `first`..`last` of a stream have arrived. Repeats and old ones change nothing. Answers how many are missing just before
   * `first`, those included that a heartbeat has told of already.
   */
  observe(topic: string, epoch: number, first: number, last: number): number {
    const seen = this.#seen(topic, epoch, first - 1, false);
    if (seen.onTrial) {
      seen.onTrial = false;
      seen.last = Math.max(seen.last, first - 1);
    }
    if (first <= seen.last) {
      if (last > seen.last) seen.last = last;
      return 0;
    }
    const missed = seen.missed + first - 1 - seen.last;
    if (first > seen.last + 1) this.#missing(topic, epoch, seen.last + 1, first - 1);
    seen.missed = 0;
    seen.last = last;
    return missed;
  }

  /** The publisher says that a stream has reached `last`. */
  heartbeat(topic: string, epoch: number, last: number): void {
    const isKnown = this.#streams.get(topic)?.has(epoch) === true;
    // One that names hundreds must not evict what packets have told, nor be the base line of what was evicted: it may be older than they are.
    if (!isKnown && (this.#hasEvicted || this.#size >= this.#max)) return;
    const seen = this.#seen(topic, epoch, last, true);
    if (isKnown) seen.onTrial = false;
    if (last <= seen.last) return;
    this.#missing(topic, epoch, seen.last + 1, last);
    seen.missed += last - seen.last;
    seen.last = last;
  }

  /** Starts over for the topics that `covers`: a subscription of theirs is new. */
  reset(covers: (topic: string) => boolean): void {
    this.#recent = undefined;
    for (const [topic, epochs] of this.#streams) {
      if (!covers(topic)) continue;
      this.#size -= epochs.size;
      this.#streams.delete(topic);
    }
  }

  #missing(topic: string, epoch: number, from: number, to: number): void {
    this.#onGap({ topic, epoch, endpoint: this.#endpoint, from, to, count: to - from + 1 });
  }

  #seen(topic: string, epoch: number, base: number, onTrial: boolean): Seen {
    if (this.#recent?.epoch === epoch && this.#recentTopic === topic) return this.#recent;
    let epochs = this.#streams.get(topic);
    if (epochs === undefined) {
      epochs = new Map();
      this.#streams.set(topic, epochs);
    }
    let seen = epochs.get(epoch);
    if (seen === undefined) {
      if (this.#size >= this.#max) this.#evict();
      seen = { epoch, last: base, missed: 0, onTrial };
      if (!this.#streams.has(topic)) {
        // What was evicted is this very topic: the epochs that it had are gone with it.
        epochs = new Map();
        this.#streams.set(topic, epochs);
      }
      epochs.set(epoch, seen);
      this.#size++;
    }
    this.#recentTopic = topic;
    this.#recent = seen;
    return seen;
  }

  #evict(): void {
    this.#hasEvicted = true;
    for (const [topic, epochs] of this.#streams) {
      this.#streams.delete(topic);
      this.#size -= epochs.size;
      if (epochs.size > 0) return;
    }
  }
}
