import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import { BusError } from '../../src/core/errors.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import type { Kind } from '../../src/core/kinds.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import { HEARTBEAT_TOPIC } from '../../src/core/publish-channel.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { trace } from '../../src/middleware/trace.ts';
import { memory } from '../../src/transports/memory.ts';
import { Recorder, eventsOf, w3c } from '../middleware/traced.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { memoryBus, RecordingLogger } from '../support/memory-bus.ts';
import { handOver, until } from '../transports/conformance/waiting.ts';

const EPOCH = 7;

/** A bus that subscribes to `>`, and a publisher below the bus that sends it whatever a test says. */
async function scene(t: TestContext, stack: readonly Middleware[] = [serialize()]) {
  const transport = memory();
  const publisher = await transport.openPublisher({
    endpoint: 'memory://events',
    mode: 'bind',
    hwmPackets: 1000,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events: { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} },
    slowSubscribers: 'wait',
    patienceMs: 1000,
    patienceRecoveryMs: 1000,
    onReadyProbe() {},
    onSubscribersChanged() {},
  });
  t.after(() => publisher.close());
  const rig = memoryBus(t, { transport, stack, publish: false, logLevel: 'silent' });
  const seen: string[] = [];
  rig.bus.subscribe('a.>', ({ topic }) => void seen.push(topic));
  await rig.bus.ready();
  const send = async (topic: string, sequence: number, payload: string, kind: Kind = 'message'): Promise<void> => {
    const headers = new MessageHeaders();
    const record = { headers, headerBlock: headers.encode(KIND_NUMBERS[kind]), payload: Buffer.from(payload) };
    await handOver(
      publisher,
      new OutgoingPacket(topic, [record], { epoch: EPOCH, firstSequence: sequence, sentAtUs: 0 }),
    );
    await turns();
  };
  const beat = (streams: unknown, kind: Kind = 'heartbeat'): Promise<void> =>
    send(HEARTBEAT_TOPIC, 1, JSON.stringify({ id: 'x', streams }), kind);
  const missed = (): number => rig.gaps.reduce((sum, { count }) => sum + count, 0);
  return { ...rig, seen, send, beat, missed };
}

test('a heartbeat shows what was lost at the end', async (t) => {
  const { send, beat, missed, seen } = await scene(t);
  await send('a.b', 1, '1');
  await beat([['a.b', EPOCH, 4]]);
  assert.equal(missed(), 3);
  await send('a.b', 5, '1');
  assert.equal(missed(), 3);
  await until(() => seen.length === 2, 'both messages');
});

test('a payload step that does not verify, as compression, leaves heartbeats their meaning', async (t) => {
  const unpack: Middleware = { name: 'unpack', stage: 'payload', receive: (_ctx, next) => next() };
  const { send, beat, missed } = await scene(t, [serialize(), unpack]);
  await send('a.b', 1, '1');
  await beat([['a.b', EPOCH, 4]]);
  assert.equal(missed(), 3);
});

test('where messages are verified a heartbeat, which is not, moves nothing', async (t) => {
  const verify: Middleware = { name: 'verify', stage: 'payload', verifies: true, receive: (_ctx, next) => next() };
  const { send, beat, missed, seen } = await scene(t, [serialize(), verify]);
  await send('a.b', 1, '1');
  await until(() => seen.length === 1, 'the first');
  await beat([['a.b', EPOCH, Number.MAX_SAFE_INTEGER]]);
  assert.equal(missed(), 0, 'a forged one invents no loss');
  await send('a.b', 4, '1');
  await until(() => seen.length === 2, 'the next');
  assert.equal(missed(), 2, 'and hides none');
});

