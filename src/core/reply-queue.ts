/**
 * The replies to one peer: a bounded queue, and what waits for room in it. A reply whose peer does not take it is given up after
 * `replySendTimeoutMs`, the wait for room included.
 */
import type { Bucket, Expirable } from './deadlines.ts';
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { OutChannel, SendContext } from './send-context.ts';
import type { Slot, SlotOwner } from './slot.ts';
import { Streams } from './streams.ts';
import type { Peer } from './transport.ts';
import { Wait } from './wait.ts';
import { Writer } from './writer.ts';

/** Records per packet of replies. */
const MAX_RECORDS = 64;

/** A reply in a peer's queue, which it may not stay in for ever. */
class QueuedReply implements SlotOwner, Expirable {
  bucket: Bucket | undefined = undefined;
  place = 0;
  readonly #kernel: Kernel;
  readonly #slot: Slot;
  readonly #topic: string;
  readonly #deadline: number;

  constructor(kernel: Kernel, slot: Slot, { topic, deadline = Infinity }: SendContext) {
    this.#kernel = kernel;
    this.#slot = slot;
    this.#topic = topic;
    this.#deadline = deadline;
    this.own();
  }

  /** The slot is its own from now on. */
  own(): void {
    this.#slot.owner = this;
    this.#kernel.deadlines.add(this, this.#deadline);
  }

  /** It is somebody else's for a while. */
  lend(owner: SlotOwner): void {
    this.#kernel.deadlines.remove(this);
    this.#slot.owner = owner;
  }

  onQueued(): void {
    // Settled: the handler is done when its reply is queued.
  }

  onSent(): void {
    this.#kernel.deadlines.remove(this);
    this.#kernel.counters.sent.series('respond', this.#topic).value++;
  }

  onFailed(_slot: Slot, error: unknown): void {
    this.#kernel.deadlines.remove(this);
    this.#kernel.reporter.outboundDropped(error, 'respond');
    this.#kernel.reporter.report(error, 'respond', `a reply to "${this.#topic}" was lost`, { level: 'warn' });
  }

  expire(): void {
    this.#slot.release();
    this.onFailed(this.#slot, notTaken(this.#kernel, this.#topic));
  }
}

function notTaken(kernel: Kernel, topic: string): BusError {
  return new BusError('SEND_TIMEOUT', 'the requester did not take its reply', {
    topic,
    limitMs: kernel.settings.replySendTimeoutMs,
    hint: 'The requester is gone or reads too slowly; `replySendTimeoutMs` is the patience.',
  });
}

/** See the head of this file. */
export class ReplyQueue implements OutChannel {
  readonly writer: Writer;
  readonly #kernel: Kernel;
  readonly #endpoint: string;
  /** Replies that are not in the queue yet: their chain runs, or they wait for room. */
  underWay = 0;
  #end: { readonly code: 'PEER_GONE' | 'CLOSED'; readonly what: string } | undefined = undefined;

  constructor(kernel: Kernel, endpoint: string, peer: Peer) {
    this.#kernel = kernel;
    this.#endpoint = endpoint;
    const { hwmOutbound, maxQueueBytes } = kernel.settings;
    const maxRecords = kernel.transport.features.wire === 'native' ? MAX_RECORDS : 1;
    this.writer = new Writer(
      {
        hwm: hwmOutbound,
        maxBytes: maxQueueBytes,
        maxRecords,
        order: 'global',
        byTopic: false,
        clock: kernel.clock,
        turn: kernel.turn,
      },
      new Streams(1),
    );
    this.writer.attach(peer);
  }

  /** As many replies as the queue takes are on their way to this peer. */
  get crowded(): boolean {
    return this.writer.queued + this.underWay >= this.#kernel.settings.hwmOutbound;
  }

  handOver(ctx: SendContext): Promise<void> | undefined {
    const slot = ctx.slot ?? this.writer.reserve(ctx.topic);
    ctx.slot = undefined;
    try {
      if (this.#end !== undefined) throw this.#failure(slot, this.#end);
      slot.load(ctx, ctx.headers.encode(KIND_NUMBERS[ctx.kind]));
    } catch (error) {
      // Else its place would hold back all replies behind it.
      slot.release();
      throw error;
    }
    const queued = new QueuedReply(this.#kernel, slot, ctx);
    if (this.writer.fill(slot)) {
      ctx.accepted = true;
      return undefined;
    }
    this.#kernel.counters.backpressure.add('respond');
    return this.#room(ctx, slot, queued);
  }

  /** Settles when the queue has taken what waits for it. */
  async #room(ctx: SendContext, slot: Slot, queued: QueuedReply): Promise<void> {
    const wait = new Wait(ctx, slot, 'queued', {
      now: () => this.#kernel.clock.now(),
      onGivenUp() {
        // The slot has been released, and the failure goes to who sends the reply.
      },
      onEnded() {
        // Who sends the reply sees it.
      },
      onQueued: () => queued.own(),
    });
    queued.lend(wait);
    try {
      await wait.promise;
    } catch (error) {
      throw error instanceof BusError && error.code === 'SEND_TIMEOUT' ? notTaken(this.#kernel, ctx.topic) : error;
    }
  }

  /** Gives up what is left and what still comes. */
  abandon(code: 'PEER_GONE' | 'CLOSED', what: string): void {
    const end = { code, what };
    this.#end = end;
    this.writer.abandon((slot) => this.#failure(slot, end));
  }

  #failure(
    { topic }: Slot,
    { code, what }: { readonly code: 'PEER_GONE' | 'CLOSED'; readonly what: string },
  ): BusError {
    return new BusError(code, what, { topic, endpoint: this.#endpoint });
  }
}
