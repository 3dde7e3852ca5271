/** What happens when a middleware breaks the contract of next(): the call is told, nothing leaks, and the bus goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BusError, errorType } from '../../src/core/errors.ts';
import type { Middleware, Next } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { until } from '../transports/conformance/waiting.ts';
import { turns } from '../support/fake-clock.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';
import type { Rig } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

type Send = (ctx: SendContext, next: Next) => Promise<void> | void;
type Receive = (ctx: ReceiveContext, next: Next) => Promise<void> | void;

/** A bus whose step misbehaves on the topic `bad` alone. */
function sending(t: TestContext, send: Send): Rig {
  forbidUnhandledRejections(t);
  const bad: Middleware = {
    name: 'bad',
    stage: 'body',
    send: (ctx, next) => (ctx.topic === 'bad' && ctx.pattern !== 'reply' ? send(ctx, next) : next()),
  };
  return memoryBus(t, { stack: [bad, serialize()], pushTimeoutMs: 200 });
}

async function misuse(promise: Promise<unknown>, what: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'MIDDLEWARE_MISUSE');
    assert.equal(error.topic, 'bad');
    assert.match(error.message, what);
    return true;
  });
}

/** Nothing waits, nothing is queued, and the bus still works. */
async function expectClean({ bus }: Rig): Promise<void> {
  await turns();
  const { queued_messages, in_flight_handlers } = bus.stats();
  assert.deepEqual({ queued_messages, in_flight_handlers }, { queued_messages: 0, in_flight_handlers: 0 });
  const got: unknown[] = [];
  const subscription = bus.subscribe('good', (message) => void got.push(message.body));
  await until(
    () => bus.describe().links.some(({ pattern, state }) => pattern === 'subscribe' && state === 'open'),
    'it',
  );
  await bus.publish('good', 'after');
  await until(() => got.length === 1, 'a message after the misuse');
  await subscription.close();
}

test('next() called twice and awaited: MIDDLEWARE_MISUSE, and the message leaves once at most', async (t) => {
  const rig = sending(t, async (_ctx, next) => {
    await next();
    await next();
  });
  await misuse(rig.bus.publish('bad', 1), /called next\(\) twice.*Call it once, or declare the middleware repeatable/);
  await turns();
  assert.equal(rig.bus.metrics().messages_sent, 1);
  assert.equal(rig.bus.metrics().errors, 1);
  assert.equal(rig.bus.metrics().outbound_dropped, 0, 'the queue had it');
  await expectClean(rig);
});

test('next() called twice without waiting: the same error', async (t) => {
  const rig = sending(t, (_ctx, next) => {
    void next();
    void next();
  });
  await misuse(rig.bus.publish('bad', 1), /called next\(\) twice/);
  await expectClean(rig);
});

test('a second next() whose rejection is swallowed is found out all the same', async (t) => {
  const rig = sending(t, async (_ctx, next) => {
    await next();
    await next().catch(() => undefined);
  });
  await misuse(rig.bus.publish('bad', 1), /called next\(\) twice/);
  await expectClean(rig);
});

test('returning without calling next(): MIDDLEWARE_MISUSE, and nothing is sent', async (t) => {
  const rig = sending(t, () => undefined);
  await misuse(rig.bus.publish('bad', 1), /returned without calling next\(\).*to refuse a message throw an error/);
  await misuse(rig.bus.push('bad', 1), /returned without calling next\(\)/);
  await misuse(rig.bus.request('bad', 1), /returned without calling next\(\)/);
  const { messages_sent, outbound_dropped, errors } = rig.bus.metrics();
  assert.deepEqual({ messages_sent, outbound_dropped, errors }, { messages_sent: 0, outbound_dropped: 3, errors: 3 });
  await expectClean(rig);
});

test('next() not awaited while a push waits for a peer: the call is told at once and the message is given up', async (t) => {
  const rig = sending(t, (_ctx, next) => {
    void next();
  });
  await misuse(rig.bus.push('bad', 1), /did not wait for next\(\)/);
  await expectClean(rig);
  const pulled: unknown[] = [];
  rig.bus.pull('>', (message) => void pulled.push(message.topic));
  await rig.bus.push('good', 1);
  await until(() => pulled.length > 0, 'the push after it');
  await turns();
  assert.deepEqual(pulled, ['good'], 'what was given up never leaves');
  assert.equal(rig.bus.metrics().outbound_dropped, 1);
  assert.equal(rig.bus.metrics().errors, 1, 'one failure, counted once');
});

