import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { allReady } from '../../src/core/readiness.ts';
import type { Wanted } from '../../src/core/readiness.ts';
import { memory } from '../../src/transports/memory.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

test('ready() of a bus that has opened nothing resolves at once', async (t) => {
  const { bus } = memoryBus(t, { publish: false, endpoints: {} });
  await bounded(bus.ready(), 'nothing');
});

test('publish: true binds the publisher at ready(), and so does a configured endpoint', async (t) => {
  const first = memoryBus(t, { publish: true });
  await first.bus.ready();
  assert.deepEqual(
    first.bus.describe().links.map(({ pattern, state }) => `${pattern} ${state}`),
    ['publish open'],
  );
  const second = memoryBus(t, { publish: false });
  await second.bus.ready();
  assert.deepEqual(second.bus.describe().links, []);
});

test('after ready() the first publish arrives, in one process too', async (t) => {
  for (let round = 0; round < 20; round++) {
    const { bus } = memoryBus(t);
    const got: unknown[] = [];
    bus.subscribe('a', ({ body }) => void got.push(body));
    await bus.ready();
    await bus.publish('a', round);
    await until(() => got.length === 1, 'the first one');
    await bus.close();
  }
});

test('ready() waits until requests and pushes have a peer', async (t) => {
  const transport = memory();
  const caller = memoryBus(t, { transport, publish: false });
  void caller.bus.push('a', 1);
  void caller.bus.request('a', 1);
  let ready = false;
  const wait = caller.bus.ready().then(() => (ready = true));
  await turns(20);
  assert.equal(ready, false);
  const server = memoryBus(t, { transport, publish: false });
  server.bus.pull('a', () => {});
  server.bus.respond('a', () => 1);
  await bounded(wait, 'the peers');
});

test('a puller that is bound is ready without anybody who pushes', async (t) => {
  const { bus } = memoryBus(t);
  bus.pull('a', () => {});
  bus.respond('a', () => 1);
  await bounded(bus.ready(), 'both');
});

test('ready({ topic, subscribers }) is the publisher’s side: it binds and waits for so many', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, publish: false });
  let ready = false;
  const wait = bus.ready({ topic: 'a.b', subscribers: 2 }).then(() => (ready = true));
  const others = [memoryBus(t, { transport, publish: false }), memoryBus(t, { transport, publish: false })];
  others[0]!.bus.subscribe('a.*', () => {});
  others[1]!.bus.subscribe('other', () => {});
  await turns(20);
  assert.equal(ready, false, 'one of them wants something else');
  others[1]!.bus.subscribe('a.b', () => {});
  await bounded(wait, 'the second subscriber');
});

test('NOT_READY names the endpoints that are missing and why, and says what to do', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, {
    clock,
    endpoints: {
      publish: { bind: 'memory://events' },
      push: { connect: ['memory://nobody'] },
      request: { connect: ['memory://none'] },
    },
  });
  void codeOf(bus.push('a', 1));
  void codeOf(bus.request('a', 1));
  const wait = bus.ready({ timeoutMs: 500, topic: 'price.tick', subscribers: 2 });
  await turns(10);
  await clock.pass(490);
  assert.equal(bus.stats().cooling_down, 0);
  await clock.pass(20);
  await assert.rejects(wait, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'NOT_READY');
    assert.equal(error.retryable, true);
    assert.equal(error.limitMs, 500);
    for (const part of [
      'push memory://nobody: no answer yet',
      'request memory://none: no answer yet',
      '2 subscriber(s) of price.tick: no answer yet',
      'Start the peers of these endpoints',
    ]) {
      assert.ok(error.message.includes(part), `${part} in ${error.message}`);
    }
    assert.ok(!error.message.includes('memory://events'), 'what works is not named');
    return true;
  });
  assert.equal(bus.metrics().errors, 1);
});

test('ready() may be asked again, and resolves when what was missing is there', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, publish: false });
  const push = codeOf(bus.push('a', 1));
  assert.equal(await codeOf(bus.ready({ timeoutMs: 20 })), 'NOT_READY');
  const other = memoryBus(t, { transport, publish: false });
  other.bus.pull('a', () => {});
  await bounded(bus.ready(), 'the second time');
  assert.equal(await push, 'resolved');
});

test('the signal ends ready() with ABORTED', async (t) => {
  const { bus } = memoryBus(t);
  const abort = new AbortController();
  const wait = bus.ready({ topic: 'a', signal: abort.signal });
  await turns();
  const reason = new Error('enough');
  abort.abort(reason);
  await assert.rejects(wait, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'ABORTED');
    assert.equal(error.cause, reason);
    return true;
  });
  assert.equal(await codeOf(bus.ready({ topic: 'a', signal: AbortSignal.abort() })), 'ABORTED');
});

