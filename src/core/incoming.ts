/**
 * What all receiving ends do alike: ask the middleware to admit a message, and own its failure. A rejected message is counted
 * as dropped, a failing handler as an error; both are logged and given to `onError`, and neither stops the loop that reads.
 */
import type { Operation } from './counters.ts';
import { BusError, messageOf } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Admission, AdmitStep, Release } from './middleware.ts';
import type { ReceiveContext } from './receive-context.ts';

/** Counts and tells a failure of a message that came in. */
export function reportFailure(kernel: Kernel, ctx: ReceiveContext, operation: Operation, error: unknown): void {
  if (!ctx.handled) {
    kernel.reporter.inboundDropped(asRejection(error, ctx), operation, ctx);
    return;
  }
  const errors = error instanceof HandlerErrors ? (error.errors as readonly unknown[]) : [error];
  for (const one of errors) {
    kernel.reporter.report(one, operation, `a handler of "${ctx.subscription ?? ctx.topic}" failed on "${ctx.topic}"`, {
      context: ctx,
    });
  }
}

/** Several handlers of one message failed. */
export class HandlerErrors extends AggregateError {}

/** What became of a message that a step refused. */
export function asRejection(error: unknown, ctx: ReceiveContext): BusError {
  if (error instanceof BusError) return error;
  return new BusError('REJECTED', `a middleware refused the message: ${messageOf(error)}`, {
    topic: ctx.topic,
    endpoint: ctx.endpoint,
    cause: error,
  });
}

/**
 * Asks the `admit` of each middleware, in the order of the stack. Answers what to call when the message has settled, at once where nobody has to wait.
 */
export function admit(
  admits: readonly AdmitStep[],
  ctx: ReceiveContext,
): Release | undefined | Promise<Release | undefined> {
  if (admits.length === 0) return undefined;
  const releases: Release[] = [];
  for (let index = 0; index < admits.length; index++) {
    let answer: Admission;
    try {
      answer = admits[index]?.(ctx);
    } catch (error) {
      all(releases)?.();
      throw error;
    }
    if (typeof answer === 'function') releases.push(answer);
    else if (answer !== undefined) return admitSlowly(admits.slice(index + 1), ctx, releases, answer);
  }
  return all(releases);
}

/** Calls a release; one that throws is reported, and keeps no place of anybody else. */
export function letGo(kernel: Kernel, release: Release | undefined, operation: Operation): void {
  try {
    release?.();
  } catch (error) {
    kernel.reporter.report(error, operation, 'a middleware failed to release a message');
  }
}

async function admitSlowly(
  rest: readonly AdmitStep[],
  ctx: ReceiveContext,
  releases: Release[],
  pending: Promise<Release | undefined>,
): Promise<Release | undefined> {
  try {
    const first = await pending;
    if (first !== undefined) releases.push(first);
    for (const step of rest) {
      const answer = await step(ctx);
      if (answer !== undefined) releases.push(answer);
    }
  } catch (error) {
    all(releases)?.();
    throw error;
  }
  return all(releases);
}

function all(releases: readonly Release[]): Release | undefined {
  if (releases.length < 2) return releases[0];
  return () => {
    const failures: unknown[] = [];
    for (const release of releases) {
      try {
        release();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
}
