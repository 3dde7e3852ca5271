import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import type { BusErrorCode } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { retry } from '../../src/middleware/retry.ts';
import type { RetryOptions } from '../../src/middleware/retry.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { ManualClock } from './manual-clock.ts';
import { middlewareHost } from './middleware-host.ts';

const failure = (code: BusErrorCode, retryable?: boolean): BusError => new BusError(code, 'test', { retryable });
const isCode = (code: BusErrorCode) => (error: unknown) => error instanceof BusError && error.code === code;

/** What became of one message: its attempts and either `ok` or the code (or text) of the error. */
interface Outcome {
  readonly attempts: number;
  readonly result: string;
}

/** Sends or receives one message whose first attempts fail with the given errors. */
async function run(
  middleware: Middleware,
  ctx: SendContext | ReceiveContext,
  errors: readonly unknown[],
): Promise<Outcome> {
  let attempts = 0;
  const next = async (): Promise<void> => {
    const error = errors[attempts++];
    if (error !== undefined) throw error as Error;
  };
  try {
    if (ctx.direction === 'send') await middleware.send?.(ctx, next);
    else if (middleware.receive === undefined) await next();
    else await middleware.receive(ctx, next);
    return { attempts, result: 'ok' };
  } catch (error) {
    return { attempts, result: error instanceof BusError ? error.code : String(error) };
  }
}

function attached(
  options: RetryOptions = {},
  { clock = new ManualClock({ jumping: true }), counters = new Counters() } = {},
): Middleware {
  const middleware = retry({ budget: false, ...options });
  middleware.attach?.(middlewareHost({ clock, counters, random: () => 0.5 }));
  return middleware;
}

const request = (init: Parameters<typeof sendContext>[0] = {}): SendContext =>
  sendContext({ pattern: 'request', ...init });
const push = (init: Parameters<typeof sendContext>[0] = {}): SendContext => sendContext({ pattern: 'push', ...init });
const lost = failure('TRANSPORT_FAILED');

test('a request and a push that failed for a passing reason are tried again, three times in all', async () => {
  for (const make of [request, push]) {
    assert.deepEqual(await run(attached(), make(), [lost]), { attempts: 2, result: 'ok' });
    assert.deepEqual(await run(attached(), make(), [lost, lost]), { attempts: 3, result: 'ok' });
    assert.deepEqual(await run(attached(), make(), [lost, lost, lost]), { attempts: 3, result: 'TRANSPORT_FAILED' });
  }
});

test('maxAttempts counts the first', async () => {
  const outcomes: number[] = [];
  for (const maxAttempts of [1, 2, 5])
    outcomes.push((await run(attached({ maxAttempts }), push(), Array(9).fill(lost))).attempts);
  assert.deepEqual(outcomes, [1, 2, 5]);
});

test('a publish is repeated only where it opted in, and the call has the last word', async () => {
  const outcomes: [publish: boolean, retry: boolean | undefined, attempts: number][] = [];
  for (const publish of [false, true]) {
    for (const perCall of [undefined, true, false]) {
      const { attempts } = await run(attached({ publish }), sendContext({ retry: perCall }), [lost]);
      outcomes.push([publish, perCall, attempts]);
    }
  }
  assert.deepEqual(outcomes, [
    [false, undefined, 1],
    [false, true, 2],
    [false, false, 1],
    [true, undefined, 2],
    [true, true, 2],
    [true, false, 1],
  ]);
  assert.equal((await run(attached(), push({ retry: false }), [lost])).attempts, 1);
});

test('replies are never repeated', async () => {
  assert.equal(
    (await run(attached({ publish: true }), sendContext({ pattern: 'reply', retry: true }), [lost])).attempts,
    1,
  );
  assert.equal((await run(attached({ handlers: true }), receiveContext({ pattern: 'reply' }), [lost])).attempts, 1);
});