test('next() not awaited while a request is in flight: the call is told and the reply is late', async (t) => {
  const rig = sending(t, (_ctx, next) => {
    void next();
  });
  const gate = new AbortController();
  rig.bus.respond('>', async () => {
    await new Promise((resolve) => gate.signal.addEventListener('abort', resolve));
    return 'late';
  });
  await rig.bus.ready();
  await misuse(rig.bus.request('bad', 1), /did not wait for next\(\)/);
  gate.abort();
  await expectClean(rig);
});

test('next() not awaited though it failed at once: the call is told, not taken for a success, and so is what failed', async (t) => {
  const forgetful: Middleware = {
    name: 'forgetful',
    stage: 'body',
    send(_ctx, next) {
      void next();
    },
    receive(_ctx, next) {
      void next();
    },
  };
  forbidUnhandledRejections(t);
  const rig = memoryBus(t, { stack: [forgetful, serialize()] });
  // Headers that are too large fail at the end of the chain before anything waits, and what JSON has no word for on the way there.
  const headers = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`h${String(n)}`, 'x'.repeat(1000)]));
  await misuse(rig.bus.publish('bad', 1, { headers }), /did not wait for next\(\)/);
  await misuse(rig.bus.publish('bad', { size: 1n }), /did not wait for next\(\)/);
  await until(() => rig.told.length === 2, 'the failures to be told');
  assert.deepEqual(
    rig.told.map(({ error }) => errorType(error)),
    ['invalid_header', 'serialize_failed'],
  );
  assert.deepEqual([rig.bus.metrics().messages_sent, rig.bus.metrics().outbound_dropped], [0, 2]);
  const broken: Middleware = {
    name: 'broken',
    stage: 'payload',
    send() {
      throw new Error('broken');
    },
  };
  const other = memoryBus(t, { stack: [forgetful, serialize(), broken] });
  await misuse(other.bus.push('bad', 1), /did not wait for next\(\)/);
  await until(() => other.told.length === 1, 'the failure to be told');
  assert.equal(other.told[0]!.error.message, 'broken');
  assert.deepEqual([other.bus.metrics().messages_sent, other.bus.metrics().outbound_dropped], [0, 1]);
});

test('next() not awaited on the way in though the handler was done or failed at once: it is told, with what failed', async (t) => {
  forbidUnhandledRejections(t);
  const forgetful: Middleware = {
    name: 'forgetful',
    stage: 'body',
    receive(_ctx, next) {
      void next();
    },
  };
  const rig = memoryBus(t, { stack: [forgetful, serialize()] });
  rig.bus.subscribe('done', () => Promise.resolve());
  rig.bus.subscribe('failed', () => Promise.reject(new Error('by the handler')));
  await rig.bus.ready();
  await rig.bus.publish('done', 1);
  await until(() => rig.told.length === 1, 'the misuse to be told');
  await rig.bus.publish('failed', 1);
  await until(() => rig.told.length === 3, 'both to be told');
  await turns();
  const told = rig.told.map(({ error }) => (error instanceof BusError ? error.code : error.message));
  assert.deepEqual([told[0], ...told.slice(1).sort()], ['MIDDLEWARE_MISUSE', 'MIDDLEWARE_MISUSE', 'by the handler']);
});

test('what a step answers may be a thenable of any kind, an object or a function', async (t) => {
  forbidUnhandledRejections(t);
  const kinds = [
    (running: Promise<void>) => ({ then: running.then.bind(running) }),
    (running: Promise<void>) => Object.assign(() => {}, { then: running.then.bind(running) }),
  ];
  for (const kind of kinds) {
    const later: Middleware = { name: 'later', stage: 'payload', send: async (_ctx, next) => turns(1).then(next) };
    const step: Middleware = { name: 'step', stage: 'body', send: (_ctx, next) => kind(next()) as Promise<void> };
    const rig = memoryBus(t, { stack: [step, serialize(), later] });
    await rig.bus.publish('good', 1);
    assert.deepEqual(rig.told, []);
  }
});

test('a failure that an asynchronous step forgets or catches is counted as dropped: nobody can tell the two apart', async (t) => {
  forbidUnhandledRejections(t);
  const headers = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`h${String(n)}`, 'x'.repeat(1000)]));
  const steps: Send[] = [
    async (_ctx, next) => {
      await Promise.resolve();
      void next();
    },
    (_ctx, next) => next().catch(() => undefined),
  ];
  for (const send of steps) {
    const rig = sending(t, send);
    await rig.bus.publish('bad', 1, { headers });
    await rig.bus.push('good', 1).catch(() => undefined);
    const { messages_sent, outbound_dropped, errors } = rig.bus.metrics();
    assert.deepEqual({ messages_sent, outbound_dropped, errors }, { messages_sent: 0, outbound_dropped: 2, errors: 1 });
    assert.match(
      rig.logger.at('debug').join('\n'),
      /a step ended the call for bad without an error, and the message was not sent/,
    );
    await expectClean(rig);
  }
});

