import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { DecodedRecord } from '../../src/core/packet.ts';
import type { Transport } from '../../src/core/transport.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, memoryBus, RecordingLogger } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';
import { Gate, until } from '../transports/conformance/waiting.ts';

/** A requester below the bus, which reads only when it is told to. */
async function asker(t: TestContext, transport: Transport, clock: FakeClock) {
  const reading = new Gate();
  const answers: DecodedRecord[] = [];
  const link = await transport.openRequester({
    endpoint: 'memory://state',
    mode: 'connect',
    hwmPackets: 2000,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock,
    logger: new RecordingLogger(),
    events: { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} },
    onMalformed: (error) => assert.fail(error),
    async onPacket({ packet }) {
      await reading.opened;
      answers.push(...packet.records);
    },
  });
  t.after(() => link.close());
  let sent = 0;
  const ask = async (count: number, topic = 'state'): Promise<void> => {
    for (let index = 0; index < count; index++) {
      const headers = MessageHeaders.from({ topic, correlation: String(++sent) });
      const record = { headers, headerBlock: headers.encode(KIND_NUMBERS.request), payload: Buffer.from('0') };
      const stamp = { epoch: 1, firstSequence: sent, sentAtUs: 0 };
      assert.equal(await link.trySend(new OutgoingPacket(undefined, [record], stamp), 0), true);
    }
    await turns(20);
  };
  return { ask, answers, read: () => reading.open(), close: () => link.close() };
}

function responder(t: TestContext, hwmInbound: number, replySendTimeoutMs = 200) {
  const transport = memory();
  const clock = new FakeClock();
  // Closing after a failed assertion needs time to pass.
  t.after(() => void setInterval(() => clock.advance(50), 1).unref());
  const rig = memoryBus(t, {
    transport,
    clock,
    hwmInbound,
    hwmOutbound: 10,
    hwmPackets: 1,
    replySendTimeoutMs,
    logLevel: 'silent',
  });
  return { ...rig, transport, clock };
}

test('a reply that finds its queue full waits for room, and its request keeps its place meanwhile', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, transport, clock } = responder(t, 1000);
  let handled = 0;
  bus.respond('state', () => ++handled);
  await bus.ready();
  const { ask, answers, read } = await asker(t, transport, clock);
  await ask(100);
  assert.equal(handled, 100);
  const { queued_messages, in_flight_handlers } = bus.stats();
  assert.equal(queued_messages, 10, 'the queue takes as many as its mark');
  assert.ok(in_flight_handlers > 50, String(in_flight_handlers));
  assert.ok(bus.metrics().backpressure_events > 50);
  read();
  await until(() => answers.length === 100, 'all replies, once the requester reads');
  assert.equal(bus.stats().in_flight_handlers, 0);
  assert.equal(bus.metrics().outbound_dropped, 0);
});

test('what a requester that never reads makes a responder keep is bounded, refusals included', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, transport, clock } = responder(t, 50);
  let handled = 0;
  bus.respond('state', () => ++handled);
  await bus.ready();
  const { ask, read } = await asker(t, transport, clock);
  for (let round = 0; round < 30; round++) await ask(50);
  assert.ok(handled < 100, `${String(handled)} handled: the others found no place`);
  const { queued_messages, in_flight_handlers } = bus.stats();
  assert.ok(queued_messages <= 10, String(queued_messages));
  assert.ok(in_flight_handlers <= 50, String(in_flight_handlers));
  const refused = 1500 - handled;
  assert.equal(bus.metrics().inbound_dropped, refused);
  assert.ok(bus.metrics().outbound_dropped >= refused - 70, 'what is refused beyond the mark is not answered');
  read();
  await until(() => bus.stats().in_flight_handlers === 0, 'all that was kept to leave');
});

test('a reply is given up after replySendTimeoutMs, the wait for room included, and the place is free again', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, transport, clock, told } = responder(t, 1000);
  bus.respond('state', () => 1);
  await bus.ready();
  const { ask } = await asker(t, transport, clock);
  await ask(100);
  const kept = bus.stats().in_flight_handlers;
  assert.ok(kept > 10, String(kept));
  await clock.pass(190);
  assert.equal(bus.stats().in_flight_handlers, kept);
  await clock.pass(20);
  assert.equal(bus.stats().in_flight_handlers, 0);
  assert.equal(bus.stats().queued_messages, 0);
  const dropped = bus.metrics().outbound_dropped;
  assert.ok(dropped >= kept + 9, String(dropped));
  assert.equal(bus.metrics().errors, dropped, 'each is one error');
  assert.match(told[0]!.error.message, /^SEND_TIMEOUT: .*limit 200 ms\).*replySendTimeoutMs/);
});

test('replies that wait for room are given up when their peer goes, and when the bus closes', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, transport, clock, told } = responder(t, 1000, 60_000);
  const codes = (): unknown[] => [...new Set(told.map(({ error }) => (error as { code?: string }).code))];
  bus.respond('state', () => 1);
  await bus.ready();
  const gone = await asker(t, transport, clock);
  await gone.ask(100);
  assert.ok(bus.stats().in_flight_handlers > 10);
  await gone.close();
  await until(() => bus.stats().in_flight_handlers === 0, 'the places to be free');
  assert.deepEqual(codes(), ['PEER_GONE']);

  told.length = 0;
  const stuck = await asker(t, transport, clock);
  await stuck.ask(100);
  const closing = bus.close({ timeoutMs: 20 });
  let closed = false;
  void closing.then(() => (closed = true));
  await until(() => (clock.advance(10), closed), 'the bus to close');
  assert.ok(told.length > 20, String(told.length));
  assert.deepEqual(codes(), ['CLOSED']);
});

test('a reply whose headers have no encoding is told to its caller, and holds no other reply back', async (t) => {
  forbidUnhandledRejections(t);
  const labels: Middleware = {
    name: 'labels',
    stage: 'context',
    send: (ctx, next) => {
      const many = ctx.pattern === 'reply' && ctx.body === 'large' ? 20 : 0;
      for (let index = 0; index < many; index++) ctx.headers.set(`label-${String(index)}`, '.'.repeat(1000));
      return next();
    },
  };
  const { bus } = memoryBus(t, { stack: [serialize(), labels] });
  bus.respond('state', ({ body }) => body);
  await bus.ready();
  assert.equal(await codeOf(bus.request('state', 'large', { timeoutMs: 1000 })), 'HANDLER_FAILED');
  assert.equal(await bus.request('state', 'small', { timeoutMs: 1000 }), 'small');
  assert.equal(bus.stats().queued_messages, 0);
});

test('a handler whose caller has been told why there is no reply is not repeated: one request, one answer', async (t) => {
  forbidUnhandledRejections(t);
  let failures = 0;
  const failing: Middleware = {
    name: 'failing',
    stage: 'context',
    send: (ctx, next) => {
      if (ctx.kind === 'reply' && failures++ === 0) throw new Error('the first reply fails');
      return next();
    },
  };
  const repeating = retry({ handlers: { maxAttempts: 3, baseMs: 0 } });
  const { bus } = memoryBus(t, { stack: [serialize(), failing, repeating] });
  let handled = 0;
  bus.respond('state', () => ++handled);
  await bus.ready();
  assert.equal(await codeOf(bus.request('state', 0)), 'HANDLER_FAILED');
  await until(() => bus.stats().in_flight_handlers === 0, 'the end of the request');
  await turns(5);
  assert.deepEqual([handled, bus.stats().late_replies], [1, 0]);
});
