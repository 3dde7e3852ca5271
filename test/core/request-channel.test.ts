import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Counters } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

test('a request resolves with the body that the handler returned', async (t) => {
  const { bus } = memoryBus(t);
  bus.respond('sum', ({ body }) => (body as number[]).reduce((a, b) => a + b, 0));
  bus.respond('nothing', () => undefined);
  bus.respond('state', ({ topic }) => topic);
  assert.equal(await bus.request('sum', [1, 2, 3]), 6);
  assert.equal(await bus.request('nothing', 1), undefined);
  assert.equal(await bus.request({ only: 'a body' }), 'state', 'one argument is the body of the topic state');
});

test('a hundred requests are in flight at once, and each gets its own reply in whatever order they come', async (t) => {
  const { bus } = memoryBus(t);
  const holds: { index: number; answer: (value: unknown) => void }[] = [];
  bus.respond('echo', ({ body }) => new Promise((resolve) => holds.push({ index: body as number, answer: resolve })));
  const calls = Array.from({ length: 100 }, (_, index) => bus.request('echo', index));
  await until(() => holds.length === 100, 'all of them at the responder');
  for (const { index, answer } of [...holds].reverse()) answer(`reply ${String(index)}`);
  assert.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 100 }, (_, index) => `reply ${String(index)}`),
  );
});

test('a request that is not answered rejects at its deadline, counted as a time-out and not as dropped', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock });
  bus.respond('slow', () => new Promise(() => {}));
  const call = bus.request('slow', 1, { timeoutMs: 300 });
  await turns(10);
  await clock.pass(295);
  assert.equal(bus.metrics().request_timeouts, 0);
  await clock.pass(20);
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'REQUEST_TIMEOUT');
    assert.equal(error.topic, 'slow');
    assert.equal(error.limitMs, 300);
    assert.ok(error.elapsedMs! >= 300 && error.elapsedMs! < 320, String(error.elapsedMs));
    assert.match(
      error.message,
      /^REQUEST_TIMEOUT: no reply came in time \(topic "slow", endpoint memory:\/\/state, after 30\d ms/,
    );
    return true;
  });
  const { request_timeouts, errors, outbound_dropped, messages_sent } = bus.metrics();
  assert.deepEqual(
    { request_timeouts, errors, outbound_dropped },
    { request_timeouts: 1, errors: 1, outbound_dropped: 0 },
  );
  assert.equal(messages_sent, 1);
});

test('requestTimeoutMs is the deadline of a request that names none', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, requestTimeoutMs: 70 });
  bus.respond('slow', () => new Promise(() => {}));
  const call = codeOf(bus.request('slow', 1));
  await turns(10);
  await clock.pass(90);
  assert.equal(await call, 'REQUEST_TIMEOUT');
});

test('a request that no peer takes rejects with SEND_TIMEOUT, is dropped, and opens the cool-down', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock });
  const call = codeOf(bus.request('a', 1, { timeoutMs: 100 }));
  await turns();
  await clock.pass(120);
  assert.equal(await call, 'SEND_TIMEOUT');
  assert.equal(await codeOf(bus.request('a', 1)), 'COOLING_DOWN');
  const { outbound_dropped, request_timeouts, messages_sent, errors } = bus.metrics();
  assert.deepEqual(
    { outbound_dropped, request_timeouts, messages_sent, errors },
    { outbound_dropped: 2, request_timeouts: 0, messages_sent: 0, errors: 2 },
  );
});

test('a time-out opens the cool-down only when nothing at all arrived from the endpoint meanwhile', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock });
  bus.respond('slow', () => new Promise(() => {}));
  bus.respond('quick', () => 'alive');
  const slow = codeOf(bus.request('slow', 1, { timeoutMs: 100 }));
  await turns(10);
  await clock.pass(50);
  assert.equal(await bus.request('quick', 1), 'alive');
  await clock.pass(70);
  assert.equal(await slow, 'REQUEST_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 0, 'one slow topic does not block a live peer');
  const again = codeOf(bus.request('slow', 1, { timeoutMs: 100 }));
  await turns(10);
  await clock.pass(120);
  assert.equal(await again, 'REQUEST_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 1, 'this time there was not a word');
});

test('an earlier attempt whose reply comes through late takes nothing from the one that is in flight', async (t) => {
  const [failFirst, firstReply, secondAnswer] = [deferred<never>(), deferred(), deferred<string>()];
  let [sent, received, asked] = [0, 0, 0];
  // Gives the first attempt up without waiting for it, and holds up its reply.
  const impatient: Middleware = {
    name: 'impatient',
    stage: 'payload',
    send: (ctx, next) => {
      if (ctx.kind !== 'request' || ++sent > 1) return next();
      next().catch(() => undefined);
      return failFirst.promise;
    },
    receive: async (ctx, next) => {
      if (ctx.kind === 'reply' && ++received === 1) await firstReply.promise;
      await next();
    },
  };
  const { bus } = memoryBus(t, { stack: [retry({ baseMs: 0, retryIf: () => true }), serialize(), impatient] });
  bus.respond('state', () => (++asked === 1 ? 'first' : secondAnswer.promise));
  const call = bus.request('state', 1, { idempotent: true });
  await until(() => received === 1, 'the reply to the first attempt');
  failFirst.reject(new BusError('PEER_GONE', 'given up'));
  await until(() => asked === 2, 'the second attempt');
  firstReply.resolve();
  await turns(10);
  secondAnswer.resolve('second');
  assert.equal(await call, 'second');
});