test('only errors that say so are repeated; a cool-down, an abort and a foreign error are not', async () => {
  const attempts = async (error: unknown): Promise<number> => (await run(attached(), push(), [error])).attempts;
  assert.equal(await attempts(failure('SEND_TIMEOUT')), 2);
  assert.equal(await attempts(failure('REJECTED', true)), 2);
  for (const code of [
    'COOLING_DOWN',
    'ABORTED',
    'CLOSED',
    'VALIDATION_FAILED',
    'SERIALIZE_FAILED',
    'CIRCUIT_OPEN',
  ] as const) {
    assert.equal(await attempts(failure(code)), 1, code);
  }
  assert.equal(await attempts(new Error('foreign')), 1);
});

test('retryIf replaces the flag, except for what the caller or close has ended', async () => {
  const attempts = async (error: unknown, allow: boolean): Promise<number> =>
    (await run(attached({ retryIf: (given) => given === error && allow }), push(), [error])).attempts;
  assert.equal(await attempts(new Error('foreign'), true), 2);
  assert.equal(await attempts(lost, false), 1);
  for (const code of ['ABORTED', 'CANCELLED', 'CLOSED'] as const)
    assert.equal(await attempts(failure(code, true), true), 1);
});

test('what the transport has taken is not sent again, unless it is idempotent or was refused before it ran', async () => {
  const attempts = async (init: { idempotent?: boolean }, code: BusErrorCode): Promise<number> => {
    const ctx = request(init);
    ctx.accepted = true;
    return (await run(attached({ retryIf: () => true }), ctx, [failure(code)])).attempts;
  };
  assert.equal(await attempts({}, 'TRANSPORT_FAILED'), 1);
  assert.equal(await attempts({}, 'REQUEST_TIMEOUT'), 1);
  assert.equal(await attempts({ idempotent: true }, 'TRANSPORT_FAILED'), 2);
  assert.equal(await attempts({}, 'OVERFLOW'), 2);
});

test('all attempts of an idempotent request carry one message id, set before the first; others carry none', async () => {
  const middleware = attached();
  const idsOf = async (ctx: SendContext): Promise<(string | undefined)[]> => {
    const ids: (string | undefined)[] = [];
    await middleware.send?.(ctx, async () => {
      ids.push(ctx.headers.getText('message-id'));
      if (ids.length < 2) throw lost;
    });
    return ids;
  };
  const [first, second] = [await idsOf(request({ idempotent: true })), await idsOf(request({ idempotent: true }))];
  assert.match(first[0] ?? '', /^[\w-]{12}\.1$/);
  assert.equal(first[0], first[1]);
  assert.notEqual(first[0], second[0]);
  assert.deepEqual(await idsOf(request({ idempotent: true, headers: { 'message-id': 'mine' } })), ['mine', 'mine']);
  assert.deepEqual(await idsOf(request()), [undefined, undefined]);
});

test('ctx.attempt counts from 1', async () => {
  const ctx = push();
  const seen: number[] = [];
  await attached().send?.(ctx, async () => {
    seen.push(ctx.attempt);
    if (seen.length < 3) throw lost;
  });
  assert.deepEqual(seen, [1, 2, 3]);
});

test('the waits are full jitter: half of 50, 100, 200 and 400, then half of the cap', async () => {
  const clock = new ManualClock({ jumping: true });
  await run(attached({ maxAttempts: 7, capMs: 500 }, { clock }), push(), Array(9).fill(lost));
  assert.deepEqual(clock.waits, [25, 50, 100, 200, 250, 250]);
});

test('baseMs, random and clock are options, before those of the bus', async () => {
  const clock = new ManualClock({ jumping: true });
  await run(attached({ baseMs: 8, random: () => 0.25, clock }), push(), [lost]);
  assert.deepEqual(clock.waits, [2]);
});

test('it works without a bus, on the system clock', async () => {
  assert.deepEqual(await run(retry({ baseMs: 0 }), push(), [lost]), { attempts: 2, result: 'ok' });
});