test('what a transport cannot do is UNSUPPORTED at once', async (t) => {
  const transport = memory();
  const blind = memoryBus(t, {
    transport: { ...transport, features: { ...transport.features, subscriberCounts: false } },
  });
  await assert.rejects(
    blind.bus.ready({ topic: 'a' }),
    /^BusError: UNSUPPORTED: this transport does not know how many/,
  );
});

test('bad arguments reject and count', async (t) => {
  const { bus } = memoryBus(t);
  assert.equal(await codeOf(bus.ready({ topic: 'no..topic' })), 'INVALID_TOPIC');
  assert.match(
    String(await codeOf(bus.ready({ topic: 'a', subscribers: 0 }))),
    /RangeError: Expected `subscribers` to be an/,
  );
  assert.match(
    String(await codeOf(bus.ready({ publishers: 1.5 }))),
    /RangeError: Expected `publishers` to be an integer/,
  );
  assert.match(String(await codeOf(bus.ready({ timeoutMs: NaN }))), /RangeError: Expected `timeoutMs` to be a number/);
  assert.equal(bus.metrics().errors, 4);
});

test('a ready() that nobody awaits ends nothing when it fails', async (t) => {
  forbidUnhandledRejections(t);
  const { bus } = memoryBus(t);
  void bus.ready({ topic: 'a', timeoutMs: 5 });
  await until(() => bus.metrics().errors === 1, 'it to fail');
});

test('a transport that ignores the signal cannot make ready() hang', async () => {
  const clock = new FakeClock();
  const stuck: Wanted = { what: 'pull tcp://x', wait: () => new Promise(() => {}) };
  const wait = allReady([stuck], clock, 100, undefined);
  clock.advance(100);
  await assert.rejects(wait, /NOT_READY: not ready: pull tcp:\/\/x: no answer yet \(limit 100 ms\)/);
  assert.equal(clock.pending, 0);
});

test('what fails for good is told when the rest has been waited for', async () => {
  const clock = new FakeClock();
  const hold = deferred();
  const wanted: Wanted[] = [
    { what: 'a', wait: () => Promise.reject(new BusError('UNSUPPORTED', 'not here')) },
    { what: 'b', wait: () => hold.promise },
  ];
  const wait = codeOf(allReady(wanted, clock, 100, undefined));
  hold.resolve();
  assert.equal(await wait, 'UNSUPPORTED');
  assert.equal(clock.pending, 0);
});

test('NOT_READY says what to do about what failed, and speaks of peers only where none has come', async () => {
  const clock = new FakeClock();
  const hint = 'Set up CURVE.';
  const insecure = new BusError('INSECURE_BIND', 'strangers could read', { endpoint: 'tcp://*:1', hint });
  const failed = (what: string): Wanted => ({ what, wait: () => Promise.reject(insecure) });
  const told = async (...wanted: Wanted[]): Promise<BusError> => {
    const wait = allReady(wanted, clock, 100, undefined);
    clock.advance(100);
    return (await wait.catch((error: unknown) => error)) as BusError;
  };
  const both = await told(failed('publish tcp://*:1'), failed('pull tcp://*:1'));
  assert.equal(
    both.message,
    'NOT_READY: not ready: publish tcp://*:1: INSECURE_BIND: strangers could read (endpoint tcp://*:1); ' +
      'pull tcp://*:1: INSECURE_BIND: strangers could read (endpoint tcp://*:1) (limit 100 ms). Set up CURVE.',
  );
  assert.deepEqual([both.hint, both.cause, both.retryable], [hint, insecure, false]);
  const never = (met?: unknown): Wanted => ({
    what: 'push tcp://x',
    wait: () => new Promise(() => {}),
    met: () => met,
  });
  const mixed = await told(failed('publish tcp://*:1'), never());
  assert.equal(mixed.hint, 'Set up CURVE. Start the peers of these endpoints, or check host and port on both sides.');
  const taken = await told(never(new BusError('BIND_FAILED', 'taken', { hint: 'Choose another port.' })));
  assert.deepEqual([taken.hint, taken.retryable], ['Choose another port.', true]);
  const alone = await told(never());
  assert.deepEqual([alone.retryable, alone.cause], [true, undefined]);
  assert.match(alone.message, /no answer yet \(limit 100 ms\)\. Start the peers/);
});

test('an infinite time-out sets no timer', async () => {
  const clock = new FakeClock();
  const hold = deferred();
  const wait = allReady([{ what: 'a', wait: () => hold.promise }], clock, Infinity, undefined);
  assert.equal(clock.pending, 0);
  hold.resolve();
  await wait;
});
