/** `testBus()`, as users' tests use it: what it records, what it passes on, how it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { MessageBus } from '../../src/message-bus.ts';
import { testBus } from '../../src/testing/index.ts';
import type { RecordedMessage, TestBus, TestBusOptions } from '../../src/testing/index.ts';
import { memory } from '../../src/transports/memory.ts';
import { codeOf, deferred, RecordingLogger } from '../support/memory-bus.ts';
import { until } from '../transports/conformance/waiting.ts';

/** One that is closed when the test ends, whatever became of it. */
function made(t: TestContext, options?: TestBusOptions): TestBus {
  const one = testBus(options);
  t.after(() => one.close());
  return one;
}

function lines(messages: readonly RecordedMessage[]): string[] {
  return messages.map(({ pattern, topic, body }) => `${pattern} ${topic} ${JSON.stringify(body)}`);
}

test('a bus that reaches itself with all three patterns, without a port', async (t) => {
  const { bus, sent, received } = made(t);
  assert.ok(bus instanceof MessageBus);
  assert.equal(bus.describe().system, 'memory');
  assert.deepEqual([sent, received], [[], []]);
  const handled: unknown[] = [];
  bus.subscribe('event', ({ body }) => handled.push(body));
  bus.pull('task', ({ body }) => handled.push(body));
  bus.respond('add', ({ body }) => (body as number[]).reduce((a, b) => a + b, 0));
  await bus.ready();
  await bus.publish('event', 'one');
  await until(() => handled.length === 1, 'the event');
  await bus.push('task', { two: 2 });
  await until(() => handled.length === 2, 'the task');
  assert.equal(await bus.request('add', [1, 2]), 3);
  assert.deepEqual(handled, ['one', { two: 2 }]);
  const all = ['publish event "one"', 'push task {"two":2}', 'request add [1,2]', 'reply add 3'];
  assert.deepEqual(lines(sent), all);
  assert.deepEqual(lines(received), all);
});

test('sent has what nobody receives, received what nobody handles', async (t) => {
  const { bus, sent, received } = made(t);
  bus.subscribe('heard');
  await bus.ready();
  await bus.publish('nobody', 1);
  await bus.publish('heard', 2);
  await until(() => received.length === 1, 'the event');
  assert.deepEqual(lines(sent), ['publish nobody 1', 'publish heard 2']);
  assert.deepEqual(lines(received), ['publish heard 2']);
});

test('what is not sent is not recorded: a wrong topic, a call after the close', async (t) => {
  const { bus, sent, close } = made(t);
  assert.equal(await codeOf(bus.publish('not..a.topic', 1)), 'INVALID_TOPIC');
  await close();
  assert.equal(await codeOf(bus.publish('a', 1)), 'CLOSED');
  assert.deepEqual(sent, []);
});

test('a failing handler rejects the request, which is recorded as it was sent', async (t) => {
  const { bus, sent, received } = made(t, { logger: new RecordingLogger() });
  bus.respond('fails', () => {
    throw new Error('no such account');
  });
  await assert.rejects(bus.request('fails', 7), { code: 'HANDLER_FAILED', message: /no such account/ });
  assert.equal(lines(sent)[0], 'request fails 7');
  assert.equal(lines(received)[0], 'request fails 7');
});

