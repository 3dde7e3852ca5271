/**
 * A place in a writer's queue, taken when the call is made and filled when its chain has run: this is what keeps a sender's
 * messages in the order of the calls when a step of the chain is asynchronous.
 */
import { MessageHeaders } from './headers.ts';
import type { SealedRecord } from './outgoing-packet.ts';
import { RECORD_OVERHEAD_BYTES } from './packet-layout.ts';

/**
 * - `reserved`: the chain is still running; what comes later in the same lane waits for it.
 * - `waiting`: filled, but the queue is over its marks.
 * - `queued`: accepted by the queue.
 * - `sent`: accepted by the transport.
 * - `void`: given up; the writer passes over it.
 */
export type SlotState = 'reserved' | 'waiting' | 'queued' | 'sent' | 'void';

const EMPTY: Uint8Array = new Uint8Array(0);
const NO_HEADERS = new MessageHeaders().freeze();

/** Text up to so many characters is encoded straight into its packet; in UTF-8 it stays below what travels as a frame of its own. */
const SHORT_TEXT = 2048;

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

/** What a slot takes over of a message. */
interface Loaded {
  readonly headers: MessageHeaders;
  /** The payload while it is still text. */
  readonly unencoded: string | undefined;
  readonly payload: Uint8Array;
}

/** One record of a writer's queue. */
export class Slot implements SealedRecord {
  readonly topic: string;
  state: SlotState = 'reserved';
  headers!: MessageHeaders;
  headerBlock: Uint8Array = EMPTY;
  /** A payload that is still text. */
  text: string | undefined = undefined;
  #payload: Uint8Array = EMPTY;
  /** Bytes in the packet, the external payload included; a character of text counts as one. */
  size = 0;
  owner: SlotOwner | undefined = undefined;

  /** A record of the bus's own (cancel, heartbeat, ready): never counted. */
  control = false;
  /** The sink has been offered it and had no room. */
  offered = false;
  /** The transport took it although it had been given up meanwhile. */
  takenLate: (() => void) | undefined = undefined;
  readonly #release: (slot: Slot) => void;

  constructor(topic: string, release: (slot: Slot) => void) {
    this.topic = topic;
    this.#release = release;
  }

  /** The bytes; text is encoded when somebody asks. */
  get payload(): Uint8Array {
    if (this.text !== undefined) {
      this.#payload = Buffer.from(this.text, 'utf8');
      this.text = undefined;
    }
    return this.#payload;
  }

  set payload(bytes: Uint8Array) {
    this.#payload = bytes;
    this.text = undefined;
  }

  /** Takes over what a chain has made. */
  load(ctx: Loaded, headerBlock: Uint8Array): void {
    this.headers = ctx.headers;
    this.headerBlock = headerBlock;
    const text = ctx.unencoded;
    if (text !== undefined && text.length <= SHORT_TEXT) this.text = text;
    else this.#payload = ctx.payload;
  }

  /** Lets go of all that it holds: a place that was given up may stand behind others for a long while. */
  empty(): void {
    this.headers = NO_HEADERS;
    this.headerBlock = EMPTY;
    this.payload = EMPTY;
    this.owner = undefined;
  }

  /** Reckons its size, when it is complete. */
  measure(): void {
    this.size = RECORD_OVERHEAD_BYTES + this.headerBlock.length + (this.text ?? this.#payload).length;
  }

  seal(): void {
    this.owner?.onSealing?.(this);
  }

  /** Gives the place up; does nothing once it was sent. */
  release(): void {
    this.#release(this);
  }
}