test('a rejection after the step has resolved is reported and ends nothing', async (t) => {
  forbidUnhandledRejections(t);
  const forgetful: Middleware = {
    name: 'forgetful',
    stage: 'body',
    send(_ctx, next) {
      void next();
      return Promise.resolve();
    },
  };
  const failing: Middleware = {
    name: 'failing',
    stage: 'body',
    async send() {
      await turns();
      throw new Error('too late for anybody');
    },
  };
  const rig = memoryBus(t, { stack: [forgetful, failing, serialize()] });
  assert.equal(await codeOf(rig.bus.publish('bad', 1)), 'MIDDLEWARE_MISUSE');
  await until(() => rig.told.length === 1, 'the failure to be told');
  assert.equal(rig.told[0]!.error.message, 'too late for anybody');
  assert.match(rig.logger.at('error').join('\n'), /did not wait for next\(\), which failed: too late for anybody/);
  assert.equal(rig.bus.metrics().errors, 2, 'the misuse, and the failure it hid');
});

test('such a rejection is reported once, however many steps it passes on its way to the one that does not wait', async (t) => {
  forbidUnhandledRejections(t);
  const own = (name: string, send: Send): Middleware => ({ name, stage: 'body', send });
  const passing = [own('a', (_ctx, next) => next()), own('b', async (_ctx, next) => next())];
  const forgetful = own('forgetful', (_ctx, next) => {
    void next();
  });
  const failing = own('failing', async () => {
    await turns();
    throw new Error('too late for anybody');
  });
  const rig = memoryBus(t, { stack: [forgetful, ...passing, failing, serialize()] });
  assert.equal(await codeOf(rig.bus.publish('bad', 1)), 'MIDDLEWARE_MISUSE');
  await until(() => rig.told.length > 0, 'the failure to be told');
  await turns();
  assert.deepEqual(
    rig.told.map(({ error }) => error.message),
    ['too late for anybody'],
  );
  assert.equal(rig.bus.metrics().errors, 2, 'the misuse, and the failure it hid');
});

test('next() called after the chain has ended sends nothing and is reported', async (t) => {
  let late: Promise<void> | undefined;
  const rig = sending(t, (_ctx, next) => {
    setImmediate(() => {
      late = next();
    });
  });
  await misuse(rig.bus.publish('bad', 1), /returned without calling next\(\)/);
  await until(() => rig.told.length === 1, 'the late next() to be told');
  await assert.rejects(late!, /called next\(\) after its chain had ended/);
  assert.equal(rig.bus.metrics().messages_sent, 0);
  assert.equal(rig.bus.metrics().outbound_dropped, 1);
  await expectClean(rig);
});

test('a synchronous throw rejects the call with that very error', async (t) => {
  const error = new RangeError('not today');
  const rig = sending(t, () => {
    throw error;
  });
  await assert.rejects(rig.bus.publish('bad', 1), (thrown) => thrown === error);
  await assert.rejects(rig.bus.push('bad', 1), (thrown) => thrown === error);
  await assert.rejects(rig.bus.request('bad', 1), (thrown) => thrown === error);
  await expectClean(rig);
});

test('a throw right after a next() that nobody awaits gives up what that next() had begun', async (t) => {
  const error = new Error('changed my mind');
  const rig = sending(t, (_ctx, next) => {
    void next();
    throw error;
  });
  await assert.rejects(rig.bus.push('bad', 1), (thrown) => thrown === error);
  assert.equal(rig.bus.metrics().errors, 1);
  await expectClean(rig);
});

test('a step may throw what is no Error at all', async (t) => {
  const rig = sending(t, () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- exactly what is tested
    throw 'a word';
  });
  await assert.rejects(rig.bus.publish('bad', 1), (thrown) => thrown === 'a word');
  assert.equal(rig.bus.metrics().errors, 1);
  await expectClean(rig);
});

/** A bus whose step misbehaves on incoming messages of the topic `bad`. */
function receiving(t: TestContext, receive: Receive): Rig {
  forbidUnhandledRejections(t);
  const bad: Middleware = {
    name: 'bad',
    stage: 'body',
    receive: (ctx, next) => (ctx.topic === 'bad' && ctx.pattern !== 'reply' ? receive(ctx, next) : next()),
  };
  return memoryBus(t, { stack: [serialize(), bad] });
}

