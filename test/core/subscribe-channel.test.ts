import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { Message } from '../../src/core/receive-context.ts';
import type { Transport } from '../../src/core/transport.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codesTold, deferred, memoryBus, RecordingLogger } from '../support/memory-bus.ts';
import type { Deferred } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

/** Handlers that end when the test lets them. */
class Work {
  readonly started: unknown[] = [];
  readonly #holds: Deferred[] = [];
  running = 0;
  most = 0;

  readonly handle = async ({ body }: Message): Promise<void> => {
    this.started.push(body);
    this.most = Math.max(this.most, ++this.running);
    const hold = deferred();
    this.#holds.push(hold);
    await hold.promise;
    this.running--;
  };

  finish(): void {
    this.#holds.shift()?.resolve();
  }

  /** Ends whatever runs, until so many have been handled in all. */
  async finishAll(count: number): Promise<void> {
    await until(
      () => {
        this.finish();
        return this.started.length >= count && this.running === 0;
      },
      () => `${String(count)} to be handled, not ${String(this.started.length)}`,
    );
  }
}

test('an event reaches every handler whose pattern fits, once each', async (t) => {
  const { bus } = memoryBus(t);
  const got: string[] = [];
  for (const pattern of ['price.tick', 'price.*', '>', 'other.>', 'price.*.x']) {
    bus.subscribe(pattern, ({ topic, body }) => void got.push(`${pattern} ${topic} ${String(body)}`));
  }
  bus.subscribe('price.tick', () => void got.push('a second one of the same pattern'));
  await bus.ready();
  await bus.publish('price.tick', 1);
  await until(() => got.length === 4, 'the handlers');
  await turns();
  assert.deepEqual(got, [
    'price.tick price.tick 1',
    'price.* price.tick 1',
    '> price.tick 1',
    'a second one of the same pattern',
  ]);
  assert.equal(bus.metrics().messages_received, 1, 'one message, however many handlers');
});

test('a handler gets one message: body, topic, headers, id, sender, sent time, and a signal', async (t) => {
  const { bus } = memoryBus(t, { serviceName: 'prices' });
  const got: Message[] = [];
  bus.subscribe('price.tick', (message) => void got.push(message));
  await bus.ready();
  const before = Date.now();
  await bus.publish('price.tick', { a: 1 }, { headers: { 'x-own': 'yes', raw: Uint8Array.of(7) } });
  await bus.publish('price.tick', 2, { headers: { 'message-id': 'mine' } });
  await bus.publish('price.tick', 3);
  await until(() => got.length === 3, 'the messages');
  const [first, second, third] = got as [Message, Message, Message];
  assert.deepEqual(first.body, { a: 1 });
  assert.equal(first.topic, 'price.tick');
  assert.equal(first.headers.getText('x-own'), 'yes');
  assert.deepEqual([...(first.headers.get('raw') as Uint8Array)], [7]);
  assert.equal(first.sender, 'prices');
  assert.equal(third.sender, 'prices', 'also without any header of its own');
  assert.match(first.id, /^[0-9a-z]+\.price\.tick\.1$/);
  assert.equal(second.id, 'mine');
  assert.match(third.id, /^[0-9a-z]+\.price\.tick\.3$/);
  assert.equal(first.correlation, undefined);
  assert.ok(Math.abs(first.sentAt! - before) < 10_000, String(first.sentAt));
  assert.equal(first.signal.aborted, false);
  assert.equal(
    first.run(() => 'in its context'),
    'in its context',
  );
});

test('events of one topic start in the order of the wire, however long their steps take', async (t) => {
  const slow: Middleware = {
    name: 'slow',
    stage: 'payload',
    async receive(ctx, next) {
      await turns((ctx.payload[0]! * 7) % 5);
      await next();
    },
  };
  const { bus } = memoryBus(t, { stack: [slow] });
  const started: number[] = [];
  bus.subscribe('a', ({ body }) => void started.push((body as Uint8Array)[0]!));
  await bus.ready();
  const numbers = Array.from({ length: 40 }, (_, index) => index);
  for (const number of numbers) await bus.publish('a', Uint8Array.of(number));
  await until(() => started.length === 40, 'all of them');
  assert.deepEqual(started, numbers);
});

