/**
 * One coarse timer for every time-out of a bus: calls that wait in a queue, requests in flight, requests being handled.
 * A timer per message would cost more than the message. Entries sit in buckets of {@link TICK_MS}; an entry fires at the end
 * of its bucket, so up to one tick late and never early.
 *
 * What is due fires one turn of the event loop after the timer: timers run before sockets are read, so in a process that was
 * busy past a deadline a reply that is there already would else lose to its own time-out, and its endpoint be left alone.
 */
import type { Clock, ClockTimer } from './clock.ts';
import { LONGEST_MS } from './option-checks.ts';
import { outsideTraces } from './outside-traces.ts';

/** Something with a deadline. */
export interface Expirable {
  /** The bus has closed before the deadline. */
  onClosed?(): void;
  /** The bucket it sits in, and where in it; owned by {@link Deadlines}. */
  bucket: Bucket | undefined;
  place: number;
  expire(): void;
}

/** The entries of one tick: no Set, whose tables would be replaced again and again while entries come and go. */
export interface Bucket {
  readonly tick: number;
  readonly entries: Expirable[];
}

/** Coarse enough that a thousand calls share a timer, fine enough for time-outs counted in tens of milliseconds. */
export const TICK_MS = 5;

/** So many buckets are looked through for empty ones: the deadlines of requests come from strangers, each may be far away and another. */
const MANY_BUCKETS = 4096;

/** Deadlines of one bus. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #buckets = new Map<number, Bucket>();
  /** Most entries come with the same time-out as the one before. */
  #recent: Bucket | undefined = undefined;
  #timer: ClockTimer = undefined;
  #timerTick = Infinity;
  #sweepAt = MANY_BUCKETS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many buckets there are, empty ones included. */
  get buckets(): number {
    return this.#buckets.size;
  }

  /** Calls `entry.expire()` once `atMs` (on the bus's clock) has passed, unless it is removed before. */
  add(entry: Expirable, atMs: number): void {
    this.remove(entry);
    const tick = Math.ceil(atMs / TICK_MS);
    const bucket = this.#recent?.tick === tick ? this.#recent : this.#bucketOf(tick);
    this.#recent = bucket;
    entry.place = bucket.entries.push(entry) - 1;
    entry.bucket = bucket;
    if (tick < this.#timerTick) this.#arm(tick);
  }

  remove(entry: Expirable): void {
    const { bucket, place } = entry;
    if (bucket === undefined) return;
    entry.bucket = undefined;
    // The last one takes the place that is free.
    const last = bucket.entries.pop();
    if (last === undefined || last === entry) return;
    bucket.entries[place] = last;
    last.place = place;
  }

  /** The bus closes: what still waits is told, not forgotten. */
  close(): void {
    const open = [...this.#buckets.values()].flatMap(({ entries }) => [...entries]);
    this.#clear();
    for (const entry of open) {
      entry.bucket = undefined;
      entry.onClosed?.();
    }
  }

  #bucketOf(tick: number): Bucket {
    let bucket = this.#buckets.get(tick);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep();
      bucket = { tick, entries: [] };
      this.#buckets.set(tick, bucket);
    }
    return bucket;
  }

  /** Empty buckets go when the timer fires; one that is far away does not. */
  #sweep(): void {
    this.#recent = undefined;
    for (const [tick, { entries }] of this.#buckets) if (entries.length === 0) this.#buckets.delete(tick);
    this.#sweepAt = Math.max(MANY_BUCKETS, this.#buckets.size * 2);
  }

  #clear(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerTick = Infinity;
    this.#buckets.clear();
    this.#recent = undefined;
  }

  #arm(tick: number): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timerTick = tick;
    // A later deadline is armed again.
    const delay = Math.min(Math.max(0, tick * TICK_MS - this.#clock.now()), LONGEST_MS);
    const fire = (): void => {
      // Two turns: sockets are read in the first, and what they brought comes through its chain in the second.
      setImmediate(() => setImmediate(() => this.#fire()));
    };
    this.#timer = outsideTraces(() => this.#clock.setTimeout(fire, delay));
  }

  #fire(): void {
    // An entry that came between the timer and this turn may have armed another one.
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerTick = Infinity;
    const now = this.#clock.now();
    const due: Expirable[] = [];
    let next = Infinity;
    this.#recent = undefined;
    for (const [tick, { entries }] of this.#buckets) {
      if (entries.length === 0) this.#buckets.delete(tick);
      else if (tick * TICK_MS <= now) {
        this.#buckets.delete(tick);
        for (const entry of entries) due.push(entry);
      } else if (tick < next) next = tick;
    }
    if (next !== Infinity) this.#arm(next);
    for (const entry of due) {
      // An earlier one of this turn may have settled it.
      if (entry.bucket === undefined) continue;
      this.remove(entry);
      entry.expire();
    }
  }
}
