import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import type { Transport } from '../../src/core/transport.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

/** A body step that holds the messages of the topic `slow` until the test lets them go. */
function holding(): { readonly step: Middleware; readonly release: () => void; readonly passed: unknown[] } {
  const hold = deferred();
  const passed: unknown[] = [];
  const step: Middleware = {
    name: 'holding',
    stage: 'body',
    async send(ctx, next) {
      if (ctx.topic === 'slow') await hold.promise;
      await next();
      passed.push(ctx.body);
    },
  };
  return { step, release: () => hold.resolve(), passed };
}

test('a call whose deadline passes while a step still runs is told in time, and nothing of it is sent later', async (t) => {
  forbidUnhandledRejections(t);
  const clock = new FakeClock();
  const { step, release, passed } = holding();
  const { bus } = memoryBus(t, { clock, publishTimeoutMs: 100, pushTimeoutMs: 100, stack: [step, serialize()] });
  const pulled: unknown[] = [];
  bus.pull('>', ({ topic }) => pulled.push(topic));
  const calls = [
    bus.publish('slow', 1),
    bus.push('slow', 1),
    bus.request('slow', 1, { timeoutMs: 100 }),
    bus.publish('slow', 2, { signal: AbortSignal.abort() }),
  ].map(codeOf);
  await turns();
  await clock.pass(120);
  assert.deepEqual(await Promise.all(calls), ['SEND_TIMEOUT', 'SEND_TIMEOUT', 'SEND_TIMEOUT', 'ABORTED']);
  release();
  await turns(10);
  assert.deepEqual([passed, pulled], [[], []]);
  const { messages_sent, outbound_dropped, errors } = bus.metrics();
  assert.deepEqual({ messages_sent, outbound_dropped, errors }, { messages_sent: 0, outbound_dropped: 4, errors: 4 });
  assert.equal(bus.stats().queued_messages, 0);
});

test('nor is anything of it sent when the step that holds it belongs to a repeated attempt', async (t) => {
  const clock = new FakeClock();
  const { step, release } = holding();
  let attempts = 0;
  const again: Middleware = {
    name: 'again',
    stage: 'body',
    repeatable: () => true,
    send: (_ctx, next) => next().catch(next),
  };
  const failing: Middleware = {
    name: 'failing',
    stage: 'body',
    send(_ctx, next) {
      if (++attempts === 1) throw new Error('the first time');
      return next();
    },
  };
  const { bus } = memoryBus(t, { clock, publishTimeoutMs: 100, stack: [again, failing, step, serialize()] });
  // With a link that is open, so that nothing else stands in the way.
  await bus.publish('quick', 1);
  attempts = 0;
  const call = codeOf(bus.publish('slow', 1));
  await turns();
  await clock.pass(120);
  assert.equal(await call, 'SEND_TIMEOUT');
  release();
  await turns(10);
  assert.equal(attempts, 2);
  assert.equal(bus.metrics().messages_sent, 1, 'the quick one');
  assert.equal(bus.stats().queued_messages, 0);
});

test('a place that such a call gave up holds nobody back', async (t) => {
  const clock = new FakeClock();
  const { step, release } = holding();
  const { bus } = memoryBus(t, { clock, publishTimeoutMs: 100, stack: [step, serialize()] });
  const slow = codeOf(bus.publish('slow', 1));
  const behind = bus.publish('quick', 1);
  await turns();
  assert.equal(bus.metrics().messages_sent, 0, 'it keeps the order for as long as the other may still come');
  await clock.pass(120);
  assert.equal(await slow, 'SEND_TIMEOUT');
  await behind;
  await turns();
  assert.equal(bus.metrics().messages_sent, 1);
  release();
});

test('a call that is aborted while a step runs is told at once, and nothing of it is sent', async (t) => {
  const { step, release } = holding();
  const { bus } = memoryBus(t, { stack: [step, serialize()] });
  const abort = new AbortController();
  const call = codeOf(bus.publish('slow', 1, { signal: abort.signal }));
  await turns();
  abort.abort();
  assert.equal(await call, 'ABORTED');
  release();
  await turns(10);
  assert.equal(bus.metrics().messages_sent, 0);
});

test('the deadline rejects with the time that passed and the limit, all attempts included', async (t) => {
  const clock = new FakeClock();
  const attempts: number[] = [];
  const note: Middleware = {
    name: 'note',
    stage: 'body',
    send(ctx, next) {
      attempts.push(ctx.attempt);
      throw new BusError('REJECTED', 'not now', { retryable: true });
      return next();
    },
  };
  const again = retry({ maxAttempts: 100, baseMs: 30, capMs: 30, random: () => 1, budget: false });
  const { bus } = memoryBus(t, { clock, pushTimeoutMs: 100, stack: [again, note, serialize()] });
  const call = codeOf(bus.push('a', 1));
  await turns();
  await clock.pass(200);
  assert.equal(await call, 'REJECTED', 'the last error, when there is no time for another attempt');
  assert.deepEqual(attempts, [1, 2, 3, 4]);
  assert.equal(bus.metrics().outbound_dropped, 1, 'one message, however many attempts');
  assert.equal(bus.metrics().errors, 1);
  assert.equal(bus.stats().retries, 3);
});