test('a topic whose message hangs in a step holds back no other topic', async (t) => {
  const hold = deferred();
  const stuck: Middleware = {
    name: 'stuck',
    stage: 'body',
    async receive(ctx, next) {
      if (ctx.topic === 'slow') await hold.promise;
      await next();
    },
  };
  const { bus } = memoryBus(t, { stack: [serialize(), stuck] });
  const got: string[] = [];
  bus.subscribe('>', ({ topic }) => void got.push(topic));
  await bus.ready();
  for (const topic of ['slow', 'quick', 'slow', 'quick']) await bus.publish(topic, 1);
  await until(() => got.length === 2, 'the quick ones');
  assert.deepEqual(got, ['quick', 'quick']);
  hold.resolve();
  await until(() => got.length === 4, 'all');
});

test('a failing handler is counted, logged and given to onError, and stops neither the others nor the loop', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, told, logger } = memoryBus(t);
  const got: unknown[] = [];
  bus.subscribe('a', () => {
    throw new Error('at once');
  });
  bus.subscribe('a', async () => {
    await turns(1);
    throw new RangeError('later');
  });
  bus.subscribe('a', ({ body }) => void got.push(body));
  await bus.ready();
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  await until(() => got.length === 2 && told.length === 4, 'both messages');
  assert.deepEqual(got, [1, 2]);
  assert.deepEqual(told.map(({ error, context }) => `${error.message} ${String(context?.topic)}`).sort(), [
    'at once a',
    'at once a',
    'later a',
    'later a',
  ]);
  assert.equal(bus.metrics().errors, 4);
  assert.equal(bus.metrics().inbound_dropped, 0, 'a handler was reached');
  assert.match(logger.at('error')[0]!, /a handler of "a" failed on "a": /);
});

test('an onError that throws does not stop the loop either', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, logger } = memoryBus(t, {
    onError: () => {
      throw new Error('worse');
    },
  });
  let calls = 0;
  bus.subscribe('a', () => {
    calls++;
    throw new Error('bad');
  });
  await bus.ready();
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  await until(() => calls === 2, 'both');
  await turns();
  assert.equal(logger.at('error').filter((line) => line.includes('onError itself threw: worse')).length, 2);
  assert.equal(bus.metrics().errors, 4);
});

test('a handler may answer a thenable of another make: it is awaited and its failure told', async (t) => {
  const { bus, told } = memoryBus(t);
  let ended = false;
  bus.subscribe('well', () => ({
    then(resolve: () => void) {
      setImmediate(() => {
        ended = true;
        resolve();
      });
    },
  }));
  bus.subscribe('ill', () => ({
    then(_resolve: unknown, reject: (error: Error) => void) {
      setImmediate(() => reject(new Error('thenable')));
    },
  }));
  await bus.ready();
  await bus.publish('well', 1);
  await bus.publish('ill', 1);
  await until(() => ended && told.length === 1, 'both');
  assert.equal(told[0]!.error.message, 'thenable');
});

test('concurrency bounds the handlers of one subscription; the rest waits, in order', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  bus.subscribe('a', work.handle, { concurrency: 2 });
  await bus.ready();
  for (let index = 0; index < 6; index++) await bus.publish('a', index);
  await until(() => work.started.length === 2, 'two');
  await turns(10);
  assert.deepEqual(work.started, [0, 1]);
  work.finish();
  await until(() => work.started.length === 3, 'the next');
  await work.finishAll(6);
  assert.deepEqual(work.started, [0, 1, 2, 3, 4, 5]);
  assert.equal(work.most, 2);
});

