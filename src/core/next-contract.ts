/**
 * Holds middleware to the contract of `next()`: called once, awaited or returned. Whoever breaks it gets MIDDLEWARE_MISUSE; nothing that
 * fails behind a forgotten promise is lost, and no such promise ends the process.
 */
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import type { Next } from './middleware.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { SendContext } from './send-context.ts';

/** One step, of the shape that Koa has. */
export type Step<C> = (ctx: C, next: Next) => unknown;

/** A composed chain. */
export type Run<C> = (ctx: C) => Promise<void>;

/** Notes on the context how far the message came, which is how a step that forgot `next()` or its promise is found out. */
export function marking<C extends ReceiveContext | SendContext>(end: (ctx: C) => Promise<void> | undefined): Run<C> {
  return (ctx) => {
    // The call has been rejected or the message counted as dropped: neither may happen after all.
    if (ctx.settled) throw misuse(ctx);
    ctx.reached = true;
    ctx.ended = false;
    let result: Promise<void> | undefined;
    try {
      result = end(ctx);
    } catch (error) {
      ctx.ended = true;
      throw error;
    }
    if (result === undefined) {
      ctx.ended = true;
      return DONE;
    }
    if (marksEnd(ctx)) return result;
    // Not finally(), which makes two promises more.
    return result.then(
      () => {
        ctx.ended = true;
      },
      (error: unknown) => {
        ctx.ended = true;
        throw error;
      },
    );
  };
}

/** Whether the promise that the end has answered marks it by itself, which it may have done by now: a promise less for each message that waits. */
function marksEnd(ctx: ReceiveContext | SendContext): boolean {
  return ctx.direction === 'send' && (ctx.ended || ctx.waiting?.marksEnd === true);
}

/**
 * Stands around steps that promise nothing: those further out (which measure and trace) see a broken contract as the failure that the
 * call or the log will tell.
 */
export function judging(ctx: ReceiveContext | SendContext, next: Next): Promise<void> {
  const running = next();
  if (running === DONE && ctx.ended && !ctx.doubled) return DONE;
  return running.then(
    () => {
      if (isBroken(ctx)) throw misuse(ctx);
    },
    (error: unknown) => {
      throw ctx.doubled && !(error instanceof BusError) ? misuse(ctx, error) : error;
    },
  );
}

/** Turns a broken contract into MIDDLEWARE_MISUSE, and marks the end of the chain. */
export function settling<C extends ReceiveContext | SendContext>(run: Run<C>): Run<C> {
  // Not an async function: every message passes here, and this way it waits one tick in place of three.
  return (ctx) => {
    const running = run(ctx);
    if (running === DONE && ctx.ended && !ctx.doubled) {
      ctx.settled = true;
      return DONE;
    }
    return running.then(
      () => {
        const broken = settled(ctx);
        if (broken !== undefined) throw broken;
      },
      (error: unknown) => {
        throw failed(ctx, error);
      },
    );
  };
}

/** Whether a chain that has come to its end without an error should not have. */
function isBroken(ctx: ReceiveContext | SendContext): boolean {
  return !ctx.ended || ctx.doubled || ctx.forgotten;
}

/** A chain has come to its end: marks it, and answers how it broke the contract, if it did. */
export function settled(ctx: ReceiveContext | SendContext): BusError | undefined {
  const broken = isBroken(ctx) ? misuse(ctx) : undefined;
  ctx.settled = true;
  return broken;
}

/** A chain has failed: marks its end, and answers what is to be told. */
export function failed(ctx: ReceiveContext | SendContext, error: unknown): unknown {
  const told = ctx.doubled && !(error instanceof BusError) ? misuse(ctx, error) : error;
  ctx.settled = true;
  return told;
}

export function misuse(ctx: ReceiveContext | SendContext, cause?: unknown): BusError {
  const { topic, endpoint } = ctx;
  if (ctx.doubled) {
    const hint = 'Call it once, or declare the middleware repeatable.';
    return new BusError('MIDDLEWARE_MISUSE', 'a middleware called next() twice', { topic, endpoint, hint, cause });
  }
  const what = ctx.settled
    ? 'a middleware called next() after its chain had ended'
    : ctx.reached || ctx.forgotten
      ? 'a middleware did not wait for next()'
      : 'a middleware returned without calling next()';
  const hint = 'Return or await next(); to refuse a message throw an error.';
  return new BusError('MIDDLEWARE_MISUSE', what, { topic, endpoint, hint, cause });
}
