/**
 * Runs the send chain of one message and is the owner of its end: its deadline, its caller's signal, its failure. A message that
 * was given up before the transport (or, for publish and reply, the queue) had it is counted as dropped, once, after its last attempt.
 */
import type { Operation } from './counters.ts';
import type { Bucket, Expirable } from './deadlines.ts';
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import { failed, misuse, settled } from './next-contract.ts';
import type { SendContext } from './send-context.ts';

/** After its deadline a chain gets this long to unwind (to end its spans) before the call is rejected without it. */
const UNWIND_MS = 100;

/** A call that did not end at once. One promise for all of it: what settles it also counts it, and it may be left alone. */
class OpenCall implements Expirable {
  bucket: Bucket | undefined = undefined;
  place = 0;
  /** Settles with its chain, or before with what ended the call; a request's with the body of the reply. */
  readonly promise: Promise<unknown>;
  readonly #kernel: Kernel;
  readonly #ctx: SendContext;
  readonly #operation: Operation;
  #resolve!: (body: unknown) => void;
  #reject!: (error: unknown) => void;
  #error: BusError | undefined = undefined;
  #isOver = false;

  constructor(kernel: Kernel, ctx: SendContext, operation: Operation) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#operation = operation;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Sees a chain to its end. */
  watch(running: Promise<void>): void {
    const ctx = this.#ctx;
    running.then(
      () => {
        const broken = settled(ctx);
        if (broken === undefined) this.#succeed();
        else this.#fail(broken);
      },
      (error: unknown) => {
        this.#fail(failed(ctx, error));
      },
    );
    // What has failed already may be tried again by a step that waits, so it needs its deadline.
    // Steps that always await next() and have come through it do not hang behind it.
    if (ctx.ended && ctx.accepted && this.#kernel.chains.awaitsNext) return;
    if (ctx.deadline !== undefined) this.#kernel.deadlines.add(this, ctx.deadline);
    ctx.signal?.addEventListener('abort', this, { once: true });
    if (ctx.signal?.aborted === true) this.handleEvent();
  }

  /** The bus has closed: nothing will end this call any more. */
  onClosed(): void {
    const { topic, endpoint } = this.#ctx;
    const error =
      this.#error ?? new BusError('CLOSED', 'the bus was closed before the call had ended', { topic, endpoint });
    this.#end(error);
    this.#fail(error);
  }

  expire(): void {
    this.#end(this.#error ?? this.#timeout());
  }

  /** The caller's signal. */
  handleEvent(): void {
    this.#end(aborted(this.#ctx));
  }

  #succeed(): void {
    if (this.#isOver) return;
    // A step has caught what failed, or has not waited for it, which looks the same.
    if (!this.#ctx.accepted) this.#keptQuiet();
    this.#done();
    this.#resolve(this.#ctx.reply?.body);
  }

  #keptQuiet(): void {
    const { logger, reporter } = this.#kernel;
    reporter.outboundDropped(misuse(this.#ctx), this.#operation);
    logger.debug(`a step ended the call for ${this.#ctx.topic} without an error, and the message was not sent`);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const { reporter } = this.#kernel;
    const ctx = this.#ctx;
    this.#isOver = true;
    if (!ctx.accepted) reporter.outboundDropped(error, this.#operation);
    reporter.rejected(error, this.#operation);
    giveUp(ctx, error);
    ctx.watcher?.over(error);
    this.#done();
    // Counted: the caller may look or not.
    this.promise.catch(ignore);
    this.#reject(error);
  }

  #done(): void {
    const { signal, slot } = this.#ctx;
    this.#isOver = true;
    this.#kernel.deadlines.remove(this);
    signal?.removeEventListener('abort', this);
    slot?.release();
  }

  #end(error: BusError): void {
    const ctx = this.#ctx;
    // The queue has it, and only the turn of the event loop is awaited: too late to give anything up.
    if (ctx.accepted && ctx.reached && !ctx.ended && ctx.waiting === undefined) return;
    const first = this.#error === undefined;
    this.#error = error;
    ctx.over = error;
    const { waiting } = ctx;
    if (first && waiting !== undefined) {
      this.#kernel.deadlines.add(this, this.#kernel.clock.now() + UNWIND_MS);
      waiting.giveUp(error);
      return;
    }
    this.#fail(error);
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

/**
 * Settles when the message's chain has; see the head of this file. Answers the body of the reply, where there is one. The promise may be left alone:
 * its rejection is counted and never ends the process.
 */
export function sendOut(kernel: Kernel, ctx: SendContext, operation: Operation): Promise<unknown> {
  const running = ctx.signal?.aborted === true ? Promise.reject(aborted(ctx)) : kernel.chains.send(ctx);
  if (running === DONE && ctx.ended && !ctx.doubled && ctx.accepted) {
    ctx.settled = true;
    return DONE;
  }
  const call = new OpenCall(kernel, ctx, operation);
  call.watch(running);
  return call.promise;
}

/** A step that failed without waiting for `next()` leaves a message behind that waits for the queue, a peer or a reply. */
function giveUp(ctx: SendContext, cause: unknown): void {
  ctx.over ??=
    cause instanceof BusError
      ? cause
      : new BusError('MIDDLEWARE_MISUSE', 'a middleware failed before next() had settled', { topic: ctx.topic, cause });
  ctx.waiting?.giveUp(ctx.over);
}

function also({ transport }: Kernel): string {
  return transport.connectHint === undefined ? '' : ` ${transport.connectHint}`;
}

function aborted(ctx: SendContext): BusError {
  const { topic, endpoint, signal } = ctx;
  return new BusError('ABORTED', 'the caller ended the call', { topic, endpoint, cause: signal?.reason });
}

function ignore(): void {
  // See sendOut.
}