test('without a limit of its own a subscription has hwmInbound in flight, and then the socket is not read', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, hwmInbound: 3 });
  const sender = memoryBus(t, { transport, endpoints: { publish: { bind: 'memory://events' } } });
  const work = new Work();
  bus.subscribe('a', work.handle);
  await sender.bus.ready({ topic: 'a', subscribers: 1 });
  for (let index = 0; index < 10; index++) await sender.bus.publish('a', index);
  await until(() => work.started.length === 3, 'three');
  await turns(20);
  assert.equal(work.started.length, 3);
  assert.equal(bus.stats().in_flight_handlers, 3);
  await work.finishAll(10);
  assert.deepEqual(work.started, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('overflow block: a full subscription holds the socket, and the pressure reaches the publisher', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, hwmPackets: 1 });
  const sender = memoryBus(t, {
    transport,
    endpoints: { publish: { bind: 'memory://events' } },
    hwmPackets: 1,
    hwmOutbound: 1,
    slowSubscribers: 'wait',
  });
  const work = new Work();
  bus.subscribe('a', work.handle, { concurrency: 1, maxQueued: 1, overflow: 'block' });
  await sender.bus.ready({ topic: 'a', subscribers: 1 });
  const calls: Promise<void>[] = [];
  for (let index = 0; index < 8; index++) {
    calls.push(sender.bus.publish('a', index));
    await turns(4);
  }
  assert.ok(sender.bus.metrics().backpressure_events > 0, 'a publish had to wait');
  assert.equal(work.started.length, 1);
  const finishing = work.finishAll(8);
  await Promise.all(calls);
  await finishing;
  assert.deepEqual(work.started, [0, 1, 2, 3, 4, 5, 6, 7], 'nothing is lost');
});

test('overflow drop-oldest: the socket is read on, the oldest waiting ones are given up, counted by their type', async (t) => {
  const { bus, told } = memoryBus(t);
  const work = new Work();
  bus.subscribe('a', work.handle, { concurrency: 1, maxQueued: 2, overflow: 'drop-oldest' });
  await bus.ready();
  for (let index = 0; index < 10; index++) await bus.publish('a', index);
  await until(() => told.length === 7, 'the overflow');
  await work.finishAll(3);
  assert.deepEqual(work.started, [0, 8, 9]);
  assert.equal(bus.metrics().inbound_dropped, 7);
  assert.deepEqual(new Set(codesTold(told)), new Set(['OVERFLOW']));
  assert.equal(bus.metrics().messages_received, 10);
});

test('a subscription that drops does not drop for the others', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  const all: unknown[] = [];
  bus.subscribe('a', work.handle, { concurrency: 1, maxQueued: 0, overflow: 'drop-oldest' });
  bus.subscribe('a', ({ body }) => void all.push(body));
  await bus.ready();
  for (let index = 0; index < 5; index++) await bus.publish('a', index);
  await until(() => all.length === 5, 'all at the other one');
  await work.finishAll(1);
  assert.deepEqual(work.started, [0]);
  assert.equal(bus.metrics().inbound_dropped, 0, 'a handler was reached');
});

test('a blocked subscription with a socket of its own does not stop another', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  const quick: unknown[] = [];
  bus.subscribe('a', work.handle, { concurrency: 1, maxQueued: 0, ownSocket: true });
  bus.subscribe('a', ({ body }) => void quick.push(body));
  await bus.ready();
  assert.equal(bus.metrics().active_connections, 3, 'the publisher and two sockets that subscribe');
  for (let index = 0; index < 20; index++) await bus.publish('a', index);
  await until(() => quick.length === 20, 'all at the quick one');
  assert.equal(work.started.length, 1);
  await work.finishAll(20);
  assert.equal(work.started.length, 20);
});

test('on the shared socket a blocked subscription does stop the others: that is what ownSocket is for', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  const quick: unknown[] = [];
  bus.subscribe('a', work.handle, { concurrency: 1, maxQueued: 0 });
  bus.subscribe('a', ({ body }) => void quick.push(body));
  await bus.ready();
  for (let index = 0; index < 20; index++) await bus.publish('a', index);
  await turns(30);
  assert.ok(quick.length < 20, `${String(quick.length)} of 20`);
  await work.finishAll(20);
  assert.equal(quick.length, 20);
});

test('without a handler events are received and counted, and logged at logLevelNoHandler', async (t) => {
  const { bus, logger } = memoryBus(t, { logLevelNoHandler: 'info' });
  bus.subscribe('a.*');
  await bus.ready();
  await bus.publish('a.b', 1);
  await bus.publish('c', 1);
  await until(() => bus.stats().no_handler === 1, 'the message');
  await turns();
  const { messages_received, inbound_dropped, errors } = bus.metrics();
  assert.deepEqual(
    { messages_received, inbound_dropped, errors },
    { messages_received: 1, inbound_dropped: 0, errors: 0 },
  );
  assert.deepEqual(logger.at('info'), ['info no handler for topic a.b']);
});