test('close answers what the bus answers, aborts nothing that has ended, and may be called twice', async (t) => {
  const { bus, close } = made(t);
  const started = deferred();
  const hold = deferred();
  bus.pull('>', async () => {
    started.resolve();
    await hold.promise;
  });
  await bus.push('task', 1);
  await started.promise;
  const closing = close();
  let isClosed = false;
  void closing.then(() => (isClosed = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, false, 'it waits for the handler');
  hold.resolve();
  assert.deepEqual(await closing, { undelivered: 0, cancelled: 0, byTopic: {} });
  assert.deepEqual(await close(), await bus.close());
  assert.equal(bus.metrics().active_connections, 0);
});

test('two test buses do not reach each other, unless they share a transport', async (t) => {
  const apart = [made(t), made(t)] as const;
  apart[1].bus.subscribe('>');
  await Promise.all(apart.map(({ bus }) => bus.ready({ timeoutMs: 1 }).catch(() => undefined)));
  await apart[0].bus.publish('a', 1);
  await until(() => apart[0].bus.stats().unrouted === 1, 'nobody to hear it');
  assert.deepEqual(apart[1].received, []);
  const transport = memory();
  const sender = made(t, { transport });
  const receiver = made(t, { transport, publish: false });
  receiver.bus.subscribe('>');
  await Promise.all([sender.bus.ready(), receiver.bus.ready()]);
  await sender.bus.publish('a', 1);
  await until(() => receiver.received.length === 1, 'the event');
  assert.deepEqual([lines(sender.sent), lines(sender.received)], [['publish a 1'], []]);
});

test('the service is called test unless it is given a name', async (t) => {
  for (const [options, name] of [
    [undefined, 'test'],
    [{}, 'test'],
    [{ serviceName: 'shop' }, 'shop'],
  ] as const) {
    const { bus } = made(t, options);
    assert.equal(bus.describe().serviceName, name);
    const senders: unknown[] = [];
    bus.subscribe('a', ({ sender }) => senders.push(sender));
    await bus.ready();
    await bus.publish('a', 1);
    await until(() => senders.length === 1, 'the event');
    assert.deepEqual(senders, [name]);
  }
});

test('options of the bus pass through: endpoints, publish, logger, middleware', async (t) => {
  const logger = new RecordingLogger();
  const { bus, sent, received } = made(t, {
    endpoints: { push: { connect: ['memory://mine'] }, pull: { bind: 'memory://mine' } },
    publish: false,
    logger,
    logLevel: 'debug',
    logLevelNoHandler: 'warn',
    middleware: [],
  });
  const { send, receive } = bus.describe();
  assert.deepEqual(
    [send, receive],
    [
      ['record', '(bytes)', '(headers)'],
      ['(admit)', '(bytes)', 'record'],
    ],
    'the recorder is the whole stack',
  );
  bus.pull();
  await bus.ready();
  await bus.push('task', Uint8Array.of(7));
  await until(() => received.length === 1 && logger.at('warn').length === 1, 'the task');
  assert.deepEqual(
    bus
      .describe()
      .links.map(({ pattern, endpoint }) => `${pattern} ${endpoint}`)
      .sort(),
    ['pull memory://mine', 'push memory://mine'],
    'and no publisher',
  );
  assert.deepEqual([...(sent[0]!.body as Uint8Array)], [7]);
  assert.deepEqual([...(received[0]!.body as Uint8Array)], [7]);
});

test('a step of the application stands inside the recorder, so that what it changes is not what was sent', async (t) => {
  const { bus, sent, received } = made(t);
  bus.use((ctx, next) => {
    if (ctx.direction === 'send') ctx.body = `<${String(ctx.body)}>`;
    return next();
  });
  bus.subscribe('a');
  await bus.ready();
  await bus.publish('a', 'x');
  await until(() => received.length === 1, 'the event');
  assert.deepEqual([lines(sent), lines(received)], [['publish a "x"'], ['publish a "<x>"']]);
});

test('wrong options are errors that name what was expected', () => {
  const wrong = (options: unknown): (() => unknown) => {
    return () => testBus(options as TestBusOptions);
  };
  assert.throws(wrong({ serviceNme: 'x' }), { name: 'TypeError', message: /serviceNme/ });
  assert.throws(wrong({ hwmInbuond: 1 }), { name: 'TypeError', message: /hwmInbuond.*hwmInbound/ });
  assert.throws(wrong({ serviceName: 7 }), { message: /`serviceName` to be a non-empty string, got 7/ });
  assert.throws(wrong({ hwmInbound: 0 }), { name: 'RangeError', message: /`hwmInbound`/ });
  assert.throws(wrong({ transport: 'memory' }), { message: /`transport` to be a transport/ });
  assert.throws(wrong(null), TypeError);
});
