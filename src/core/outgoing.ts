/**
 * Runs the send chain of one message and is the owner of its end: its deadline, its caller's signal, its failure. A message that
 * was given up before the transport (or, for publish and reply, the queue) had it is counted as dropped, once, after its last attempt.
 */
import type { Operation } from './counters.ts';
import type { Expirable } from './deadlines.ts';
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { SendContext } from './send-context.ts';

/** After its deadline a chain gets this long to unwind (to end its spans) before the call is rejected without it. */
const UNWIND_MS = 100;

/** A call that did not end at once. */
class OpenCall implements Expirable {
  bucket: Set<Expirable> | undefined = undefined;
  readonly ended: Promise<never>;
  readonly #kernel: Kernel;
  readonly #ctx: SendContext;
  readonly #since: number;
  #reject!: (error: unknown) => void;
  #error: BusError | undefined;

  constructor(kernel: Kernel, ctx: SendContext) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#since = kernel.clock.now();
    this.ended = new Promise((_resolve, reject) => {
      this.#reject = reject;
    });
    this.ended.catch(() => undefined);
    if (ctx.deadline !== undefined) kernel.deadlines.add(this, ctx.deadline);
    ctx.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (ctx.signal?.aborted === true) this.#onAbort();
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
    const first = this.#error === undefined;
    this.#error = error;
    const { giveUp } = this.#ctx;
    if (first && giveUp !== undefined) {
      this.#kernel.deadlines.add(this, this.#kernel.clock.now() + UNWIND_MS);
      giveUp(error);
      return;
    }
    this.#reject(error);
  }

  #timeout(): BusError {
    const { topic, endpoint, deadline, accepted, pattern } = this.#ctx;
    const now = this.#kernel.clock.now();
    const limitMs = deadline === undefined ? undefined : deadline - this.#since;
    const details = { topic, endpoint, elapsedMs: now - this.#since, limitMs };
    if (accepted && pattern === 'request') {
      const hint = 'Check that the responder handles this topic in time, or raise `timeoutMs`.';
      return new BusError('REQUEST_TIMEOUT', 'no reply came in time', { ...details, hint });
    }
    const hint =
      pattern === 'publish'
        ? 'Subscribers are slower than the publisher: raise `hwmOutbound` or `publishTimeoutMs`, or see `slowSubscribers`.'
        : 'Check that the peer is running at this endpoint, or raise the time-out.';
    return new BusError('SEND_TIMEOUT', 'the message could not be handed over in time', { ...details, hint });
  }
}

/** Settles when the message's chain has; see the head of this file. */
export async function sendOut(kernel: Kernel, ctx: SendContext, operation: Operation): Promise<void> {
  let call: OpenCall | undefined;
  try {
    if (ctx.signal?.aborted === true) throw aborted(ctx);
    const running = kernel.chains.send(ctx);
    if (ctx.ended) {
      await running;
      return;
    }
    call = new OpenCall(kernel, ctx);
    running.catch(() => undefined);
    await Promise.race([running, call.ended]);
  } catch (error) {
    if (!ctx.accepted) kernel.reporter.outboundDropped(error, operation);
    kernel.reporter.rejected(error, operation);
    throw error;
  } finally {
    call?.done();
    ctx.slot?.release();
  }
}

function aborted(ctx: SendContext): BusError {
  const { topic, endpoint, signal } = ctx;
  return new BusError('ABORTED', 'the caller ended the call', { topic, endpoint, cause: signal?.reason });
}