test('what only a prefix brought is nobody’s: not received, not counted, not logged', async (t) => {
  const { bus, logger } = memoryBus(t, { logLevelNoHandler: 'info' });
  const got: string[] = [];
  bus.subscribe('price.*.x', ({ topic }) => void got.push(topic));
  await bus.ready();
  await bus.publish('price.a.y', 1);
  await bus.publish('price.a.x', 1);
  await until(() => got.length === 1, 'the one that fits');
  assert.equal(bus.metrics().messages_received, 1);
  assert.equal(bus.stats().no_handler, 0);
  assert.deepEqual(logger.at('info'), []);
});

/** A publisher below the bus, which sends what it likes. */
async function stranger(t: TestContext, transport: Transport) {
  const sender = await transport.openPublisher({
    endpoint: 'memory://events',
    mode: 'bind',
    hwmPackets: 1000,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events: { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} },
    slowSubscribers: 'wait',
    patienceMs: 100,
    patienceRecoveryMs: 100,
    onReadyProbe() {},
    onSubscribersChanged() {},
  });
  t.after(() => sender.close());
  return (topic: string, firstSequence: number, options: { epoch?: number; bodies?: string[]; kind?: number } = {}) => {
    const { epoch = 9, bodies = ['1'], kind = KIND_NUMBERS.message } = options;
    const headers = new MessageHeaders();
    const records = bodies.map((body) => ({ headers, headerBlock: headers.encode(kind), payload: Buffer.from(body) }));
    assert.equal(sender.trySend(new OutgoingPacket(topic, records, { epoch, firstSequence, sentAtUs: 1 }), 0), true);
  };
}

function heartbeat(...streams: unknown[]): { bodies: string[]; kind: number } {
  return { bodies: [JSON.stringify({ id: 'x', streams })], kind: KIND_NUMBERS.heartbeat };
}

async function listening(t: TestContext, transport: Transport, stack: Middleware[] = [serialize()]) {
  const rig = memoryBus(t, { transport, publish: false, stack });
  const got: string[] = [];
  rig.bus.subscribe('a', ({ topic, body }) => void got.push(`${topic} ${String(body)}`));
  const send = await stranger(t, transport);
  await until(() => rig.bus.describe().links.some(({ state }) => state === 'open'), 'the link');
  await turns();
  return { ...rig, got, send };
}

test('a hole in the sequence of a topic is told with what is missing, counted and given to onGap', async (t) => {
  const { bus, gaps, logger, got, send } = await listening(t, memory());
  send('a', 5);
  send('a', 6, { bodies: ['1', '2'] });
  send('a', 11);
  await until(() => got.length === 4, 'the messages');
  assert.deepEqual(gaps, [{ topic: 'a', epoch: 9, endpoint: 'memory://events', from: 8, to: 10, count: 3 }]);
  assert.equal(bus.stats().gaps, 3);
  assert.equal(bus.metrics().errors, 0, 'what was missed is a count of its own');
  assert.equal(bus.metrics().inbound_dropped, 0);
  assert.match(logger.at('info').join(), /missed 3 message\(s\) of a from memory:\/\/events/);
});

test('a lost tail is found by the next heartbeat, and a new epoch starts over', async (t) => {
  const { bus, gaps, got, send } = await listening(t, memory());
  send('a', 1);
  send('_tb.heartbeat', 1, heartbeat(['a', 9, 3], ['b', 9, 100]));
  await until(() => gaps.length === 1, 'the gap');
  assert.deepEqual([gaps[0]!.from, gaps[0]!.to], [2, 3]);
  send('a', 700, { epoch: 10 });
  await until(() => got.length === 2, 'the message of the new epoch');
  assert.equal(bus.stats().gaps, 2);
  assert.equal(bus.metrics().messages_received, 2, 'heartbeats are not received messages');
});

