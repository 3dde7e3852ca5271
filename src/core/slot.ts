/**
 * A place in a writer's queue, taken when the call is made and filled when its chain has run: this is what keeps a sender's
 * messages in the order of the calls when a step of the chain is asynchronous.
 */
import type { MessageHeaders } from './headers.ts';
import type { SealedRecord } from './outgoing-packet.ts';

/**
 * - `reserved`: the chain is still running; what comes later in the same lane waits for it.
 * - `waiting`: filled, but the queue is over its marks.
 * - `queued`: accepted by the queue.
 * - `sent`: accepted by the transport.
 * - `void`: given up; the writer passes over it.
 */
export type SlotState = 'reserved' | 'waiting' | 'queued' | 'sent' | 'void';

const EMPTY: Uint8Array = new Uint8Array(0);

/** What becomes of a slot, told once each to whoever filled it. */
export interface SlotOwner {
  /** It is about to be encoded, once for each offer: the last moment for what depends on the time. */
  onSealing?(slot: Slot): void;
  /** The queue has accepted it. */
  onQueued(slot: Slot): void;
  /** The transport has accepted it. */
  onSent(slot: Slot): void;
  /** It will never be sent. */
  onFailed(slot: Slot, error: unknown): void;
}

/** One record of a writer's queue. */
export class Slot implements SealedRecord {
  readonly topic: string;
  state: SlotState = 'reserved';
  headers!: MessageHeaders;
  headerBlock: Uint8Array = EMPTY;
  payload: Uint8Array = EMPTY;
  /** Bytes in the packet, the external payload included. */
  size = 0;
  owner: SlotOwner | undefined = undefined;

  /** A record of the bus's own (cancel, heartbeat, ready): never counted. */
  control = false;
  /** The sink has been offered it and had no room. */
  offered = false;
  readonly #release: (slot: Slot) => void;

  constructor(topic: string, release: (slot: Slot) => void) {
    this.topic = topic;
    this.#release = release;
  }

  seal(): void {
    this.owner?.onSealing?.(this);
  }

  /** Gives the place up; does nothing once it was sent. */
  release(): void {
    this.#release(this);
  }
}