test('a late reply reaches nobody: it is counted and dropped, and is no error', async (t) => {
  const clock = new FakeClock();
  // The responder has a clock of its own, which stands still: it does not know that the deadline has passed.
  const transport = memory();
  const caller = memoryBus(t, { clock, transport });
  const responder = memoryBus(t, { clock: new FakeClock(), transport });
  const holds = [deferred<string>(), deferred<string>()];
  let calls = 0;
  responder.bus.respond('late', () => holds[calls++]!.promise);
  const first = codeOf(caller.bus.request('late', 1, { timeoutMs: 100 }));
  responder.bus.respond('quick', () => 'alive');
  await until(() => calls === 1, 'the request');
  await caller.bus.request('quick', 1);
  await clock.pass(120);
  assert.equal(await first, 'REQUEST_TIMEOUT');
  const second = caller.bus.request('late', 2);
  await until(() => calls === 2, 'the next request');
  holds[0]!.resolve('for the first');
  await turns(10);
  holds[1]!.resolve('for the second');
  assert.equal(await second, 'for the second');
  const { errors, inbound_dropped } = caller.bus.metrics();
  assert.deepEqual({ errors, inbound_dropped }, { errors: 1, inbound_dropped: 1 });
  assert.equal(caller.bus.stats().late_replies, 1);
  assert.deepEqual(caller.told, []);
});

test('the signal of the caller ends a request, and the handler learns of it through its own signal', async (t) => {
  forbidUnhandledRejections(t);
  const { bus } = memoryBus(t);
  let signal: AbortSignal | undefined;
  bus.respond('long', async (message) => {
    signal = message.signal;
    await new Promise((_resolve, reject) => {
      message.signal.addEventListener('abort', () => reject(message.signal.reason as Error));
    });
  });
  const abort = new AbortController();
  const call = bus.request('long', 1, { signal: abort.signal });
  await until(() => signal !== undefined, 'the handler');
  assert.equal(signal!.aborted, false);
  const reason = new Error('changed my mind');
  abort.abort(reason);
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'ABORTED');
    assert.equal(error.cause, reason);
    return true;
  });
  await until(() => signal!.aborted, 'the cancel');
  assert.equal((signal!.reason as BusError).code, 'CANCELLED');
  await turns(10);
  const { errors, messages_sent, inbound_dropped } = bus.metrics();
  assert.deepEqual({ errors, messages_sent, inbound_dropped }, { errors: 1, messages_sent: 1, inbound_dropped: 0 });
  assert.equal(bus.stats().cooling_down, 0);
});

test('a request whose signal is aborted already is not sent', async (t) => {
  const { bus } = memoryBus(t);
  let calls = 0;
  bus.respond('a', () => ++calls);
  assert.equal(await codeOf(bus.request('a', 1, { signal: AbortSignal.abort() })), 'ABORTED');
  assert.equal(await bus.request('a', 1), 1);
  assert.equal(bus.metrics().outbound_dropped, 1);
});

test('a signal that serves many requests keeps no listener of those that have ended', async (t) => {
  const { bus } = memoryBus(t);
  bus.respond('a', () => 1);
  const abort = new AbortController();
  let listeners = 0;
  const add = abort.signal.addEventListener.bind(abort.signal);
  const remove = abort.signal.removeEventListener.bind(abort.signal);
  abort.signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  abort.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  for (let index = 0; index < 20; index++) await bus.request('a', index, { signal: abort.signal });
  assert.equal(listeners, 0);
});

test('an error of the handler reaches the caller with code and message, and without its stack', async (t) => {
  const { bus, told } = memoryBus(t);
  bus.respond('fail', () => {
    throw Object.assign(new Error('out of stock'), { code: 'E_STOCK', secret: 'x' });
  });
  bus.respond('word', () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a handler may throw anything
    throw 'just a word';
  });
  await assert.rejects(bus.request('fail', 1), (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'HANDLER_FAILED');
    assert.equal(error.remoteCode, 'E_STOCK');
    assert.equal(error.what, 'out of stock');
    assert.equal(error.retryable, false);
    assert.ok(!error.stack!.includes('respond-channel'), 'the remote stack stays there');
    assert.ok(!JSON.stringify(Object.entries(error)).includes('secret'));
    return true;
  });
  await assert.rejects(bus.request('word', 1), /^BusError: HANDLER_FAILED: just a word/);
  assert.equal(told.length, 2, 'the responder tells its own side of it');
});