test('a new subscription starts over, and one more of the same pattern does not', async (t) => {
  const { bus, gaps, got, send } = await listening(t, memory());
  send('a', 1);
  await until(() => got.length === 1, 'the first');
  bus.subscribe('a', () => {});
  bus.subscribe('>', () => {});
  send('a', 4);
  await until(() => gaps.length === 1, 'the gap: the topic was subscribed to all the time');
  const first = bus.subscribe('b', () => {});
  send('b', 1);
  await turns(10);
  await first.close();
  bus.subscribe('b', () => {});
  send('b', 50);
  await turns(10);
  assert.equal(gaps.filter(({ topic }) => topic === 'b').length, 1, '> saw b all the time');
});

test('a topic that nobody subscribed to meanwhile was not missed', async (t) => {
  const transport = memory();
  const { bus, gaps, send } = await listening(t, transport);
  const b = bus.subscribe('b', () => {});
  send('b', 1);
  await turns(10);
  await b.close();
  await turns(10);
  bus.subscribe('b', () => {});
  send('b', 50);
  await turns(10);
  assert.deepEqual(gaps, []);
});

test('an onGap that throws is reported and stops nothing', async (t) => {
  forbidUnhandledRejections(t);
  const transport = memory();
  const rig = memoryBus(t, {
    transport,
    publish: false,
    onGap: () => {
      throw new Error('gap listener');
    },
  });
  const got: unknown[] = [];
  rig.bus.subscribe('a', ({ body }) => void got.push(body));
  const send = await stranger(t, transport);
  await turns();
  send('a', 1);
  send('a', 3);
  await until(() => got.length === 2, 'both messages');
  assert.deepEqual(
    rig.told.map(({ error }) => error.message),
    ['gap listener'],
  );
});

test('where a step verifies payloads, only verified messages move the watch', async (t) => {
  const verify: Middleware = {
    name: 'verify',
    stage: 'payload',
    verifies: true,
    async receive(ctx, next) {
      await turns(3);
      if (ctx.payload.toString() === 'forged') throw new BusError('REJECTED', 'forged');
      await next();
    },
  };
  const { bus, gaps, got, send } = await listening(t, memory(), [verify]);
  send('a', 1, { bodies: ['1'] });
  send('a', 1000, { bodies: ['forged'] });
  send('a', 2, { bodies: ['2'] });
  await until(() => got.length === 2, 'the good ones');
  await turns(10);
  assert.equal(gaps.length, 0);
  assert.equal(bus.metrics().inbound_dropped, 1);
  send('a', 4, { bodies: ['4'] });
  await until(() => gaps.length === 1, 'the one that is missing');
  assert.deepEqual([gaps[0]!.from, gaps[0]!.to], [3, 3]);
});

test('a heartbeat that is not what a bus sends is dropped as malformed and moves nothing', async (t) => {
  const { bus, gaps, got, send } = await listening(t, memory());
  send('a', 1);
  const wrong = [
    '',
    'no json',
    '{}',
    '{"streams":7}',
    '{"streams":[["a"]]}',
    '{"streams":[["a",9,"7"]]}',
    '{"streams":[[7,9,9]]}',
    'null',
  ];
  for (const body of wrong) send('_tb.heartbeat', 1, { bodies: [body], kind: KIND_NUMBERS.heartbeat });
  send('a', 2);
  await until(() => got.length === 2, 'the messages around them');
  assert.deepEqual(gaps, []);
  assert.equal(bus.metrics().inbound_dropped, wrong.length);
});

test('reserved topics never reach a handler, not even that of >', async (t) => {
  const transport = memory();
  const rig = memoryBus(t, { transport, publish: false });
  const got: string[] = [];
  rig.bus.subscribe('>', ({ topic }) => void got.push(topic));
  const send = await stranger(t, transport);
  await turns();
  send('_tb.other', 1);
  send('_tb.heartbeat', 1, heartbeat());
  send('a', 1);
  await until(() => got.length === 1, 'the one that is not reserved');
  assert.deepEqual(got, ['a']);
  assert.equal(rig.bus.metrics().messages_received, 1);
});

test('a payload that cannot be decoded drops that message alone', async (t) => {
  const { bus, told, got, send } = await listening(t, memory());
  send('a', 1, { bodies: ['1', '{broken', '3'] });
  await until(() => got.length === 2, 'the readable ones');
  assert.deepEqual(got, ['a 1', 'a 3']);
  assert.equal(bus.metrics().inbound_dropped, 1);
  assert.equal(codesTold(told)[0], 'DESERIALIZE_FAILED');
});
