/** `request`, `response_loop` and `_handle_request`: request, respond, handleRequest, and no lock around them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../src/core/receive-context.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { memory, memoryHub } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { actor, aroundLimit, handedOver } from './stage.ts';

test('request(body) asks as state; with two arguments the first is the topic; it resolves with what the handler returned', async (t) => {
  const { bus } = actor(t);
  bus.respond('>', ({ topic, body, headers }) => ({ topic, body, tenant: headers.getText('x-tenant') ?? '' }));
  assert.deepEqual(await bus.request({ op: 'get_state' }), { topic: 'state', body: { op: 'get_state' }, tenant: '' });
  assert.deepEqual(await bus.request('state.get', 1), { topic: 'state.get', body: 1, tenant: '' });
  const reply = await bus.request('state.get', undefined, { headers: { 'x-tenant': 'acme' } });
  assert.deepEqual(reply, { topic: 'state.get', tenant: 'acme' });
});

test('a request that fails rejects with a code in place of None', async (t) => {
  const clock = new FakeClock();
  const { bus } = actor(t, { clock });
  bus.respond('silent', () => new Promise(() => {}));
  bus.respond('broken', () => {
    throw Object.assign(new Error('no such account'), { code: 'NO_ACCOUNT' });
  });
  const silent = bus.request('silent', 1, { timeoutMs: 300 });
  await handedOver(bus, 1);
  assert.deepEqual(await aroundLimit(clock, 300, silent), ['pending', 'REQUEST_TIMEOUT']);
  await clock.pass(10_000, 1000);
  await assert.rejects(bus.request('broken', 1), {
    code: 'HANDLER_FAILED',
    remoteCode: 'NO_ACCOUNT',
    what: 'no such account',
  });
  await assert.rejects(bus.request('unknown', 1), { code: 'NO_HANDLER' });
});

test('a request without a responder rejects with SEND_TIMEOUT at its deadline: it was not sent', async (t) => {
  const clock = new FakeClock();
  const { bus } = actor(t, { clock });
  assert.deepEqual(await aroundLimit(clock, 300, bus.request('state', 1, { timeoutMs: 300 })), [
    'pending',
    'SEND_TIMEOUT',
  ]);
  assert.equal(bus.metrics().messages_sent, 0);
});

test('the signal of a request ends the call with ABORTED and reaches the handler of the responder', async (t) => {
  // The clock stands still: no deadline can be what ends the handler.
  const { bus } = actor(t, { clock: new FakeClock() });
  let signal: AbortSignal | undefined;
  bus.respond('slow', (message) => {
    signal = message.signal;
    return new Promise(() => {});
  });
  const caller = new AbortController();
  const call = bus.request('slow', 1, { signal: caller.signal });
  await until(() => signal !== undefined, 'the handler');
  caller.abort();
  await bounded(assert.rejects(call, { code: 'ABORTED' }), 'the abort');
  await until(() => signal!.aborted, 'the signal of the handler');
});

test('requests to one endpoint run at the same time, and each gets its own reply, whatever the order', async (t) => {
  const { bus } = actor(t);
  const gates = [new Gate(), new Gate(), new Gate()];
  let arrived = 0;
  bus.respond('state', async ({ body }) => {
    arrived++;
    await gates[body as number]!.opened;
    return `reply ${String(body)}`;
  });
  const order: string[] = [];
  const calls = [0, 1, 2].map(async (index) => {
    const reply = await bus.request('state', index);
    order.push(`${String(index)}: ${String(reply)}`);
  });
  await until(() => arrived === 3, 'all three at once');
  for (const index of [2, 0, 1]) {
    gates[index]!.open();
    await calls[index];
  }
  assert.deepEqual(order, ['2: reply 2', '0: reply 0', '1: reply 1']);
});

test('a late reply reaches no other caller, and is counted', async (t) => {
  const hub = memoryHub();
  const clock = new FakeClock();
  const gate = new Gate();
  // The clock of the responder stands still, so to it the caller is still there.
  const responding = actor(t, { transport: memory({ hub }), clock: new FakeClock() });
  responding.bus.respond('state', async ({ body }) => {
    if (body === 'first') await gate.opened;
    return body;
  });
  const { bus } = actor(t, { transport: memory({ hub }), clock });
  const first = bus.request('state', 'first', { timeoutMs: 300 });
  assert.equal(await bounded(bus.request('state', 'alive'), 'a reply meanwhile'), 'alive');
  assert.deepEqual(await aroundLimit(clock, 300, first), ['pending', 'REQUEST_TIMEOUT']);
  const others = [bus.request('state', 'second'), bus.request('state', 'third')];
  gate.open();
  assert.deepEqual(await bounded(Promise.all(others), 'the other replies'), ['second', 'third']);
  await until(() => bus.stats().late_replies === 1, 'the late reply');
});

class StateBus extends MessageBus {
  protected override async handleRequest(message: Message): Promise<unknown> {
    await Promise.resolve();
    const { op } = message.body as { op: string };
    return op === 'get_state' ? { state: 'OK' } : { error: 'unknown op' };
  }
}

test('respond() without a handler opens the socket and answers with the overridden handleRequest', async (t) => {
  const { bus } = actor(t, {}, StateBus);
  bus.respond();
  assert.deepEqual(await bus.request({ op: 'get_state' }), { state: 'OK' });
  assert.deepEqual(await bus.request({ op: 'other' }), { error: 'unknown op' });
});

test('handleRequest also answers what no registered handler matches, and nothing else', async (t) => {
  const { bus } = actor(t, {}, StateBus);
  bus.respond('price.*', () => 'price');
  assert.equal(await bus.request('price.last', 1), 'price');
  assert.deepEqual(await bus.request('state.get', { op: 'get_state' }), { state: 'OK' });
});

test('by default a request that nothing answers is told NO_HANDLER at once, without waiting for its time-out', async (t) => {
  const clock = new FakeClock();
  const { bus, log } = actor(t, { clock });
  bus.respond();
  await bounded(
    assert.rejects(bus.request('state.get', 1), { code: 'NO_HANDLER' }),
    'the refusal while the clock stands still',
  );
  assert.equal(bus.stats().no_handler, 1);
  assert.equal(bus.metrics().inbound_dropped, 0);
  assert.equal(log.at('debug').filter((line) => line.includes('nothing answers "state.get" here')).length, 1);
});

test('respond takes a concurrency of its own', async (t) => {
  const { bus } = actor(t);
  let running = 0;
  let most = 0;
  bus.respond(
    'state',
    async () => {
      most = Math.max(most, ++running);
      await turns(1);
      running--;
    },
    { concurrency: 2 },
  );
  await Promise.all(Array.from({ length: 10 }, (_, index) => bus.request('state', index)));
  assert.equal(most, 2);
});
