import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { circuitBreaker } from '../../src/middleware/circuit-breaker.ts';
import type { CircuitBreakerOptions } from '../../src/middleware/circuit-breaker.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryBus } from './memory-bus.ts';
import { middlewareHost } from './middleware-host.ts';

const boom = new Error('boom');
const timeout = new BusError('REQUEST_TIMEOUT', 'test');

function attached(options: CircuitBreakerOptions = {}): { middleware: Middleware; clock: ManualClock; log: string[] } {
  const clock = new ManualClock();
  const log: string[] = [];
  const write = (line: string): unknown => log.push(line);
  const middleware = circuitBreaker({ failures: 2, openMs: 100, ...options });
  middleware.attach?.(middlewareHost({ clock, logger: { debug: write, info: write, warn: write, error: write } }));
  return { middleware, clock, log };
}

/** What came of one message: `ok`, the error's text, or `refused`. */
async function run(middleware: Middleware, ctx: SendContext | ReceiveContext, error?: Error): Promise<string> {
  const next = (): Promise<void> => (error === undefined ? Promise.resolve() : Promise.reject(error));
  try {
    if (ctx.direction === 'send') await (middleware.send === undefined ? next() : middleware.send(ctx, next));
    else await (middleware.receive === undefined ? next() : middleware.receive(ctx, next));
    return 'ok';
  } catch (thrown) {
    if (thrown instanceof BusError && thrown.code === 'CIRCUIT_OPEN') return 'refused';
    return (thrown as Error).message;
  }
}

const request = (init: Parameters<typeof sendContext>[0] = {}): SendContext =>
  sendContext({ pattern: 'request', ...init });

test('a destination that failed is refused until the time is over and a probe succeeded', async () => {
  const { middleware, clock, log } = attached();
  const outcomes = [await run(middleware, request(), timeout), await run(middleware, request(), timeout)];
  outcomes.push(await run(middleware, request()));
  clock.advance(100);
  outcomes.push(await run(middleware, request()), await run(middleware, request()));
  assert.deepEqual(
    outcomes.map((outcome) => outcome.slice(0, 15)),
    ['REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', 'refused', 'ok', 'ok'],
  );
  assert.deepEqual(log, [
    'the circuit of "price.tick" (send, memory://test) is open for 100 ms',
    'the circuit of "price.tick" (send, memory://test) is closed again',
  ]);
});

test('a refusal names the remaining time, the limit and the way out, and is not retryable', async () => {
  const { middleware, clock } = attached();
  for (let failure = 0; failure < 2; failure++) await run(middleware, request(), timeout);
  clock.advance(40);
  const refusal = async (): Promise<void> => middleware.send?.(request(), () => assert.fail('must not run'));
  await assert.rejects(refusal(), (error: unknown) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.retryable, false);
    assert.match(error.message, /^CIRCUIT_OPEN: refused for another 60 ms .*endpoint memory:\/\/test, limit 100 ms/);
    assert.notEqual(error.hint, undefined);
    return true;
  });
});

test('handlers are guarded by topic, destinations by topic and endpoint', async () => {
  const { middleware } = attached();
  for (let failure = 0; failure < 2; failure++) {
    await run(middleware, receiveContext({ topic: 'a' }), boom);
    await run(middleware, request({ topic: 'b', endpoint: 'memory://1' }), timeout);
  }
  const outcomes = [
    await run(middleware, receiveContext({ topic: 'a' })),
    await run(middleware, receiveContext({ topic: 'b' })),
    await run(middleware, request({ topic: 'a', endpoint: 'memory://1' })),
    await run(middleware, request({ topic: 'b', endpoint: 'memory://1' })),
    await run(middleware, request({ topic: 'b', endpoint: 'memory://2' })),
  ];
  assert.deepEqual(outcomes, ['refused', 'ok', 'ok', 'refused', 'ok']);
});

test('on chooses the side', async () => {
  const outcomes: unknown[] = [];
  for (const on of ['send', 'receive', 'both'] as const) {
    const { middleware } = attached({ on });
    for (let failure = 0; failure < 2; failure++) {
      await run(middleware, request(), timeout);
      await run(middleware, receiveContext(), boom);
    }
    outcomes.push([on, await run(middleware, request()), await run(middleware, receiveContext())]);
  }
  assert.deepEqual(outcomes, [
    ['send', 'refused', 'ok'],
    ['receive', 'ok', 'refused'],
    ['both', 'refused', 'refused'],
  ]);
});

test('replies pass and do not count', async () => {
  const { middleware } = attached({ failures: 1 });
  for (const make of [sendContext, receiveContext]) {
    await run(middleware, make({ pattern: 'reply' }), timeout);
    assert.equal(await run(middleware, make({ pattern: 'reply' })), 'ok');
    assert.equal(await run(middleware, make({ pattern: 'request' })), 'ok');
  }
});

test('an abort or a body that does not fit opens nothing', async () => {
  const { middleware } = attached({ failures: 1 });
  for (const code of ['ABORTED', 'VALIDATION_FAILED'] as const)
    await run(middleware, request(), new BusError(code, 'test'));
  assert.equal(await run(middleware, request()), 'ok');
});