test('it never waits up to the deadline: the error comes at once', async () => {
  const attempts = async (left: number): Promise<[number, string, number]> => {
    const clock = new ManualClock({ jumping: true });
    const outcome = await run(attached({}, { clock }), push({ deadline: clock.now() + left }), [lost]);
    return [outcome.attempts, outcome.result, clock.waits.length];
  };
  assert.deepEqual(await attempts(25), [1, 'TRANSPORT_FAILED', 0]);
  assert.deepEqual(await attempts(26), [2, 'ok', 1]);
});

test('an abort ends the wait with ABORTED and its reason', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const outcome = Promise.resolve(
    attached({}, { clock }).send?.(push({ signal: controller.signal }), () => Promise.reject(lost)),
  );
  await until(() => clock.pending === 1);
  controller.abort('enough');
  await assert.rejects(outcome, (error: unknown) => isCode('ABORTED')(error) && (error as Error).cause === 'enough');
  assert.equal(clock.pending, 0);
});

test('a destination gets three retries and one for every ten messages, then the error at once', async () => {
  const middleware = attached({ budget: {}, maxAttempts: 2, baseMs: 0 });
  let retries = 0;
  for (let message = 0; message < 50; message++) retries += (await run(middleware, push(), [lost, lost])).attempts - 1;
  assert.equal(retries, 3 + 5);
  assert.equal((await run(middleware, push({ endpoint: 'memory://other' }), [lost])).attempts, 2);
});

test('budget takes other shares, and false is none', async () => {
  const retriesOf = async (budget: RetryOptions['budget']): Promise<number> => {
    const middleware = attached({ budget: budget ?? {}, maxAttempts: 2, baseMs: 0 });
    let retries = 0;
    for (let message = 0; message < 50; message++)
      retries += (await run(middleware, push(), [lost, lost])).attempts - 1;
    return retries;
  };
  assert.deepEqual([await retriesOf({ ratio: 0, perSecond: 5 }), await retriesOf(false)], [5, 50]);
});

test('retries are counted by verb and error', async () => {
  const counters = new Counters();
  const middleware = attached({ publish: true, handlers: true }, { counters });
  for (const pattern of ['publish', 'push', 'request'] as const) {
    await run(middleware, sendContext({ pattern }), [lost]);
    await run(middleware, receiveContext({ pattern }), [new Error('handler')]);
  }
  const counted = [...counters.retries.all()].map(({ operation, errorType, value }) => [operation, errorType, value]);
  assert.deepEqual(counted, [
    ['publish', 'transport_failed', 1],
    ['subscribe', 'handler_failed', 1],
    ['push', 'transport_failed', 1],
    ['pull', 'handler_failed', 1],
    ['request', 'transport_failed', 1],
    ['respond', 'handler_failed', 1],
  ]);
});

test('handlers are not repeated unless asked for, and then with options of their own', async () => {
  const boom = Array(9).fill(new Error('boom'));
  const attempts = async (handlers: NonNullable<RetryOptions['handlers']>): Promise<number> =>
    (await run(attached({ maxAttempts: 4, handlers }), receiveContext(), boom)).attempts;
  assert.deepEqual(
    [
      await attempts(false),
      await attempts(true),
      await attempts({}),
      await attempts({ maxAttempts: 2 }),
      await attempts({ maxAttempts: 1 }),
    ],
    [1, 4, 4, 2, 1],
  );
  const picky = attached({ handlers: { retryIf: (error) => String(error).includes('again') } });
  assert.equal((await run(picky, receiveContext(), boom)).attempts, 1);
  assert.equal((await run(picky, receiveContext(), [new Error('again')])).attempts, 2);
});

