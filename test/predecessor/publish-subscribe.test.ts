/** `publish`, `register_handler` and `subscribe_loop`: publish, subscribe, messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../src/core/receive-context.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { actor, SpyTransport } from './stage.ts';

test('publish(topic, body) reaches the handler of that topic, with the headers of the call', async (t) => {
  const { bus } = actor(t, { publish: true });
  const seen: unknown[] = [];
  bus.subscribe('price.tick', ({ topic, body, headers }) => seen.push([topic, body, headers.getText('x-source')]));
  await bus.ready();
  await bus.publish('price.tick', { symbol: 'BTC' }, { headers: { 'x-source': 'nyse' } });
  await bus.publish('price.close', 'nobody asked');
  await bus.publish('price.tick', 2);
  await until(() => seen.length >= 2, 'both messages');
  assert.deepEqual(seen, [
    ['price.tick', { symbol: 'BTC' }, 'nyse'],
    ['price.tick', 2, undefined],
  ]);
});

test('the signal of a publish ends the call with ABORTED', async (t) => {
  const spy = new SpyTransport();
  spy.stuck = new Set(['publish']);
  const { bus } = actor(t, { transport: spy.transport, hwmOutbound: 1 });
  await bus.publish('price.tick', 1);
  const caller = new AbortController();
  const call = bus.publish('price.tick', 2, { signal: caller.signal });
  caller.abort();
  await bounded(assert.rejects(call, { code: 'ABORTED' }), 'the abort');
});

test('a publish that nobody awaits never ends the process when it rejects', async (t) => {
  const { bus, errors } = actor(t);
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  void bus.publish('not..a.topic', 1);
  void bus.publish('price.tick', () => 1);
  await until(() => bus.metrics().errors === 2, 'both rejections');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual({ unhandled, errors }, { unhandled: [], errors: [] });
});

test('several handlers of a topic each get the message, by its name, by * and by >', async (t) => {
  const { bus } = actor(t, { publish: true });
  const seen: string[] = [];
  for (const pattern of ['price.tick', 'price.tick', 'price.*', '>', 'price.*.x', 'trade.>']) {
    bus.subscribe(pattern, ({ body }) => seen.push(`${pattern} ${String(body)}`));
  }
  await bus.ready();
  await bus.publish('price.tick', 1);
  await until(() => seen.length >= 4, 'four handlers');
  await bus.close();
  assert.deepEqual(seen.sort(), ['> 1', 'price.* 1', 'price.tick 1', 'price.tick 1']);
});

test('a subscription ends with close(), and with the scope that uses it; others go on', async (t) => {
  const { bus } = actor(t, { publish: true });
  const seen: string[] = [];
  bus.subscribe('a', ({ body }) => seen.push(`stays ${String(body)}`));
  const subscription = bus.subscribe('a', ({ body }) => seen.push(`closed ${String(body)}`));
  {
    await using scoped = bus.subscribe('a', ({ body }) => seen.push(`scoped ${String(body)}`));
    assert.equal(scoped.pattern, 'a');
    await bus.ready();
    await bus.publish('a', 1);
    await until(() => seen.length === 3, 'three handlers');
  }
  await subscription.close();
  await subscription.close();
  await bus.publish('a', 2);
  await until(() => seen.length >= 4, 'the one that stays');
  await bus.close();
  assert.deepEqual(seen.sort(), ['closed 1', 'scoped 1', 'stays 1', 'stays 2']);
});

test('without a handler a subscription only receives: counted, not dropped, "no handler" at debug', async (t) => {
  const { bus, log } = actor(t, { publish: true });
  bus.subscribe('>');
  await bus.ready();
  await bus.publish('price.tick', 1);
  await until(() => bus.metrics().messages_received === 1, 'the message');
  assert.equal(bus.metrics().inbound_dropped, 0);
  assert.equal(bus.metrics().errors, 0);
  assert.equal(bus.stats().no_handler, 1);
  assert.deepEqual(log.at('debug'), ['debug no handler for topic price.tick']);
});

test('for await over messages() gets each message until its signal ends it', async (t) => {
  const { bus } = actor(t, { publish: true });
  const stop = new AbortController();
  const messages = bus.messages('price.*', { signal: stop.signal });
  await bus.ready();
  for (const price of [1, 2, 3]) await bus.publish('price.tick', price);
  const seen: unknown[] = [];
  const loop = (async () => {
    for await (const { topic, body } of messages) {
      seen.push([topic, body]);
      if (seen.length === 3) stop.abort();
    }
  })();
  await bounded(loop, 'the end of the loop');
  assert.deepEqual(seen, [
    ['price.tick', 1],
    ['price.tick', 2],
    ['price.tick', 3],
  ]);
});

test('leaving the loop over messages() ends its subscription', async (t) => {
  const { bus } = actor(t, { publish: true });
  const messages = bus.messages('a');
  let others = 0;
  bus.subscribe('a', () => others++);
  await bus.ready();
  await bus.publish('a', 1);
  for await (const { body } of messages) {
    assert.equal(body, 1);
    break;
  }
  await bus.publish('a', 2);
  await until(() => others === 2, 'the other subscription');
  assert.deepEqual(await bounded(messages.next(), 'the end'), { done: true, value: undefined });
});

test('a message of the loop counts as being handled until the loop asks for the next', async (t) => {
  const { bus } = actor(t, { publish: true, handlerMaxConcurrency: 1 });
  const gate = new Gate();
  const seen: unknown[] = [];
  const messages = bus.messages('a');
  bus.subscribe('b', ({ body }) => seen.push(body));
  await bus.ready();
  await bus.publish('a', 1);
  await bus.publish('b', 'after the loop has asked again');
  const first = await bounded<IteratorResult<Message>>(messages.next(), 'the first');
  assert.equal((first.value as Message).body, 1);
  gate.open();
  await gate.opened;
  assert.deepEqual(seen, []);
  void messages.next();
  await until(() => seen.length === 1, 'the next message');
});