test('failures defaults to five, openMs to ten seconds, and windowMs bounds the row', async () => {
  const clock = new ManualClock();
  const byDefault = circuitBreaker({ clock });
  for (let failure = 0; failure < 4; failure++) await run(byDefault, request(), timeout);
  assert.equal(await run(byDefault, request(), timeout), timeout.message);
  assert.equal(await run(byDefault, request()), 'refused');
  clock.advance(9999);
  assert.equal(await run(byDefault, request()), 'refused');
  clock.advance(1);
  assert.equal(await run(byDefault, request()), 'ok');

  const windowed = attached({ windowMs: 10 });
  await run(windowed.middleware, request(), timeout);
  windowed.clock.advance(11);
  await run(windowed.middleware, request(), timeout);
  assert.equal(await run(windowed.middleware, request()), 'ok');
});

test('halfOpenProbes calls may probe at once, and no more', async () => {
  const { middleware, clock } = attached({ failures: 1, halfOpenProbes: 2 });
  await run(middleware, request(), timeout);
  clock.advance(100);
  const settle: (() => void)[] = [];
  const probe = (): Promise<void> =>
    Promise.resolve(middleware.send?.(request(), () => new Promise((resolve) => settle.push(resolve))));
  const probes = [probe(), probe()];
  await assert.rejects(probe(), /CIRCUIT_OPEN: refused while a probe is under way/);
  assert.equal(settle.length, 2);
  for (const resolve of settle) resolve();
  await Promise.all(probes);
  assert.equal(await run(middleware, request()), 'ok');
});

test('calls that set out together before the first failure are counted too', async () => {
  const { middleware } = attached();
  await Promise.all([1, 2].map(() => run(middleware, request(), timeout)));
  assert.equal(await run(middleware, request()), 'refused');
});

test('a success between failures of calls that set out together starts the row anew', async () => {
  const { middleware } = attached();
  let succeed = (): void => {};
  const slow = Promise.resolve(middleware.send?.(request(), () => new Promise((resolve) => (succeed = resolve))));
  await run(middleware, request(), timeout);
  succeed();
  await slow;
  await run(middleware, request(), timeout);
  assert.equal(await run(middleware, request()), 'ok');
});

test('one instance serves one bus', () => {
  const { middleware } = attached();
  assert.throws(() => middleware.attach?.(middlewareHost()), /INVALID_PIPELINE: one circuitBreaker\(\) is used by two/);
});

test('wrong options are refused at once', () => {
  assert.throws(
    () => circuitBreaker({ failures: 0 }),
    /RangeError: Expected `failures` to be an integer from 1, got 0/,
  );
  assert.throws(() => circuitBreaker({ windowMs: -1 }), /RangeError: Expected `windowMs`/);
  assert.throws(() => circuitBreaker({ openMs: Infinity }), /RangeError: Expected `openMs`/);
  assert.throws(() => circuitBreaker({ halfOpenProbes: 1.5 }), /RangeError: Expected `halfOpenProbes`/);
  assert.throws(
    () => circuitBreaker({ on: 'out' as 'send' }),
    /TypeError: Expected `on` to be one of 'send', 'receive', 'both'/,
  );
});

test('on a bus, a failing responder is not called while its circuit is open, and answers again after a probe', async () => {
  const clock = new ManualClock();
  const { bus } = memoryBus([circuitBreaker({ failures: 2, openMs: 100, on: 'receive', clock }), serialize()]);
  let calls = 0;
  bus.respond('call', () => {
    if (++calls <= 2) throw new Error('boom');
    return 'answer';
  });
  await bus.ready();
  const codes: unknown[] = [];
  for (let request = 0; request < 4; request++) {
    await bus.request('call', 1).catch((error: unknown) => codes.push((error as BusError).code));
  }
  assert.deepEqual([codes, calls], [['HANDLER_FAILED', 'HANDLER_FAILED', 'CIRCUIT_OPEN', 'CIRCUIT_OPEN'], 2]);
  clock.advance(100);
  assert.equal(await bus.request('call', 1), 'answer');
  assert.equal(await bus.request('call', 1), 'answer');
  await bus.close();
});

test('on a bus, a caller stops asking a destination that fails, and retry does not wait for an open circuit', async () => {
  const clock = new ManualClock();
  const breaker = circuitBreaker({ failures: 2, openMs: 100, on: 'send', clock });
  const { bus } = memoryBus([retry({ baseMs: 0, retryIf: () => true }), breaker, serialize()]);
  let calls = 0;
  bus.respond('call', () => {
    calls++;
    throw new Error('boom');
  });
  await bus.ready();
  await assert.rejects(bus.request('call', 1, { idempotent: true }), { code: 'CIRCUIT_OPEN' });
  await assert.rejects(bus.request('call', 1), { code: 'CIRCUIT_OPEN' });
  assert.equal(calls, 2);
  await bus.close();
});
