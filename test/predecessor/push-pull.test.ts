/** `push_result`, `pull_results_loop` and `_handle_pulled_message`: push, pull, handlePulledMessage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../src/core/receive-context.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { memory, memoryHub } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { actor, SpyTransport, watched } from './stage.ts';

const PULL = { pull: { connect: ['memory://tasks'] } };
const PUSH = { push: { bind: 'memory://tasks' } };

test('push(body) goes out as results; with two arguments the first is the topic, with three the last has options', async (t) => {
  const { bus } = actor(t);
  const seen: unknown[] = [];
  bus.pull('>', ({ topic, body, headers }) => seen.push([topic, body, headers.getText('x-job')]));
  await bus.push({ task_id: 'abc123' });
  await bus.push('task.done', { task_id: 'abc124' });
  await bus.push('task.done', undefined, { headers: { 'x-job': '7' } });
  await until(() => seen.length === 3, 'three results');
  assert.deepEqual(seen, [
    ['results', { task_id: 'abc123' }, undefined],
    ['task.done', { task_id: 'abc124' }, undefined],
    ['task.done', undefined, '7'],
  ]);
});

test('a pushed message goes to one puller and there to the first handler whose pattern matches', async (t) => {
  const hub = memoryHub();
  const pushing = actor(t, { transport: memory({ hub }), endpoints: PUSH });
  const seen: string[] = [];
  for (const name of ['one', 'two']) {
    const pulling = actor(t, { transport: memory({ hub }), endpoints: PULL });
    pulling.bus.pull('task.*', ({ body }) => seen.push(`${name} ${String(body)}`));
    pulling.bus.pull('>', () => seen.push('a second handler'));
  }
  for (let index = 0; index < 4; index++) await pushing.bus.push('task.new', index);
  await until(() => seen.length >= 4, 'four tasks');
  assert.deepEqual(seen.sort(), ['one 0', 'one 2', 'two 1', 'two 3']);
});

test('a push before anybody pulls waits for the puller', async (t) => {
  const clock = new FakeClock();
  const { bus } = actor(t, { clock });
  const pushed = watched(bus.push(1));
  await clock.pass(900, 100);
  assert.equal(pushed.outcome, 'pending');
  const pulled: unknown[] = [];
  bus.pull('>', ({ body }) => pulled.push(body));
  await until(() => pulled.length === 1, 'the result');
  await until(() => pushed.outcome === 'resolved', 'the push');
});

test('the signal of a push ends the call with ABORTED', async (t) => {
  const { bus } = actor(t);
  const caller = new AbortController();
  const call = bus.push('task.new', 1, { signal: caller.signal });
  await turns();
  caller.abort();
  await bounded(assert.rejects(call, { code: 'ABORTED' }), 'the abort');
});

class ResultBus extends MessageBus {
  readonly seen: unknown[] = [];

  protected override handlePulledMessage(message: Message): void {
    this.seen.push([message.topic, message.body]);
  }
}

test('pull() without a handler opens the socket and gives each message to the overridden handlePulledMessage', async (t) => {
  const { bus } = actor(t, {}, ResultBus);
  bus.pull();
  await bus.push({ status: 'done' });
  await until(() => bus.seen.length === 1, 'the result');
  assert.deepEqual(bus.seen, [['results', { status: 'done' }]]);
});

test('handlePulledMessage also gets what no registered handler matches, and nothing else', async (t) => {
  const { bus } = actor(t, {}, ResultBus);
  const handled: unknown[] = [];
  bus.pull('task.*', ({ body }) => handled.push(body));
  await bus.push('task.new', 1);
  await bus.push('report', 2);
  await until(() => bus.seen.length + handled.length === 2, 'both');
  assert.deepEqual([handled, bus.seen], [[1], [['report', 2]]]);
});

test('by default a pushed message without a handler is logged at logLevelNoHandler and counted as received', async (t) => {
  const { bus, log } = actor(t, { logLevelNoHandler: 'warn' });
  bus.pull();
  await bus.push('report', 1);
  await until(() => bus.stats().no_handler === 1, 'the message');
  assert.deepEqual(log.at('warn'), ['warn no handler for pushed topic report']);
  const { messages_received, inbound_dropped } = bus.metrics();
  assert.deepEqual({ messages_received, inbound_dropped }, { messages_received: 1, inbound_dropped: 0 });
});

test('pull takes a concurrency of its own', async (t) => {
  const { bus } = actor(t);
  let running = 0;
  let most = 0;
  let done = 0;
  bus.pull(
    '>',
    async () => {
      most = Math.max(most, ++running);
      await turns(1);
      running--;
      done++;
    },
    { concurrency: 2 },
  );
  for (let index = 0; index < 10; index++) void bus.push(index);
  await until(() => done === 10, 'ten results');
  assert.equal(most, 2);
});

test('a push that is accepted has been taken by a peer, one that is not has not', async (t) => {
  const spy = new SpyTransport();
  const { bus } = actor(t, { transport: spy.transport });
  bus.pull('>', () => undefined);
  await bus.push(1);
  spy.stuck = new Set(['push']);
  const stuck = watched(bus.push(2));
  await turns(20);
  assert.deepEqual([stuck.outcome, bus.metrics().messages_sent], ['pending', 1]);
});