test('a heartbeat that names what no bus publishes is counted as dropped and moves nothing', async (t) => {
  const { bus, send, beat, missed, told } = await scene(t);
  await send('a.b', 1, '1');
  const wrong: readonly unknown[] = [
    [['a.b', EPOCH, -1]],
    [['a.b', 0, 5]],
    [['a.b', EPOCH, 1.5]],
    [['a.*', EPOCH, 5]],
    [['', EPOCH, 5]],
    [['_tb.x', EPOCH, 5]],
    [[`a.${'x'.repeat(10_000)}`, EPOCH, 5]],
    [['a.b', EPOCH, 5], 'x'],
    Array.from({ length: 501 }, (_, index) => [`a.${String(index)}`, EPOCH, 5]),
    'x',
    undefined,
  ];
  for (const streams of wrong) await beat(streams);
  await beat([['a.b', EPOCH, 9]], 'message');
  assert.equal(bus.metrics().inbound_dropped, wrong.length + 1);
  assert.equal(missed(), 0);
  assert.deepEqual(
    [...new Set(told.map(({ error }) => error.message.replace(/:.*/, '')))],
    ['MALFORMED_PACKET'],
    'each is told',
  );
  await beat([['a.b', EPOCH, 2]]);
  assert.equal(missed(), 1, 'the watch goes on');
});

test('a heartbeat may name as many streams as a publisher puts into one, wanted or not', async (t) => {
  const { bus, send, beat, missed } = await scene(t);
  await send('a.1', 1, '1');
  await beat(
    Array.from({ length: 500 }, (_, index) => [index < 250 ? `a.${String(index)}` : `z.${String(index)}`, EPOCH, 3]),
  );
  assert.equal(missed(), 2);
  assert.equal(bus.metrics().inbound_dropped, 0);
});

/** A traced bus that subscribes to `a.>`; the events of each message's span, and what its handler was told of missing ones. */
async function gapScene(t: TestContext, extra: readonly Middleware[] = []) {
  const recorder = new Recorder();
  const step = trace({ tracerProvider: recorder.provider, propagator: w3c });
  const { bus, send, beat } = await scene(t, [step, serialize(), ...extra]);
  const missed: number[] = [];
  bus.subscribe('a.b', (message) => void missed.push(message.missed));
  await bus.ready();
  const events = (): string[][] => recorder.of(SpanKind.CONSUMER).map(eventsOf);
  return { send, beat, missed, events };
}

const GAP_OF_3 = 'messagebus.gap {"messagebus.missed":3}';

test('a gap is an event on the span of the first message after it, and its handler can see it', async (t) => {
  const { send, missed, events } = await gapScene(t);
  await send('a.b', 1, '1');
  await send('a.b', 5, '1');
  await send('a.b', 6, '1');
  await until(() => events().length === 3, 'the messages');
  assert.deepEqual(missed, [0, 3, 0]);
  assert.deepEqual(events(), [[], [GAP_OF_3], []]);
});

test('a gap that a heartbeat told of is one of the next message too', async (t) => {
  const { send, beat, missed, events } = await gapScene(t);
  await send('a.b', 1, '1');
  await beat([['a.b', EPOCH, 4]]);
  await send('a.b', 5, '1');
  await until(() => events().length === 2, 'the messages');
  assert.deepEqual(missed, [0, 3]);
  assert.deepEqual(events(), [[], [GAP_OF_3]]);
});

test('where messages are verified the gap is found by the verified one, however often it is delivered', async (t) => {
  const verify: Middleware = {
    name: 'verify',
    stage: 'payload',
    verifies: true,
    receive: (ctx, next) => {
      if (ctx.sequence === 3) throw new BusError('REJECTED', 'forged');
      return next();
    },
  };
  let failures = 0;
  const again: Middleware = {
    name: 'again',
    stage: 'body',
    repeatable: () => true,
    receive: async (_ctx, next) => {
      await next();
      if (failures++ === 1) await next();
    },
  };
  const { send, missed, events } = await gapScene(t, [verify, again]);
  await send('a.b', 1, '1');
  await send('a.b', 3, '1');
  await send('a.b', 5, '1');
  await until(() => events().length === 3, 'two spans of messages, one of the rejected one');
  assert.deepEqual([...new Set(missed)], [0, 3]);
  assert.deepEqual(events().flat(), [GAP_OF_3]);
});