test('an error that carries a code of the bus keeps it apart: what a handler threw is HANDLER_FAILED', async (t) => {
  const { bus } = memoryBus(t);
  bus.respond('nested', () => bus.request('missing', 1));
  await assert.rejects(bus.request('nested', 1), (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'HANDLER_FAILED');
    assert.equal(error.remoteCode, 'NO_HANDLER');
    return true;
  });
});

test('a request for a topic that nobody answers is told NO_HANDLER at once', async (t) => {
  const { bus } = memoryBus(t);
  bus.respond('other', () => 1);
  await assert.rejects(bus.request('missing', 1), /^BusError: NO_HANDLER: nothing answers "missing" here/);
  assert.equal(bus.metrics().request_timeouts, 0);
  assert.equal(bus.stats().no_handler, 1);
});

test('a reply that has no encoding is an error reply, so that the caller does not wait', async (t) => {
  const { bus, told } = memoryBus(t);
  bus.respond('circle', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    return circle;
  });
  await assert.rejects(bus.request('circle', 1), /^BusError: SERIALIZE_FAILED/);
  assert.equal(told.length, 1);
});

test('a reply that a step of the caller refuses rejects the call and counts as dropped', async (t) => {
  let counters: Counters | undefined;
  const refuse: Middleware = {
    name: 'refuse',
    stage: 'body',
    attach(host) {
      ({ counters } = host);
    },
    receive(ctx, next) {
      if (ctx.pattern === 'reply' && ctx.topic === 'bad') throw new BusError('VALIDATION_FAILED', 'not what was asked');
      return next();
    },
  };
  const { bus } = memoryBus(t, { stack: [refuse, serialize()] });
  bus.respond('>', () => 1);
  assert.equal(await codeOf(bus.request('bad', 1)), 'VALIDATION_FAILED');
  assert.equal(await bus.request('good', 1), 1);
  assert.deepEqual(
    [...counters!.inboundDropped.all()].map(({ operation, errorType, value }) => [operation, errorType, value]),
    [['request', 'validation_failed', 1]],
  );
  assert.equal(bus.metrics().errors, 1);
});

test('the remaining time travels with a request, and the responder makes it a deadline of its own clock', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const caller = memoryBus(t, { clock, transport });
  const deadlines: (number | undefined)[] = [];
  const spy: Middleware = {
    name: 'spy',
    stage: 'body',
    receive(ctx, next) {
      deadlines.push(ctx.deadline);
      return next();
    },
  };
  const responder = memoryBus(t, { clock: new FakeClock(5_000_000), transport, stack: [spy, serialize()] });
  responder.bus.respond('a', (message) => message.headers.getText('timeout-ms'));
  await turns();
  assert.equal(await caller.bus.request('a', 1, { timeoutMs: 1234 }), '1234');
  assert.equal(await caller.bus.request('a', 1), '5000');
  assert.deepEqual(deadlines, [5_001_234, 5_005_000]);
});

test('every call settles, also those that are in flight when the bus closes', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport });
  const responder = memoryBus(t, { transport });
  responder.bus.respond('never', () => new Promise(() => {}));
  const call = codeOf(caller.bus.request('never', 1));
  await until(() => responder.bus.stats().in_flight_handlers === 1, 'the request');
  await caller.bus.close({ timeoutMs: 20 });
  assert.equal(await call, 'CLOSED');
});

test('what is wrong with a request is a rejection, counted, and not a throw', async (t) => {
  const { bus } = memoryBus(t);
  assert.equal(await codeOf(bus.request('not..a.topic', 1)), 'INVALID_TOPIC');
  assert.equal(await codeOf(bus.request('a', 1, { headers: { 'Not A Name': 'x' } })), 'INVALID_HEADER');
  assert.match(String(await codeOf(bus.request('a', 1, { timeoutMs: -1 }))), /^RangeError: Expected `timeoutMs`/);
  assert.match(String(await codeOf(bus.request('a', 1, { endpoint: 70_000 }))), /^RangeError: Expected `endpoint`/);
  assert.equal(bus.metrics().errors, 4);
});

test('what an aborted request held is let go of, also where its place stands behind others that wait', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const { bus } = memoryBus(t, { endpoints: { request: { connect: ['memory://nobody'] } } });
  void codeOf(bus.request('state', 'the first in line'));
  await turns(3);
  const aborted = async (): Promise<WeakRef<object>> => {
    const caller = new AbortController();
    const body = { text: 'large' };
    const call = codeOf(bus.request('state', body, { signal: caller.signal }));
    await turns(2);
    caller.abort();
    assert.equal(await call, 'ABORTED');
    return new WeakRef(body);
  };
  const body = await aborted();
  for (let round = 0; round < 5; round++) {
    await turns(3);
    gc();
  }
  assert.equal(body.deref(), undefined);
});
