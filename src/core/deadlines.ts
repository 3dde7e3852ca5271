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
  /** The bucket it sits in; owned by {@link Deadlines}. */
  bucket: Set<Expirable> | undefined;
  expire(): void;
}

/** Coarse enough that a thousand calls share a timer, fine enough for time-outs counted in tens of milliseconds. */
export const TICK_MS = 5;

/** So many buckets are looked through for empty ones: the deadlines of requests come from strangers, each may be far away and another. */
const MANY_BUCKETS = 4096;

/** Deadlines of one bus. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #buckets = new Map<number, Set<Expirable>>();
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
    let bucket = this.#buckets.get(tick);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep();
      bucket = new Set();
      this.#buckets.set(tick, bucket);
    }
    bucket.add(entry);
    entry.bucket = bucket;
    if (tick < this.#timerTick) this.#arm(tick);
  }

  remove(entry: Expirable): void {
    entry.bucket?.delete(entry);
    entry.bucket = undefined;
  }

  /** The bus closes: what still waits is told, not forgotten. */
  close(): void {
    const open = [...this.#buckets.values()].flatMap((bucket) => [...bucket]);
    this.#clear();
    for (const entry of open) {
      entry.bucket = undefined;
      entry.onClosed?.();
    }
  }

  /** Empty buckets go when the timer fires; one that is far away does not. */
  #sweep(): void {
    for (const [tick, bucket] of this.#buckets) if (bucket.size === 0) this.#buckets.delete(tick);
    this.#sweepAt = Math.max(MANY_BUCKETS, this.#buckets.size * 2);
  }

  #clear(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerTick = Infinity;
    this.#buckets.clear();
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
    for (const [tick, bucket] of this.#buckets) {
      if (bucket.size === 0) this.#buckets.delete(tick);
      else if (tick * TICK_MS <= now) {
        this.#buckets.delete(tick);
        for (const entry of bucket) due.push(entry);
      } else if (tick < next) next = tick;
    }
    if (next !== Infinity) this.#arm(next);
    for (const entry of due) {
      // An earlier one of this turn may have settled it.
      if (entry.bucket === undefined) continue;
      entry.bucket = undefined;
      entry.expire();
    }
  }
}
