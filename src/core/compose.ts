/**
 * Links the steps of a chain as koa-compose does, with the same contract (test/core/compose.test.ts compares both): each step gets
 * the message and a `next` that runs the rest, once, and answers a promise. What differs is the cost: steps are linked when the bus
 * starts and not anew with each message, and one `next` both runs the rest and holds the step to its contract.
 */
import { DONE } from './done.ts';
import type { Next } from './middleware.ts';
import { misuse } from './next-contract.ts';
import type { Run, Step } from './next-contract.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { SendContext } from './send-context.ts';

/** Hears of a rejection that the step has not waited for; called for each, awaited or not. */
export type Unwaited<C> = (error: unknown, ctx: C) => void;

/** The end of a chain, which has no `next`. */
export function ending<C>(end: (ctx: C) => Promise<void>): Run<C> {
  return (ctx) => {
    try {
      return end(ctx);
    } catch (error) {
      return failed(error);
    }
  };
}

/** One step around the rest of its chain. A step that throws rejects. */
export function link<C extends ReceiveContext | SendContext>(
  step: Step<C>,
  rest: Run<C>,
  unwaited?: Unwaited<C>,
): Run<C> {
  return (ctx) => {
    // By the one call of next() that there may be; DONE while it runs.
    let answered = undefined as Promise<void> | undefined;
    const next: Next = () => {
      if (answered !== undefined) return refused(ctx);
      answered = DONE;
      answered = rest(ctx);
      if (answered === DONE || unwaited === undefined) return answered;
      answered.catch((error: unknown) => {
        unwaited(error, ctx);
      });
      return answered;
    };
    try {
      const result = step(ctx, next);
      if (result === DONE) return DONE;
      // No promise at all, so it cannot have waited: what failed within next() may have ended by now, and would look like a success.
      if (unwaited !== undefined && answered !== DONE && answered !== undefined && !isThenable(result))
        ctx.forgotten = true;
      return Promise.resolve(result as Promise<void>);
    } catch (error) {
      return failed(error);
    }
  };
}

function isThenable(value: unknown): boolean {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value;
}

/** The second `next()` of a step that may call one. Whoever does that may well forget the promise, too. */
function refused(ctx: ReceiveContext | SendContext): Promise<void> {
  ctx.doubled = true;
  const refusal: Promise<void> = Promise.reject(misuse(ctx));
  refusal.catch(() => undefined);
  return refusal;
}

/** What was thrown, which may be no Error, as the promise that a chain answers. */
function failed(error: unknown): Promise<void> {
  const thrown = error as Error;
  return Promise.reject(thrown);
}