test('a handler is repeated after any error but a BusError that is not retryable', async () => {
  const attempts = async (error: unknown): Promise<number> =>
    (await run(attached({ handlers: true }), receiveContext(), [error])).attempts;
  const final = failure('VALIDATION_FAILED');
  assert.equal(await attempts(new Error('x')), 2);
  assert.equal(await attempts('text'), 2);
  assert.equal(await attempts(failure('SEND_TIMEOUT')), 2);
  assert.equal(await attempts(final), 1);
  assert.equal(await attempts(new AggregateError([final, new Error('x')])), 2);
  assert.equal(await attempts(new AggregateError([final, final])), 1);
});

test('ctx.delivery counts from 1', async () => {
  const ctx = receiveContext();
  const seen: number[] = [];
  await attached({ handlers: true }).receive?.(ctx, async () => {
    seen.push(ctx.delivery);
    if (seen.length < 3) throw new Error('boom');
  });
  assert.deepEqual(seen, [1, 2, 3]);
});

test('a cancelled message is not handled again', async () => {
  const clock = new ManualClock();
  const ctx = receiveContext({ pattern: 'request' });
  const outcome = Promise.resolve(
    attached({ handlers: true }, { clock }).receive?.(ctx, () => Promise.reject(new Error('boom'))),
  );
  await until(() => clock.pending === 1);
  ctx.cancel('gone');
  await assert.rejects(outcome, (error: unknown) => isCode('CANCELLED')(error) && (error as Error).cause === 'gone');
});

test('a request is not handled again past the deadline of its caller', async () => {
  const clock = new ManualClock({ jumping: true });
  const ctx = receiveContext({ pattern: 'request', deadline: clock.now() + 20 });
  assert.deepEqual(await run(attached({ handlers: true }, { clock }), ctx, [new Error('boom')]), {
    attempts: 1,
    result: 'Error: boom',
  });
});

test('repeatable says yes to exactly what may be repeated, so that the others cost nothing', () => {
  const table = (options: RetryOptions): string[] =>
    (['publish', 'push', 'request', 'reply'] as const).flatMap((pattern) => {
      const middleware = attached(options);
      const sends = middleware.repeatable?.(sendContext({ pattern })) ?? false;
      const receives = middleware.repeatable?.(receiveContext({ pattern })) ?? false;
      return [...(sends ? [`send ${pattern}`] : []), ...(receives ? [`receive ${pattern}`] : [])];
    });
  assert.deepEqual(table({}), ['send push', 'send request']);
  assert.deepEqual(table({ maxAttempts: 1 }), []);
  assert.deepEqual(table({ publish: true }), ['send publish', 'send push', 'send request']);
  assert.deepEqual(table({ maxAttempts: 1, handlers: { maxAttempts: 2 } }), [
    'receive publish',
    'receive push',
    'receive request',
  ]);
  assert.equal('receive' in attached(), false);
});

test('one instance serves one bus', () => {
  const middleware = attached();
  assert.throws(() => middleware.attach?.(middlewareHost()), isCode('INVALID_PIPELINE'));
});

test('wrong options are refused at once', () => {
  assert.throws(() => retry({ maxAttempts: 0 }), /RangeError: Expected `maxAttempts` to be an integer from 1, got 0/);
  assert.throws(() => retry({ baseMs: -1 }), /RangeError: Expected `baseMs`/);
  assert.throws(() => retry({ capMs: NaN }), /RangeError: Expected `capMs`/);
  assert.throws(() => retry({ retryIf: true as never }), /TypeError: Expected `retryIf` to be a function, got boolean/);
  assert.throws(() => retry({ handlers: 3 as never }), /TypeError: Expected `handlers` to be true, false or options/);
  assert.throws(() => retry({ handlers: { maxAttempts: 0 } }), /RangeError: Expected `maxAttempts`/);
  assert.throws(() => retry({ budget: { ratio: -1 } }), /RangeError: Expected `budget.ratio`/);
});

/** Lets promises settle until the condition holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !condition(); turn++) await Promise.resolve();
  assert.ok(condition());
}
