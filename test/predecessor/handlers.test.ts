/** What a handler may be and what it gets: `async def handler(msg)`, `def handler(msg)`, `msg["data"]`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message, ReceiveContext } from '../../src/core/receive-context.ts';
import { inWorker } from '../../src/middleware/in-worker.ts';
import { until } from '../transports/conformance/waiting.ts';
import { actor } from './stage.ts';

test('a handler gets one argument: body, topic, headers, id, correlation, sender, sentAt, signal', async (t) => {
  const { bus } = actor(t, { publish: true });
  const seen: Message[] = [];
  const keep = (...given: unknown[]): void => {
    assert.equal(given.length, 1);
    seen.push(given[0] as Message);
  };
  bus.subscribe('a', keep);
  bus.pull('b', keep);
  bus.respond('c', keep);
  await bus.ready();
  const earliest = Date.now();
  const headers = { 'x-tenant': 'acme' };
  await bus.publish('a', { n: 1 }, { headers });
  await bus.push('b', { n: 2 }, { headers });
  await bus.request('c', { n: 3 }, { headers });
  await until(() => seen.length === 3, 'three messages');
  const shown = seen.map(({ topic, body, headers: all, sender, correlation, signal }) => {
    return [topic, body, all.getText('x-tenant'), sender, correlation !== undefined, signal.aborted];
  });
  assert.deepEqual(shown.sort(), [
    ['a', { n: 1 }, 'acme', 'actor', false, false],
    ['b', { n: 2 }, 'acme', 'actor', false, false],
    ['c', { n: 3 }, 'acme', 'actor', true, false],
  ]);
  assert.equal(new Set(seen.map(({ id }) => id)).size, 3);
  for (const { id, sentAt } of seen) {
    assert.match(id, /^\w+\..+\.\d+$/);
    // By the wall clock of the sender, which has microseconds where Date has none.
    assert.ok(sentAt! >= earliest - 1 && sentAt! <= Date.now() + 1, String(sentAt));
  }
});

test('the argument is the context of the middleware itself, not a copy', async (t) => {
  const { bus } = actor(t);
  const contexts: ReceiveContext[] = [];
  bus.use({ name: 'watch', stage: 'body', receive: (ctx, next) => (contexts.push(ctx), next()) });
  let message: Message | undefined;
  bus.pull('>', (given) => {
    message = given;
  });
  await bus.push(1);
  await until(() => message !== undefined, 'the message');
  assert.equal(message, contexts[0]);
});

for (const kind of ['sync', 'async'] as const) {
  test(`${kind} functions are handlers of all three patterns`, async (t) => {
    const { bus, errors } = actor(t, { publish: true });
    const seen: unknown[] = [];
    const sync = ({ body }: Message): string => {
      seen.push(body);
      return `answer ${String(body)}`;
    };
    const handler = kind === 'sync' ? sync : async (message: Message) => Promise.resolve(message).then(sync);
    bus.subscribe('a', handler);
    bus.pull('b', handler);
    bus.respond('c', handler);
    await bus.ready();
    await bus.publish('a', 1);
    await bus.push('b', 2);
    assert.equal(await bus.request('c', 3), 'answer 3');
    await until(() => seen.length === 3, 'three messages');
    await bus.close();
    assert.deepEqual([seen.sort(), errors], [[1, 2, 3], []]);
  });

  test(`a failing ${kind} handler is counted, logged and given to onError, and the next message is handled`, async (t) => {
    const { bus, log, errors } = actor(t, { publish: true });
    const seen: unknown[] = [];
    const fail = ({ topic, body }: Message): void => {
      if (body === 'bad') throw new Error(`${topic} failed`);
      seen.push(topic);
    };
    const handler = kind === 'sync' ? fail : async (message: Message) => Promise.resolve(message).then(fail);
    bus.subscribe('a', handler);
    bus.pull('b', handler);
    bus.respond('c', handler);
    await bus.ready();
    await bus.publish('a', 'bad');
    await bus.push('b', 'bad');
    await assert.rejects(bus.request('c', 'bad'), { code: 'HANDLER_FAILED' });
    await bus.publish('a', 'good');
    await bus.push('b', 'good');
    await bus.request('c', 'good');
    await until(() => seen.length === 3, 'the messages after them');
    assert.deepEqual(errors.map(({ message }) => message).sort(), ['a failed', 'b failed', 'c failed']);
    assert.equal(log.at('error').length, 3);
    // The rejected request is the caller's error beside the handler's.
    assert.equal(bus.metrics().errors, 4);
    assert.equal(bus.metrics().inbound_dropped, 0);
  });
}

test('CPU-heavy work goes to a thread by inWorker, and the event loop goes on meanwhile', async (t) => {
  const { bus } = actor(t);
  const handler = inWorker(new URL('./fixtures/heavy.js', import.meta.url), { maxThreads: 1 });
  t.after(() => handler.close());
  bus.respond('prime.count', handler);
  let turnsMeanwhile = 0;
  const meanwhile = setInterval(() => turnsMeanwhile++, 1);
  t.after(() => {
    clearInterval(meanwhile);
  });
  const reply = await bus.request('prime.count', { below: 1000 }, { headers: { 'x-job': '7' }, timeoutMs: 30_000 });
  assert.deepEqual(reply, { primes: 168, topic: 'prime.count', job: '7', isMainThread: false });
  assert.ok(turnsMeanwhile > 10, 'the event loop stood still');
});
