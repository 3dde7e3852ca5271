import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import koaCompose from 'koa-compose';
import { ending, link } from '../../src/core/compose.ts';
import { DONE } from '../../src/core/done.ts';
import type { Next } from '../../src/core/middleware.ts';
import type { Run, Step } from '../../src/core/next-contract.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { sendContext } from '../middleware/contexts.ts';

type Ctx = SendContext;

/** What a step may do with its `next`, in words, so that a counterexample can be read. */
const BEHAVIOURS = {
  returns: (next: Next) => next(),
  awaits: async (next: Next) => {
    await next();
  },
  'awaits later': async (next: Next) => {
    await Promise.resolve();
    await next();
  },
  'throws before': () => {
    throw new Error('before');
  },
  'throws after': async (next: Next) => {
    await next();
    throw new Error('after');
  },
  'rejects before': () => Promise.reject(new Error('rejected')),
  'calls nothing': () => undefined,
  'calls it twice': async (next: Next) => {
    await next();
    await next();
  },
  catches: async (next: Next) => {
    try {
      await next();
    } catch {
      // The steps further out see a success.
    }
  },
  'answers a thenable': (next: Next) => ({
    then: (done: () => void, failed: (error: unknown) => void) => {
      next().then(done, failed);
    },
  }),
} satisfies Record<string, (next: Next) => unknown>;
type Behaviour = keyof typeof BEHAVIOURS;
const KINDS = Object.keys(BEHAVIOURS) as Behaviour[];

/** The steps, each writing down when it begins, when `next()` has settled for it, and the end of the chain. */
function logging(behaviours: readonly Behaviour[], endFails: boolean) {
  const log: string[] = [];
  const steps = behaviours.map((behaviour, index): Step<Ctx> => (_ctx, next) => {
    log.push(`${String(index)} begins`);
    const observed: Next = () => {
      const running = next();
      running.then(
        () => log.push(`${String(index)} goes on`),
        () => log.push(`${String(index)} hears of it`),
      );
      return running;
    };
    return BEHAVIOURS[behaviour](observed);
  });
  const end = (): Promise<void> => {
    log.push('end');
    if (endFails) throw new Error('end');
    return DONE;
  };
  return { log, steps, end };
}

function linked(steps: readonly Step<Ctx>[], end: (ctx: Ctx) => Promise<void>) {
  return steps.reduceRight<Run<Ctx>>((rest, step) => link(step, rest), ending(end));
}

async function outcome(running: Promise<void>): Promise<string> {
  try {
    await running;
    return 'done';
  } catch (error) {
    const { message } = error as Error;
    return /next\(\) (called multiple times|twice)/.test(message) ? 'next() twice' : message;
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a chain', () => {
  it('does what koa-compose makes of the same steps', async () => {
    const stacks = fc.array(fc.constantFrom(...KINDS), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(stacks, fc.boolean(), async (behaviours, endFails) => {
        const ours = logging(behaviours, endFails);
        const theirs = logging(behaviours, endFails);
        const got = await outcome(linked(ours.steps, ours.end)(sendContext()));
        const expected = await outcome(koaCompose<Ctx>([...theirs.steps, theirs.end])(sendContext()));
        await settled();
        assert.equal(got, expected);
        // In which tick a step hears of what is settled already is nobody's business.
        assert.deepEqual(ours.log.toSorted(), theirs.log.toSorted());
        const begins = (log: readonly string[]) => log.filter((line) => !/goes on|hears/.test(line));
        assert.deepEqual(begins(ours.log), begins(theirs.log));
      }),
      { numRuns: 500 },
    );
  });

  it('hands the promise of an end that waited for nothing outwards as it is, and makes one where a step did not', () => {
    const { steps, end } = logging(['returns', 'returns', 'returns'], false);
    assert.equal(linked(steps, end)(sendContext()), DONE);
    const waiting = logging(['returns', 'awaits', 'returns'], false);
    assert.notEqual(linked(waiting.steps, waiting.end)(sendContext()), DONE);
  });

  it('is run anew with each message', async () => {
    const { log, steps, end } = logging(['awaits', 'returns'], false);
    const run = linked(steps, end);
    await Promise.all([run(sendContext()), run(sendContext())]);
    assert.equal(log.filter((line) => line === 'end').length, 2);
  });

  it('marks the message of a step that calls next() twice, whose forgotten promise ends nothing', async () => {
    const ctx = sendContext();
    const run = linked(
      [
        (_ctx, next) => {
          void next();
          return next().catch(() => undefined);
        },
        (_ctx, next) => {
          void next();
          void next();
          return DONE;
        },
      ],
      () => DONE,
    );
    await run(ctx);
    await settled();
    assert.equal(ctx.doubled, true);
  });

  it('tells whoever asked of each failure that a step was given, awaited or not', async () => {
    const told: unknown[] = [];
    const failing = () => Promise.reject(new Error('end'));
    const forgetful = link<Ctx>(
      (_ctx, next) => {
        void next();
      },
      ending(failing),
      (error) => told.push(error),
    );
    await forgetful(sendContext());
    await settled();
    assert.deepEqual(told, [new Error('end')]);
  });
});