test('on the way in a broken contract drops the message, counted and told, and the loop goes on', async (t) => {
  const ways: Record<string, { receive: Receive; handled: number; dropped: number; message: RegExp }> = {
    never: { receive: () => undefined, handled: 0, dropped: 1, message: /MIDDLEWARE_MISUSE.*without calling next/ },
    throws: {
      receive: () => {
        throw new Error('no');
      },
      handled: 0,
      dropped: 1,
      message: /REJECTED: a middleware refused the message: no/,
    },
    twice: {
      receive: async (_ctx, next) => {
        await next();
        await next();
      },
      handled: 1,
      dropped: 0,
      message: /MIDDLEWARE_MISUSE.*next\(\) twice/,
    },
    late: {
      receive: (_ctx, next) => void setImmediate(() => void next()),
      handled: 0,
      dropped: 1,
      message: /MIDDLEWARE_MISUSE.*without calling next/,
    },
  };
  for (const [way, { receive, handled, dropped, message }] of Object.entries(ways)) {
    const rig = receiving(t, receive);
    const topics: string[] = [];
    rig.bus.subscribe('>', ({ topic }) => void topics.push(topic));
    await rig.bus.ready();
    await rig.bus.publish('bad', 1);
    await rig.bus.publish('good', 1);
    await until(() => topics.includes('good') && rig.told.length > 0, `the bad and the good message (${way})`);
    await turns();
    assert.equal(topics.filter((topic) => topic === 'bad').length, handled, way);
    assert.equal(rig.bus.metrics().inbound_dropped, dropped, way);
    assert.match(rig.told[0]!.error.message, message, way);
    assert.equal(rig.told[0]!.context?.topic, 'bad', way);
    await expectClean(rig);
  }
});

test('on the way in a handler that fails behind a forgotten next() is still told', async (t) => {
  const rig = receiving(t, (_ctx, next) => {
    void next();
  });
  rig.bus.subscribe('bad', async () => {
    await turns();
    throw new Error('handler');
  });
  await rig.bus.ready();
  await rig.bus.publish('bad', 1);
  await until(() => rig.told.length === 2, 'the misuse and the failure');
  const messages = rig.told.map(({ error }) => error.message);
  assert.match(messages[0]!, /MIDDLEWARE_MISUSE: a middleware did not wait for next/);
  assert.equal(messages[1], 'handler');
  await expectClean(rig);
});

test('on the way in a request that a step breaks is answered with the error, and the next one works', async (t) => {
  const rig = receiving(t, () => undefined);
  rig.bus.respond('>', () => 'fine');
  await rig.bus.ready();
  assert.equal(await codeOf(rig.bus.request('bad', 1)), 'MIDDLEWARE_MISUSE');
  assert.equal(await rig.bus.request('good', 1), 'fine');
  await expectClean(rig);
});

test('a message that was dropped while it waited for its handler is not handled after all', async (t) => {
  const rig = receiving(t, (_ctx, next) => {
    void next();
  });
  const ends: (() => void)[] = [];
  const started: unknown[] = [];
  const work = ({ body }: { readonly body: unknown }): Promise<void> => {
    started.push(body);
    return new Promise((resolve) => ends.push(resolve));
  };
  rig.bus.subscribe('>', work, { concurrency: 1 });
  await rig.bus.ready();
  await rig.bus.publish('good', 1);
  await rig.bus.publish('bad', 2);
  await until(() => rig.bus.metrics().inbound_dropped === 1, 'the misuse');
  await rig.bus.publish('good', 3);
  ends.shift()!();
  await until(() => started.length === 2, 'the next good one');
  assert.deepEqual(started, [1, 3]);
  ends.shift()!();
  await turns();
});

test('a thousand broken messages of one topic leave nothing behind', async (t) => {
  let count = 0;
  const rig = receiving(t, (_ctx, next) => {
    const way = count++ % 3;
    if (way === 0) return undefined;
    if (way === 1) throw new Error('no');
    void next();
    return next();
  });
  let handled = 0;
  rig.bus.subscribe('>', () => handled++);
  await rig.bus.ready();
  for (let index = 0; index < 1000; index++) await rig.bus.publish('bad', index);
  await until(() => count === 1000, 'all of them');
  await turns();
  assert.ok(handled <= 334, 'those of the third kind at most');
  assert.equal(handled + rig.bus.metrics().inbound_dropped, 1000, 'handled or dropped, never both');
  assert.equal(rig.bus.metrics().errors, 1000);
  await expectClean(rig);
});
