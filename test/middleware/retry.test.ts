import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import type { BusErrorCode } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { retry } from '../../src/middleware/retry.ts';
import type { RetryOptions } from '../../src/middleware/retry.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryBus, until } from './memory-bus.ts';
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
  assert.throws(() => retry({ retryIf: true as never }), /TypeError: Expected `retryIf` to be a function, got true/);
  assert.throws(() => retry({ handlers: 3 as never }), /RangeError: Expected `handlers` to be true, false or options/);
  assert.throws(() => retry({ handlers: { maxAttempts: 0 } }), /RangeError: Expected `handlers.maxAttempts`/);
  assert.throws(() => retry({ budget: { ratio: -1 } }), /RangeError: Expected `budget.ratio`/);
});

/** A step that fails the first attempts of every message, and spoils what it can before it does. */
function failingFirst(failures: number): Middleware {
  return {
    name: 'failing-first',
    stage: 'body',
    async send(ctx, next) {
      ctx.body = { ...(ctx.body as object), [`attempt${String(ctx.attempt)}`]: true };
      ctx.headers.set(`attempt-${String(ctx.attempt)}`, 'yes');
      if (ctx.attempt <= failures) throw lost;
      await next();
    },
  };
}

test('on a bus, each attempt starts from the message as it was', async () => {
  const { bus } = memoryBus([retry({ baseMs: 1 }), failingFirst(2), serialize()]);
  const seen: unknown[] = [];
  bus.pull('task', ({ body, headers }) =>
    seen.push([body, [...headers].filter(([name]) => name.startsWith('attempt'))]),
  );
  await bus.push('task', { n: 1 });
  await until(() => seen.length === 1);
  assert.deepEqual(seen, [[{ n: 1, attempt3: true }, [['attempt-3', 'yes']]]]);
  assert.deepEqual([bus.stats().retries, bus.metrics().messages_sent, bus.metrics().errors], [2, 1, 0]);
  await bus.close();
});

test('on a bus, a call that fails for good is one error and one dropped message, however many attempts it took', async () => {
  const { bus } = memoryBus([retry({ baseMs: 1 }), failingFirst(9), serialize()]);
  await assert.rejects(bus.push('task', {}), isCode('TRANSPORT_FAILED'));
  const { errors, outbound_dropped, messages_sent } = bus.metrics();
  assert.deepEqual([errors, outbound_dropped, messages_sent, bus.stats().retries], [1, 1, 0, 2]);
  await bus.close();
});

test('on a bus, a message that waits to be repeated does not hold up the next ones', async () => {
  const clock = new ManualClock();
  const failing: Middleware = {
    name: 'failing',
    stage: 'body',
    send: (ctx, next) => (ctx.body === 'slow' && ctx.attempt === 1 ? Promise.reject(lost) : next()),
  };
  const { bus } = memoryBus([retry({ clock, publish: true }), failing, serialize()]);
  const seen: unknown[] = [];
  bus.subscribe('event', ({ body }) => seen.push(body));
  await bus.ready();
  const slow = bus.publish('event', 'slow');
  await until(() => clock.pending === 1);
  await bus.publish('event', 'fast');
  await until(() => seen.length === 1);
  clock.advance(50);
  await slow;
  await until(() => seen.length === 2);
  assert.deepEqual(seen, ['fast', 'slow']);
  await bus.close();
});

test('on a bus, handlers that fail are repeated, those that did not are not, and the caller gets the answer', async () => {
  const { bus, errors } = memoryBus([retry({ baseMs: 1, handlers: true }), serialize()]);
  const calls: string[] = [];
  const failingOnce = (name: string) => () => {
    calls.push(name);
    if (calls.filter((call) => call === name).length === 1) throw new Error('once');
    return 'answer';
  };
  bus.subscribe('event', () => void calls.push('healthy'));
  bus.subscribe('event', failingOnce('subscriber'));
  bus.pull('task', failingOnce('puller'));
  bus.respond('call', failingOnce('responder'));
  await bus.push('task', 1);
  await bus.ready();
  await bus.publish('event', 1);
  assert.equal(await bus.request('call', 1), 'answer');
  await until(() => calls.length === 7);
  assert.deepEqual(calls.sort(), ['healthy', 'puller', 'puller', 'responder', 'responder', 'subscriber', 'subscriber']);
  assert.deepEqual([errors, bus.stats().retries], [[], 3]);
  await bus.close();
});

test('on a bus, a handler that fails for good is told once', async () => {
  const { bus, errors } = memoryBus([retry({ baseMs: 1, handlers: true }), serialize()]);
  let calls = 0;
  bus.pull('task', () => {
    calls++;
    throw new Error('always');
  });
  await bus.push('task', 1);
  await until(() => errors.length > 0);
  assert.deepEqual([calls, errors, bus.metrics().errors], [3, ['always'], 1]);
  await bus.close();
});

test('on a bus, an idempotent request is repeated after it was sent, under one message id', async () => {
  const ids: string[] = [];
  const { bus } = memoryBus([retry({ baseMs: 1, retryIf: () => true }), serialize()]);
  bus.respond('call', ({ id }) => {
    ids.push(id);
    if (ids.length % 2 === 1) throw new Error('once');
    return 'answer';
  });
  await bus.ready();
  assert.equal(await bus.request('call', 1, { idempotent: true }), 'answer');
  assert.deepEqual([ids.length, new Set(ids).size], [2, 1]);
  await assert.rejects(bus.request('call', 1), isCode('HANDLER_FAILED'));
  assert.equal(ids.length, 3);
  await bus.close();
});

test('on a bus, an abort ends the wait between two attempts', async () => {
  const clock = new ManualClock();
  const { bus } = memoryBus([retry({ clock }), failingFirst(1), serialize()]);
  const controller = new AbortController();
  const pushed = bus.push('task', {}, { signal: controller.signal });
  await until(() => clock.pending === 1);
  controller.abort();
  await assert.rejects(pushed, isCode('ABORTED'));
  await until(() => clock.pending === 0);
  await bus.close();
});

test('on a bus that closes, what waits for its next attempt rejects with CLOSED at once', async () => {
  const clock = new ManualClock();
  const { bus } = memoryBus([retry({ clock }), failingFirst(1), serialize()]);
  const pushed = bus.push('task', {});
  const rejected = assert.rejects(
    pushed,
    (error: unknown) => isCode('CLOSED')(error) && (error as Error).cause === lost,
  );
  await until(() => clock.pending === 1);
  await bus.close();
  await rejected;
  assert.deepEqual([clock.pending, bus.metrics().outbound_dropped], [0, 1]);
});
