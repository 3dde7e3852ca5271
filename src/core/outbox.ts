/**
 * The bounded queue in front of a sink: keeps the order of the calls and bounds what waits. {@link Writer} takes from it.
 *
 * - Slots leave a lane in the order in which they were reserved; a slot whose chain still runs holds back what comes after it.
 *   Each reserved topic has a lane of its own, under `order: 'topic'` others may have one (topic-lanes.ts).
 * - The queue accepts up to `hwm` messages and `maxBytes`; what comes then waits, in order, until there is room.
 */
import { BusError } from './errors.ts';
import { Lane } from './lane.ts';
import { Slot } from './slot.ts';
import { partTopics } from './topic-lanes.ts';
import type { TopicRoutes } from './topic-lanes.ts';
import { isReserved } from './topics.ts';

/** The key of the lane of all topics. */
const COMMON = '';

/** How much an outbox holds, and which order it keeps. */
export interface OutboxOptions {
  /** Messages in the queue before callers wait. */
  readonly hwm: number;
  /** Bytes in the queue before callers wait. */
  readonly maxBytes: number;
  /** `global` keeps the order across topics; `topic` only within each, so that none waits for another. */
  readonly order: 'global' | 'topic';
}

/** See the head of this file. */
export abstract class Outbox {
  protected readonly lanes: Map<string, Lane> = new Map();
  protected queuedBytes = 0;
  readonly #options: OutboxOptions;
  readonly #waiting = new Lane();
  #queued = 0;
  #idle: (() => void)[] = [];

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Messages accepted and not yet taken by the transport. */
  get queued(): number {
    return this.#queued;
  }

  /** Something can be taken, or soon. */
  protected abstract onWork(slot: Slot): void;

  /** The same, but not before the caller has returned. */
  protected abstract onWorkLater(): void;

  /** Takes the next place in the order of calls. */
  reserve(topic: string): Slot {
    const slot = new Slot(topic, this.#release);
    this.laneAt(this.#keyOf(topic)).push(slot);
    return slot;
  }

  /** The lane with this key; made, where there is none. */
  protected laneAt(key: string): Lane {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      lane = new Lane();
      this.lanes.set(key, lane);
    }
    return lane;
  }

  /** Fills a reserved slot. Answers whether the queue took it at once; if not it waits, and its owner is told. */
  fill(slot: Slot): boolean {
    if (slot.state !== 'reserved')
      throw new BusError('CLOSED', 'the place in the queue was given up', { topic: slot.topic });
    slot.measure();
    if (this.#waiting.length === 0 && this.#hasRoom()) {
      this.accept(slot);
      return true;
    }
    slot.state = 'waiting';
    this.#waiting.push(slot);
    // Not now: its owner does not know yet that it has to wait.
    this.onWorkLater();
    return false;
  }

  /** Gives a slot up, in whatever state it is; nothing happens once it was sent or given up. */
  readonly #release = (slot: Slot): void => {
    if (slot.state === 'sent' || slot.state === 'void') return;
    const wasQueued = slot.state === 'queued';
    slot.state = 'void';
    slot.empty();
    this.#waiting.forget();
    this.#tidy(slot);
    if (wasQueued) this.leave(slot);
    if (this.#queued > 0 || this.#waiting.length > 0) this.onWorkLater();
    else this.checkIdle();
  };

  /** The bus's own records wait behind no message: a heartbeat that stands behind a slow chain would make healthy subscribers reconnect. */
  #keyOf(topic: string): string {
    if (isReserved(topic)) return topic;
    return this.#options.order === 'topic' && this.lanes.has(topic) ? topic : COMMON;
  }

  /** The lane that a slot stands in. */
  protected laneOf({ topic }: Slot): Lane | undefined {
    return this.lanes.get(this.#keyOf(topic));
  }

  /**
   * The next of a lane under `order: 'topic'`: in the common one who would hold up the others steps aside, as do topics that go alone, and those of one
   * route come together.
   */
  protected firstOf(lane: Lane, routes: TopicRoutes): Slot | undefined {
    const first = lane.first();
    if (first === undefined || lane !== this.lanes.get(COMMON)) return first;
    if (first.state === 'reserved' || routes.goesAlone(first.topic))
      partTopics(lane, routes, (topic) => this.laneAt(topic));
    lane.group(({ topic }) => routes.routeOf(topic));
    return lane.first();
  }

  /** A lane in which nothing is left goes, unless it is that of all topics. */
  protected leaveLane({ topic }: Slot): void {
    const key = this.#keyOf(topic);
    const lane = this.lanes.get(key);
    lane?.dropSettled();
    if (key !== COMMON && lane?.first() === undefined) this.lanes.delete(key);
  }

  /** Drops what was given up from the head of the slot's lane. */
  #tidy({ topic }: Slot): void {
    const key = this.#keyOf(topic);
    const lane = this.lanes.get(key);
    lane?.forget();
    if (lane !== undefined && lane.first() === undefined) this.lanes.delete(key);
  }

  /** Resolves when nothing is queued, waiting or reserved any more. */
  flushed(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up everything that is left: the owners are told, each with an error of its own. Answers how many messages of each topic that were. */
  abandon(error: (slot: Slot) => BusError): Map<string, number> {
    const left = new Map<string, number>();
    for (const lane of this.lanes.values()) {
      for (const slot of lane.all()) {
        if (slot.state === 'void' || slot.state === 'sent') continue;
        slot.state = 'void';
        if (!slot.control) left.set(slot.topic, (left.get(slot.topic) ?? 0) + 1);
        slot.owner?.onFailed(slot, error(slot));
      }
    }
    this.lanes.clear();
    this.#waiting.drop(this.#waiting.length);
    this.#queued = 0;
    this.queuedBytes = 0;
    this.checkIdle();
    return left;
  }

  #hasRoom(): boolean {
    return this.#queued < this.#options.hwm && (this.#queued === 0 || this.queuedBytes < this.#options.maxBytes);
  }

  /** The queue has it from now on. */
  protected accept(slot: Slot): void {
    slot.state = 'queued';
    this.#queued++;
    this.queuedBytes += slot.size;
    slot.owner?.onQueued(slot);
    this.onWork(slot);
  }

  /** A queued slot is done with: whoever waits may come in. */
  protected leave(slot: Slot): void {
    this.#queued--;
    this.queuedBytes -= slot.size;
    for (;;) {
      const next = this.#nextWaiting();
      if (next === undefined || !this.#hasRoom()) return;
      this.#waiting.drop(1);
      this.accept(next);
    }
  }

  #nextWaiting(): Slot | undefined {
    for (;;) {
      const next = this.#waiting.at(0);
      if (next === undefined || next.state === 'waiting') return next;
      this.#waiting.drop(1);
    }
  }

  #isIdle(): boolean {
    if (this.#queued > 0 || this.#nextWaiting() !== undefined) return false;
    for (const lane of this.lanes.values()) if (lane.first() !== undefined) return false;
    return true;
  }

  /** Tells those who wait for {@link Outbox.flushed}. */
  protected checkIdle(): void {
    if (this.#idle.length === 0 || !this.#isIdle()) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
