import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { HEARTBEAT_TOPIC } from '../../src/core/publish-channel.ts';
import type { IncomingPacket, Receiver, Transport } from '../../src/core/transport.ts';
import { memory } from '../../src/transports/memory.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, codesTold, deferred, memoryBus, RecordingLogger } from '../support/memory-bus.ts';
import type { TestContext } from 'node:test';

/** A subscriber below the bus: it sees every packet, heartbeats included, and reads only when it is told to. */
async function tap(t: TestContext, transport: Transport, pattern = '>', hwmPackets = 1000) {
  const packets: IncomingPacket[] = [];
  const gate = new Gate();
  gate.open();
  let reading: Gate = gate;
  const receiver: Receiver = await transport.openSubscriber({
    endpoint: 'memory://events',
    mode: 'connect',
    hwmPackets,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events: { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} },
    onMalformed: (error) => assert.fail(error),
    async onPacket(incoming) {
      packets.push(incoming);
      await reading.opened;
    },
  });
  receiver.subscribe(pattern);
  t.after(() => receiver.close());
  const heartbeats = (): [string, number, number][][] =>
    packets
      .filter(({ topic }) => topic === HEARTBEAT_TOPIC)
      .map(({ packet }) => {
        const payload = packet.records[0]!.payload.toString('utf8');
        return (JSON.parse(payload) as { streams: [string, number, number][] }).streams;
      });
  const topics = (): string[] => packets.flatMap(({ topic, packet }) => packet.records.map(() => topic!));
  return { packets, heartbeats, topics, stop: () => (reading = new Gate()), go: () => reading.open() };
}

test('publish resolves when the queue has accepted the message, before anything has left that waits for the end of its turn', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport });
  const { topics } = await tap(t, transport);
  await bus.publish('warm.up', 1);
  await turns();
  await bus.publish('a.b', 1);
  await bus.publish('a.c', 1);
  assert.equal(bus.metrics().messages_sent, 2, 'a lone one leaves in its turn, the next one with those that follow');
  await until(() => topics().includes('a.c'), 'the message');
  assert.equal(bus.metrics().messages_sent, 3);
});

test('publishing to nobody resolves and counts as unrouted', async (t) => {
  const { bus } = memoryBus(t);
  await bus.publish('a.b', 1);
  await bus.publish('a.b', 2);
  await turns();
  assert.equal(bus.stats().unrouted, 2);
  assert.equal(bus.metrics().messages_sent, 2);
  assert.equal(bus.metrics().outbound_dropped, 0);
});

test('a subscriber of something else does not make a message routed', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport });
  await tap(t, transport, 'other.>');
  await bus.publish('a.b', 1);
  await bus.publish('other.x', 1);
  await turns();
  assert.equal(bus.stats().unrouted, 1);
});

test('requireSubscribers waits for one, and keeps the order of the calls', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, requireSubscribers: true });
  const calls = [bus.publish('a.b', 1), bus.publish('a.b', 2), bus.publish('a.b', 3)];
  await turns();
  assert.equal(bus.metrics().messages_sent, 0);
  const { packets } = await tap(t, transport, 'a.b');
  await Promise.all(calls);
  const bodies = (): string[] => packets.flatMap(({ packet }) => packet.records.map(({ payload }) => String(payload)));
  await until(() => bodies().length >= 3, 'the messages');
  assert.deepEqual(bodies(), ['1', '2', '3']);
  assert.equal(bus.stats().unrouted, 0);
});

test('requireSubscribers rejects with NO_SUBSCRIBERS when none comes in time', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, requireSubscribers: true, publishTimeoutMs: 300 });
  const call = bus.publish('a.b', 1);
  await turns();
  await clock.pass(290);
  assert.equal(bus.metrics().errors, 0);
  await clock.pass(30);
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'NO_SUBSCRIBERS');
    assert.equal(error.retryable, true);
    assert.match(error.message, /topic "a\.b", endpoint memory:\/\/events, limit 300 ms.*unrouted/);
    return true;
  });
  assert.equal(bus.metrics().outbound_dropped, 1);
  assert.equal(bus.metrics().messages_sent, 0);
});

test('requireSubscribers lets the signal of the caller end the wait', async (t) => {
  const { bus } = memoryBus(t, { requireSubscribers: true });
  const abort = new AbortController();
  const call = bus.publish('a.b', 1, { signal: abort.signal });
  await turns();
  abort.abort();
  assert.equal(await codeOf(call), 'ABORTED');
});

