/**
 * One outgoing message that waits: for the endpoint to open, for room in the queue, for a peer to take it, or for a reply.
 * The deadline or the caller's signal ends it through `ctx.waiting`.
 */
import type { BusError } from './errors.ts';
import type { PendingCall, ReceiveContext } from './receive-context.ts';
import type { SendContext, Waiting } from './send-context.ts';
import type { Slot, SlotOwner } from './slot.ts';

/** What a message waits for at the end of its chain. */
export type WaitFor = 'queued' | 'sent' | 'reply';

/** What the channel wants to know of a wait that ended without success. */
export interface WaitHooks {
  /** The bus's clock. */
  now(): number;
  /** The wait was ended by its deadline or its caller. */
  onGivenUp(wait: Wait, error: BusError): void;
  /** It is over, in whatever way. */
  onEnded(wait: Wait): void;
  /** The slot is the channel's now: nobody waits any more (published and queued). */
  onQueued(slot: Slot): void;
  /** The slot is about to be encoded. */
  onSealing?(wait: Wait, slot: Slot): void;
}

/** See the head of this file. */
export class Wait implements SlotOwner, PendingCall, Waiting {
  readonly ctx: SendContext;
  readonly until: WaitFor;
  readonly promise: Promise<void>;
  /** It is all that the end of the chain waits for. */
  marksEnd = false;
  slot: Slot;
  /** When the transport took what waits for a reply, on the bus's clock. */
  sentAt: number | undefined = undefined;
  readonly #hooks: WaitHooks;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  #done = false;

  constructor(ctx: SendContext, slot: Slot, until: WaitFor, hooks: WaitHooks) {
    this.ctx = ctx;
    this.slot = slot;
    this.until = until;
    this.#hooks = hooks;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    ctx.waiting = this;
  }

  giveUp(error: BusError): void {
    if (this.#done) return;
    this.slot.release();
    this.fail(error);
    this.#hooks.onGivenUp(this, error);
  }

  onQueued(slot: Slot): void {
    if (this.until !== 'queued') return;
    this.ctx.accepted = true;
    this.#hooks.onQueued(slot);
    this.succeed();
  }

  onSealing(slot: Slot): void {
    this.#hooks.onSealing?.(this, slot);
  }

  onSent(): void {
    this.ctx.accepted = true;
    if (this.until === 'sent') this.succeed();
    else this.sentAt = this.#hooks.now();
  }

  onFailed(_slot: Slot, error: unknown): void {
    this.fail(error);
  }

  /** The reply is here. */
  answer(reply: ReceiveContext): void {
    this.ctx.reply = reply;
    this.succeed();
  }

  succeed(): void {
    if (this.#done) return;
    this.#end();
    this.#resolve();
  }

  fail(error: unknown): void {
    if (this.#done) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#done = true;
    this.ctx.waiting = undefined;
    if (this.marksEnd) this.ctx.ended = true;
    this.#hooks.onEnded(this);
  }
}