test('a repeat that comes after a failure within the call still has its deadline', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, {
    clock,
    pushTimeoutMs: 100,
    failedSocketCooldownMs: 120,
    stack: [retry({ retryIf: () => true, baseMs: 30, capMs: 30, random: () => 1, budget: false }), serialize()],
  });
  const first = codeOf(bus.push('a', 1));
  await turns();
  await clock.pass(110);
  assert.equal(await first, 'SEND_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 1);
  clock.advance(60);
  // The first attempt fails at once, the second finds the endpoint usable again, and nobody there.
  const second = codeOf(bus.push('a', 2));
  await turns();
  await clock.pass(300);
  assert.equal(await second, 'SEND_TIMEOUT', 'it does not wait for ever');
});

/** A memory transport whose pushers open when the test lets them. */
function slowOpening(): { readonly transport: Transport; readonly open: () => void } {
  const transport = memory();
  const hold = deferred();
  return {
    transport: { ...transport, openPusher: (spec) => hold.promise.then(() => transport.openPusher(spec)) },
    open: () => hold.resolve(),
  };
}

test('a call that ends in the very moment in which its link opens leaves nothing in the queue', async (t) => {
  forbidUnhandledRejections(t);
  // How many microtasks lie between the two is nobody's business, so each number of them is tried.
  for (let ticks = 0; ticks < 20; ticks++) {
    const { transport, open } = slowOpening();
    // Time stands still: the call is told at once, not after the moment that a chain gets to unwind.
    const { bus } = memoryBus(t, { transport, clock: new FakeClock() });
    const abort = new AbortController();
    const call = codeOf(bus.push('a', 1, { signal: abort.signal }));
    await turns();
    open();
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    abort.abort();
    assert.equal(await bounded(call, 'the call'), 'ABORTED', `after ${String(ticks)} ticks`);
    await turns();
    assert.equal(bus.stats().queued_messages, 0, `after ${String(ticks)} ticks`);
  }
});

test('a call that waits for its link settles when the bus closes', async (t) => {
  const { transport, open } = slowOpening();
  const { bus } = memoryBus(t, { transport });
  const call = codeOf(bus.push('a', 1));
  await turns();
  const closing = bus.close({ timeoutMs: 0 });
  await until(() => bus.metrics().active_connections === 0, 'the close to begin');
  open();
  assert.equal((await bounded(closing, 'the close')).undelivered, 1);
  assert.equal(await bounded(call, 'the call'), 'CLOSED');
  assert.equal(bus.metrics().messages_sent, 0);
});

test('a step gets a moment to end its business when the deadline passes, and not longer', async (t) => {
  const clock = new FakeClock();
  const unwound: string[] = [];
  const tidy: Middleware = {
    name: 'tidy',
    stage: 'observe',
    async send(ctx, next) {
      try {
        await next();
      } finally {
        if (ctx.topic === 'stuck') await new Promise(() => {});
        unwound.push(ctx.topic);
      }
    },
  };
  const { bus } = memoryBus(t, { clock, pushTimeoutMs: 50, stack: [tidy, serialize()] });
  const [quick, stuck] = [codeOf(bus.push('quick', 1)), codeOf(bus.push('stuck', 1))];
  await turns();
  await clock.pass(60);
  assert.equal(await quick, 'SEND_TIMEOUT');
  assert.deepEqual(unwound, ['quick']);
  let settled = false;
  void stuck.then(() => (settled = true));
  await turns();
  assert.equal(settled, false);
  await clock.pass(120);
  assert.equal(await stuck, 'SEND_TIMEOUT');
});

test('a publish that the queue has accepted is not undone by its signal or deadline', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, publishTimeoutMs: 10 });
  const abort = new AbortController();
  await bus.publish('warm', 1);
  const calls: Promise<unknown>[] = [];
  // So many that the last ones have to wait for the next turn of the event loop.
  for (let index = 0; index < 600; index++) calls.push(codeOf(bus.publish('a', index, { signal: abort.signal })));
  abort.abort();
  clock.advance(50);
  const codes = await Promise.all(calls);
  assert.deepEqual(new Set(codes), new Set(['resolved']));
  await until(() => bus.metrics().messages_sent === 601, 'all of them');
  assert.equal(bus.metrics().errors, 0);
});

test('errors and drops are counted under the operation and type of the call', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, transport: memory(), pushTimeoutMs: 10 });
  const calls = [codeOf(bus.push('a', 1)), codeOf(bus.publish('b', 1, { signal: AbortSignal.abort() }))];
  await turns();
  await clock.pass(20);
  await Promise.all(calls);
  const other = memoryBus(t, {
    stack: [{ name: 'attach', stage: 'body', attach: ({ counters }) => counters.errors.add('push', 'mine', 2) }],
  });
  assert.equal(await codeOf(other.bus.publish('a', Buffer.from('x'))), 'resolved');
  assert.equal(other.bus.metrics().errors, 2, 'a step may count too');
});