test('a full queue makes a publish wait until its time-out, counted once as back-pressure and once as dropped', async (t) => {
  const transport = memory();
  const clock = new FakeClock();
  const { bus } = memoryBus(t, {
    transport,
    clock,
    hwmOutbound: 2,
    hwmPackets: 1,
    slowSubscribers: 'wait',
    publishTimeoutMs: 200,
  });
  const { stop, go, topics } = await tap(t, transport, '>', 1);
  await bus.publish('first', 0);
  await until(() => topics().length === 1, 'the first');
  stop();
  // One is being read, one is in the pipe, and the queue takes two.
  for (const topic of ['read', 'piped', 'queued.1', 'queued.2']) {
    await bus.publish(topic, 0);
    await turns(8);
  }
  assert.equal(bus.metrics().backpressure_events, 0);
  const late = bus.publish('waits', 0);
  await turns();
  assert.equal(bus.metrics().backpressure_events, 1);
  await clock.pass(210);
  await assert.rejects(late, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'SEND_TIMEOUT');
    assert.match(error.message, /limit 200 ms.*hwmOutbound/);
    return true;
  });
  assert.equal(bus.metrics().outbound_dropped, 1);
  assert.equal(bus.stats().cooling_down, 0, 'slow subscribers are no failed endpoint');
  go();
  await until(() => topics().includes('queued.2'), 'the queue to leave');
  await turns();
  assert.ok(!topics().includes('waits'), 'what was given up never leaves');
});

test('what waits for room is accepted in the order of the calls when there is room again', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, hwmOutbound: 1, hwmPackets: 1, slowSubscribers: 'wait' });
  const { stop, go, topics } = await tap(t, transport, '>', 1);
  await bus.publish('t.0', 0);
  await until(() => topics().length === 1, 'the first');
  stop();
  const calls = Array.from({ length: 8 }, (_, index) => bus.publish(`t.${String(index + 1)}`, 0));
  await turns();
  assert.ok(bus.metrics().backpressure_events > 0);
  go();
  await bounded(Promise.all(calls), 'all of them');
  await until(() => topics().filter((topic) => topic.startsWith('t.')).length === 9, 'all messages');
  assert.deepEqual(
    topics().filter((topic) => topic.startsWith('t.')),
    Array.from({ length: 9 }, (_, index) => `t.${String(index)}`),
  );
});

test('a heartbeat tells about once a second the last sequence of every topic that moved', async (t) => {
  const transport = memory();
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { transport, clock, heartbeatMs: 500 });
  const { heartbeats } = await tap(t, transport, 'x');
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  await bus.publish('b', 1);
  await turns();
  assert.deepEqual(heartbeats(), []);
  await clock.pass(500, 100);
  await until(() => heartbeats().length === 1, 'a heartbeat');
  const told = heartbeats()[0]!.map(([topic, epoch, last]) => {
    assert.ok(Number.isSafeInteger(epoch) && epoch > 0);
    return [topic, last];
  });
  assert.deepEqual(told, [
    ['a', 2],
    ['b', 1],
  ]);
  await clock.pass(500, 100);
  await until(() => heartbeats().length === 2, 'the next one, although nothing moved');
  assert.equal(bus.metrics().messages_sent, 3, 'heartbeats are not counted');
  assert.equal(bus.stats().unrouted, 3);
});

test('while a heartbeat is stuck in the queue no others pile up behind it', async (t) => {
  const transport = memory();
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { transport, clock, heartbeatMs: 100, hwmPackets: 1, slowSubscribers: 'wait' });
  const { stop } = await tap(t, transport, '>', 1);
  await bus.publish('a', 1);
  await turns();
  stop();
  await clock.pass(3000, 100);
  assert.ok(bus.stats().queued_messages <= 3, String(bus.stats().queued_messages));
});

test('close() sends the last sequences after the last messages', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport });
  const { heartbeats, packets } = await tap(t, transport, '>');
  await bus.ready({ topic: 'a', subscribers: 1 });
  for (let index = 0; index < 10; index++) void bus.publish('a', index);
  await bus.close();
  await until(() => heartbeats().length > 0, 'the last heartbeat');
  assert.deepEqual(
    heartbeats()[0]!.map(([topic, , last]) => [topic, last]),
    [['a', 10]],
  );
  assert.equal(packets.at(-1)!.topic, HEARTBEAT_TOPIC);
});

test('a queued message that the transport refuses later is counted, logged and given to onError', async (t) => {
  const transport = memory();
  const refusing: Transport = {
    ...transport,
    openPublisher: async (spec) => {
      const sender = await transport.openPublisher(spec);
      return Object.create(sender, {
        endpoint: { get: () => sender.endpoint },
        sockets: { get: () => sender.sockets },
        mode: { value: sender.mode },
        close: { value: () => sender.close() },
        subscriberCount: { value: (topic: string) => sender.subscriberCount(topic) },
        trySend: {
          value: () => {
            throw new BusError('MESSAGE_TOO_LARGE', 'too large');
          },
        },
      }) as typeof sender;
    },
  };
  const { bus, told, logger } = memoryBus(t, { transport: refusing });
  await bus.publish('a', 1);
  await turns();
  assert.equal(bus.metrics().outbound_dropped, 1);
  assert.equal(bus.metrics().messages_sent, 0);
  assert.equal(bus.metrics().errors, 1);
  assert.deepEqual(codesTold(told), ['MESSAGE_TOO_LARGE']);
  assert.match(logger.at('error').join(), /a queued message was lost/);
});

