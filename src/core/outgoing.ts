/**
 * Runs the send chain of one message and is the owner of its end: its deadline, its caller's signal, its failure. A message that
 * was given up before the transport (or, for publish and reply, the queue) had it is counted as dropped, once, after its last attempt.
 */
import type { Operation } from './counters.ts';
import type { Expirable } from './deadlines.ts';
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { SendContext } from './send-context.ts';

/** After its deadline a chain gets this long to unwind (to end its spans) before the call is rejected without it. */
const UNWIND_MS = 100;

/** A call that did not end at once. */
class OpenCall implements Expirable {
  bucket: Set<Expirable> | undefined = undefined;
  /** Settles with its chain, or before with what ended the call. */
  readonly settled: Promise<void>;
  readonly #kernel: Kernel;
  readonly #ctx: SendContext;
  #reject!: (error: unknown) => void;
  #error: BusError | undefined;

  constructor(kernel: Kernel, ctx: SendContext, running: Promise<void>) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.settled = new Promise((resolve, reject) => {
      this.#reject = reject;
      running.then(resolve, reject);
    });
    if (ctx.deadline !== undefined) kernel.deadlines.add(this, ctx.deadline);
    ctx.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (ctx.signal?.aborted === true) this.#onAbort();
  }

  /** The bus has closed: nothing will end this call any more. */
  onClosed(): void {
    const { topic, endpoint } = this.#ctx;
    const error =
      this.#error ?? new BusError('CLOSED', 'the bus was closed before the call had ended', { topic, endpoint });
    this.#end(error);
    this.#reject(error);
  }

  expire(): void {
    this.#end(this.#error ?? this.#timeout());
  }

  done(): void {
    this.#kernel.deadlines.remove(this);
    this.#ctx.signal?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    this.#end(aborted(this.#ctx));
  };

  #end(error: BusError): void {
    const ctx = this.#ctx;
    // The queue has it, and only the turn of the event loop is awaited: too late to give anything up.
    if (ctx.accepted && ctx.reached && !ctx.ended && ctx.giveUp === undefined) return;
    const first = this.#error === undefined;
    this.#error = error;
    ctx.over = error;
    const { giveUp } = ctx;
    if (first && giveUp !== undefined) {
      this.#kernel.deadlines.add(this, this.#kernel.clock.now() + UNWIND_MS);
      giveUp(error);
      return;
    }
    this.#reject(error);
  }

  #timeout(): BusError {
    const { topic, endpoint, deadline, timeoutMs = 0, accepted, pattern } = this.#ctx;
    const begun = (deadline ?? 0) - timeoutMs;
    if (this.#ctx.ended && accepted) {
      const hint = 'Look at what runs after next(): the message itself has been sent.';
      return new BusError('MIDDLEWARE_MISUSE', 'a middleware did not come to an end in time', {
        topic,
        endpoint,
        hint,
      });
    }
    const details = { topic, endpoint, elapsedMs: this.#kernel.clock.now() - begun, limitMs: timeoutMs };
    if (accepted && pattern === 'request') {
      const hint = 'Check that the responder handles this topic in time, or raise `timeoutMs`.';
      return new BusError('REQUEST_TIMEOUT', 'no reply came in time', { ...details, hint });
    }
    const hint =
      pattern === 'publish'
        ? 'Subscribers are slower than the publisher: raise `hwmOutbound` or `publishTimeoutMs`, or see `slowSubscribers`.'
        : `Check that the peer is running at this endpoint, or raise the time-out.${also(this.#kernel)}`;
    return new BusError('SEND_TIMEOUT', 'the message could not be handed over in time', { ...details, hint });
  }
}

/** Settles when the message's chain has; see the head of this file. */
export function sendOut(kernel: Kernel, ctx: SendContext, operation: Operation): Promise<void> {
  if (ctx.signal?.aborted === true) return watch(kernel, ctx, operation, Promise.reject(aborted(ctx)));
  const running = kernel.chains.send(ctx);
  return running === DONE && ctx.accepted ? DONE : watch(kernel, ctx, operation, running);
}

/** Sees a chain to its end that has not settled at once. */
async function watch(kernel: Kernel, ctx: SendContext, operation: Operation, running: Promise<void>): Promise<void> {
  let call: OpenCall | undefined;
  try {
    // What has failed already may be tried again by a step that waits, so it needs its deadline.
    // Steps that always await next() and have come through it do not hang behind it.
    if (ctx.ended && ctx.accepted && kernel.chains.awaitsNext) {
      await running;
      return;
    }
    call = new OpenCall(kernel, ctx, running);
    await call.settled;
  } catch (error) {
    if (!ctx.accepted) kernel.reporter.outboundDropped(error, operation);
    kernel.reporter.rejected(error, operation);
    giveUp(ctx, error);
    ctx.watcher?.over(error);
    throw error;
  } finally {
    call?.done();
    ctx.slot?.release();
  }
}

/** A step that failed without waiting for `next()` leaves a message behind that waits for the queue, a peer or a reply. */
function giveUp(ctx: SendContext, cause: unknown): void {
  ctx.over ??=
    cause instanceof BusError
      ? cause
      : new BusError('MIDDLEWARE_MISUSE', 'a middleware failed before next() had settled', { topic: ctx.topic, cause });
  ctx.giveUp?.(ctx.over);
}

function also({ transport }: Kernel): string {
  return transport.connectHint === undefined ? '' : ` ${transport.connectHint}`;
}

function aborted(ctx: SendContext): BusError {
  const { topic, endpoint, signal } = ctx;
  return new BusError('ABORTED', 'the caller ended the call', { topic, endpoint, cause: signal?.reason });
}