test('a publish that fails while its chain runs gives its place up: those behind it leave', async (t) => {
  const transport = memory();
  const hold = deferred();
  const { bus } = memoryBus(t, { transport });
  const { topics } = await tap(t, transport);
  await bus.ready({ topic: 'a', subscribers: 1 });
  assert.ok(bus.describe().links.length > 0);
  const other = memoryBus(t, {
    transport,
    endpoints: { publish: { bind: 'memory://other' } },
    stack: [
      {
        name: 'slow',
        stage: 'payload',
        async send(ctx, next) {
          if (ctx.topic === 'slow') await hold.promise;
          await next();
        },
      },
    ],
  });
  const slow = other.bus.publish('slow', Buffer.from('x'));
  const behind = other.bus.publish('behind', Buffer.from('y'));
  assert.equal(await codeOf(behind), 'resolved');
  await turns();
  assert.equal(other.bus.metrics().messages_sent, 0, 'it keeps its place behind the slow one');
  hold.reject(new Error('no'));
  assert.equal(await codeOf(slow), 'Error: no');
  await turns();
  assert.equal(other.bus.metrics().messages_sent, 1);
  assert.deepEqual(topics(), []);
});

test('heartbeats pass a message whose step takes long, and name only what has left', async (t) => {
  const transport = memory();
  const clock = new FakeClock();
  const hold = deferred();
  const { bus } = memoryBus(t, {
    transport,
    clock,
    heartbeatMs: 50,
    publishTimeoutMs: 10_000,
    stack: [
      {
        name: 'slow',
        stage: 'payload',
        async send(ctx, next) {
          if (ctx.topic === 'slow') await hold.promise;
          await next();
        },
      },
    ],
  });
  const { heartbeats, topics } = await tap(t, transport);
  await bus.publish('before', Buffer.from('x'));
  const slow = bus.publish('slow', Buffer.from('x'));
  await bus.publish('behind', Buffer.from('x'));
  await clock.pass(500, 50);
  assert.ok(heartbeats().length >= 8, String(heartbeats().length));
  assert.deepEqual([...new Set(heartbeats().flatMap((streams) => streams.map(([topic]) => topic)))], ['before']);
  hold.resolve();
  await slow;
  await until(() => topics().includes('behind'), 'the rest');
  assert.deepEqual(
    topics().filter((topic) => topic !== HEARTBEAT_TOPIC),
    ['before', 'slow', 'behind'],
  );
});

test('a heartbeat says how often there is one', async (t) => {
  const transport = memory();
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { transport, clock, heartbeatMs: 70 });
  const { packets } = await tap(t, transport);
  await bus.publish('a', 1);
  await clock.pass(70, 10);
  await until(() => packets.some(({ topic }) => topic === HEARTBEAT_TOPIC), 'a heartbeat');
  const beat = packets.find(({ topic }) => topic === HEARTBEAT_TOPIC)!;
  assert.equal((JSON.parse(beat.packet.records[0]!.payload.toString()) as { ms: unknown }).ms, 70);
});

test('ready probes that cannot be answered yet are bounded, and one topic is answered once', async (t) => {
  const transport = memory();
  let probe: ((topic: string) => void) | undefined;
  const probing: Transport = {
    ...transport,
    openPublisher: (spec) => {
      probe = (topic) => spec.onReadyProbe(topic);
      return transport.openPublisher(spec);
    },
  };
  const { bus } = memoryBus(t, { transport: probing, hwmPackets: 1, slowSubscribers: 'wait' });
  const { stop, go, topics } = await tap(t, transport, '_tb.ready.>', 1);
  const echoes = (): string[] => topics().filter((topic) => topic.startsWith('_tb.ready.'));
  await bus.ready({ topic: 'a', subscribers: 1, timeoutMs: 0 }).catch(() => undefined);
  stop();
  probe!('_tb.ready.read');
  await turns(8);
  probe!('_tb.ready.piped');
  await turns(8);
  for (let index = 0; index < 5000; index++) probe!('_tb.ready.same');
  for (let index = 0; index < 5000; index++) probe!(`_tb.ready.${String(index)}`);
  go();
  await until(() => echoes().length >= 1002 && bus.stats().queued_messages === 0, 'the queue to leave');
  await turns(8);
  assert.equal(echoes().length, 1002, 'two were on their way, a thousand waited, the others may probe again');
  assert.equal(echoes().filter((topic) => topic === '_tb.ready.same').length, 1);
  probe!('_tb.ready.later');
  await until(() => echoes().includes('_tb.ready.later'), 'an answer, as there is room again');
});
