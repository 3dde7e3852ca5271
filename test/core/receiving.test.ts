import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Kind } from '../../src/core/kinds.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { decodePacket, decodePublishedPacket, encodePacket } from '../../src/core/packet.ts';
import type { DecodedPacket } from '../../src/core/packet.ts';
import type { AnyHandler } from '../../src/core/subscriber.ts';
import type { IncomingPacket, OnPacket, Peer, Transport } from '../../src/core/transport.ts';
import { limitConcurrency } from '../../src/middleware/limit-concurrency.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { turns } from '../support/fake-clock.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';
import type { Rig, RigOptions } from '../support/memory-bus.ts';

/** Waits for a condition, at most so many turns of the event loop. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5000; turn++) {
    if (holds()) return;
    await turns(1);
  }
  assert.fail(`never: ${what}`);
}

const RECORDS: readonly (readonly [Kind, string | undefined])[] = [['message', 'a']];

/** A packet as a peer could send it; records name their own topic where they have one. */
function packetOf(records: readonly (readonly [Kind, string | undefined])[] = RECORDS): DecodedPacket {
  const frames = encodePacket(
    records.map(([kind, topic], index) => ({
      headerBlock: MessageHeaders.from({ ...(topic !== undefined && { topic }), correlation: 'c' }).encode(
        KIND_NUMBERS[kind],
      ),
      payload: Buffer.from(String(index)),
    })),
    { epoch: 7, firstSequence: 1, sentAtUs: 0 },
  );
  return decodePacket(frames.map((frame) => Buffer.from(frame)));
}

interface Tapped extends Rig {
  /** Gives a packet to what receives at an endpoint, by the endpoint. */
  readonly pullers: Map<string, OnPacket>;
  readonly subscribers: Map<string, OnPacket>;
  readonly responders: Map<string, OnRequest>;
}

type OnRequest = (incoming: IncomingPacket, peer: Peer) => void;

function kindOf(message: unknown): string {
  return (message as { kind: string }).kind;
}

/** A bus whose incoming packets a test can make. */
function tappedBus(t: TestContext, options: RigOptions = {}): Tapped {
  const pullers: Tapped['pullers'] = new Map();
  const subscribers: Tapped['subscribers'] = new Map();
  const responders: Tapped['responders'] = new Map();
  const inner = memory();
  const transport: Transport = {
    ...inner,
    openPuller: (spec) => {
      pullers.set(spec.endpoint, spec.onPacket);
      return inner.openPuller(spec);
    },
    openSubscriber: (spec) => {
      subscribers.set(spec.endpoint, spec.onPacket);
      return inner.openSubscriber(spec);
    },
    openResponder: (spec) => {
      responders.set(spec.endpoint, (incoming, peer) => {
        spec.onRequest(incoming, peer);
      });
      return inner.openResponder(spec);
    },
  };
  return { ...memoryBus(t, { transport, ...options }), pullers, subscribers, responders };
}

test('the rest of a packet that was read is handled while the bus closes', async (t) => {
  const { bus } = memoryBus(t, { pack: 50 });
  const handled: unknown[] = [];
  const gate = deferred();
  bus.pull(
    '>',
    async ({ body }) => {
      handled.push(body);
      await gate.promise;
    },
    { concurrency: 1, maxQueued: 1 },
  );
  await bus.ready();
  const pushed = Array.from({ length: 20 }, (_, index) => index);
  await Promise.all(pushed.map((index) => bus.push('task', index)));
  await until('the first is handled', () => handled.length === 1);
  const closing = bus.close();
  gate.resolve();
  assert.deepEqual(await closing, { undelivered: 0, cancelled: 0, byTopic: {} });
  assert.deepEqual(handled, pushed);
  assert.equal(bus.metrics().inbound_dropped, 0);
});

test('handlers that end at once leave no gap through which the rest of a packet is lost at close', async (t) => {
  const slow: Middleware = { name: 'slow', stage: 'body', admit: () => Promise.resolve(undefined) };
  const { bus } = memoryBus(t, { pack: 50, hwmInbound: 1, stack: [slow] });
  const handled: unknown[] = [];
  const closed = deferred<unknown>();
  bus.pull('task', ({ body }) => {
    handled.push(Buffer.from(body as Uint8Array).readUInt8());
    if (handled.length === 1) closed.resolve(bus.close());
  });
  await bus.ready();
  // After a turn with one message the first of the next would leave alone.
  await Promise.all([bus.push('earlier', undefined), bus.push('earlier', undefined)]);
  const pushed = Array.from({ length: 20 }, (_, index) => index);
  await Promise.all(pushed.map((index) => bus.push('task', Buffer.of(index))));
  await closed.promise;
  assert.deepEqual(handled, pushed);
});

test('what was read and not handled when the time of close is up is counted as dropped, the rest of a packet too', async (t) => {
  const { bus, told } = memoryBus(t, { pack: 50 });
  const gate = deferred();
  const handled: unknown[] = [];
  bus.pull(
    '>',
    async ({ body }) => {
      handled.push(body);
      await gate.promise;
    },
    { concurrency: 1, maxQueued: 1 },
  );
  await bus.ready();
  await Promise.all(Array.from({ length: 20 }, (_, index) => bus.push('task', index)));
  await until('the first is handled', () => handled.length === 1);
  assert.equal((await bus.close({ timeoutMs: 0 })).cancelled, 1, 'one handler ran');
  const { messages_received, inbound_dropped } = bus.metrics();
  assert.deepEqual({ messages_received, inbound_dropped }, { messages_received: 20, inbound_dropped: 19 });
  assert.deepEqual(new Set(told.map(({ error }) => (error as { code?: unknown }).code)), new Set(['CLOSED']));
  gate.resolve();
  await turns();
  assert.deepEqual(handled, [0], 'none starts afterwards');
  assert.equal(bus.metrics().inbound_dropped, 19, 'none counts twice');
});

for (const [what, stack, options] of [
  ['their subscription', [serialize()], { concurrency: 1 }],
  ['their admission', [serialize(), limitConcurrency(1)], {}],
] as const) {
  test(`messages that wait for ${what} do not start after close, and count as dropped and not as cancelled`, async (t) => {
    const { bus } = memoryBus(t, { stack });
    const gate = deferred();
    const started: unknown[] = [];
    const signals: AbortSignal[] = [];
    bus.subscribe(
      'a',
      async ({ body, signal }) => {
        started.push(body);
        signals.push(signal);
        await gate.promise;
      },
      options,
    );
    await bus.ready();
    for (let index = 0; index < 4; index++) await bus.publish('a', index);
    await until('all were read', () => bus.metrics().messages_received >= (what === 'their subscription' ? 4 : 2));
    const { cancelled } = await bus.close({ timeoutMs: 0 });
    assert.equal(cancelled, 1);
    assert.equal(bus.metrics().inbound_dropped, bus.metrics().messages_received - 1);
    gate.resolve();
    await turns();
    assert.deepEqual(started, [0]);
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true],
    );
  });
}

test('events that wait for their handler are not given to it once its subscription is closed; what runs finishes', async (t) => {
  const { bus } = memoryBus(t);
  const gate = deferred();
  const log: string[] = [];
  const subscription = bus.subscribe(
    'a',
    async ({ body }) => {
      log.push(`start ${String(body)}`);
      await gate.promise;
      log.push(`end ${String(body)}`);
    },
    { concurrency: 1 },
  );
  bus.subscribe('keep');
  await bus.ready();
  for (let index = 0; index < 3; index++) await bus.publish('a', index);
  await until('all were read', () => bus.metrics().messages_received === 3);
  await subscription.close();
  gate.resolve();
  await until('all are done', () => bus.stats().in_flight_handlers === 0);
  assert.deepEqual(log, ['start 0', 'end 0']);
  assert.equal(bus.metrics().inbound_dropped, 0, 'they are nobody’s, as those that come later are');
});

test('pushed messages that wait for a handler whose subscription is closed go to the next one that wants them, else count as no handler', async (t) => {
  const { bus } = memoryBus(t);
  const gate = deferred();
  const log: string[] = [];
  const first = bus.pull(
    'task.*',
    async ({ body }) => {
      log.push(`first ${String(body)}`);
      await gate.promise;
    },
    { concurrency: 1 },
  );
  bus.pull('task.a', ({ body }) => void log.push(`second ${String(body)}`));
  await bus.ready();
  await bus.push('task.a', 1);
  await bus.push('task.a', 2);
  await bus.push('task.b', 3);
  await until('all were read', () => bus.metrics().messages_received === 3);
  await first.close();
  gate.resolve();
  await until('all are done', () => bus.stats().in_flight_handlers === 0);
  assert.deepEqual(log, ['first 1', 'second 2']);
  assert.equal(bus.stats().no_handler, 1);
});

test('close() of the last subscription to an endpoint resolves when its socket is closed', async (t) => {
  const closed = deferred();
  const inner = memory();
  const { bus } = memoryBus(t, {
    transport: {
      ...inner,
      openPuller: async (spec) => {
        const link = await inner.openPuller(spec);
        const close = link.close.bind(link);
        return Object.assign(link, { close: () => closed.promise.then(close) });
      },
    },
  });
  const subscription = bus.pull();
  await bus.ready();
  let done = false;
  const closing = subscription.close().then(() => (done = true));
  await turns();
  assert.equal(done, false);
  closed.resolve();
  await closing;
  assert.equal(subscription.close(), subscription.close(), 'once');
});

test('a request that has expired before it could start leaves at once: its place is free for another topic', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport, hwmInbound: 3 });
  const { bus: impatient } = memoryBus(t, { transport });
  const { bus: other } = memoryBus(t, { transport });
  const gate = deferred();
  const started: unknown[] = [];
  bus.respond(
    'slow',
    async ({ body }) => {
      started.push(body);
      await gate.promise;
    },
    { concurrency: 1 },
  );
  bus.respond('quick', () => 'answer');
  await bus.ready();
  const stuck = other.request('slow', 'stuck');
  await until('one runs', () => started.length === 1);
  const controller = new AbortController();
  const expires = impatient.request('slow', 'expires', { timeoutMs: 40 });
  const cancelled = impatient.request('slow', 'cancelled', { signal: controller.signal });
  await until('all places are taken', () => bus.stats().in_flight_handlers === 3);
  controller.abort();
  assert.deepEqual([await codeOf(expires), await codeOf(cancelled)], ['REQUEST_TIMEOUT', 'ABORTED']);
  for (let waited = 0; waited < 200 && bus.stats().in_flight_handlers > 1; waited++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(bus.stats().in_flight_handlers, 1);
  assert.equal(await other.request('quick', 1), 'answer');
  gate.resolve();
  await stuck;
  assert.deepEqual(started, ['stuck']);
  assert.equal(bus.metrics().inbound_dropped, 2);
});

test('a pushed record with a topic that is none is refused alone', async (t) => {
  const { bus, pullers, told } = tappedBus(t, { stack: [] });
  const topics: string[] = [];
  bus.pull('>', ({ topic }) => void topics.push(topic));
  await bus.ready();
  const bad: (readonly [Kind, string | undefined])[] = [
    ['message', 'a'],
    ['message', 'x..y'],
    ['message', undefined],
    ['message', '_tb.heartbeat'],
    ['message', 'b'],
  ];
  await pullers.get('memory://results')?.({ topic: undefined, packet: packetOf(bad) });
  await turns();
  assert.deepEqual(topics, ['a', 'b']);
  assert.equal(bus.metrics().inbound_dropped, 3);
  assert.equal(bus.metrics().messages_received, 2);
  assert.deepEqual(
    told.map(({ error }) => (error as { code?: unknown }).code),
    ['MALFORMED_PACKET', 'MALFORMED_PACKET', 'MALFORMED_PACKET'],
  );
});

test('records of another kind are no messages: subscribe and pull refuse them', async (t) => {
  const { bus, pullers, subscribers } = tappedBus(t, { stack: [] });
  const kinds: (readonly [Kind, string | undefined])[] = [
    ['request', 'a'],
    ['reply', 'a'],
    ['error', 'a'],
    ['cancel', 'a'],
    ['heartbeat', 'a'],
    ['ready', 'a'],
    ['message', 'a'],
  ];
  const seen: string[] = [];
  bus.subscribe('a', (message) => void seen.push(`subscribe ${kindOf(message)}`));
  bus.pull('a', (message) => void seen.push(`pull ${kindOf(message)}`));
  await bus.ready();
  await subscribers.get('memory://events')?.({ topic: 'a', packet: packetOf(kinds) });
  await pullers.get('memory://results')?.({ topic: undefined, packet: packetOf(kinds) });
  await turns();
  assert.deepEqual(seen, ['subscribe message', 'pull message']);
  assert.equal(bus.metrics().inbound_dropped, 12);
  assert.equal(bus.metrics().messages_received, 2);
});

test('the bus’s own topics are nothing to answer: a request for one is refused and not counted as received', async (t) => {
  const { bus, responders } = tappedBus(t, { stack: [] });
  const peer: Peer = { id: 'p', trySend: () => true };
  bus.respond('>', () => assert.fail('not for a handler'));
  await bus.ready();
  responders.get('memory://state')?.({ topic: undefined, packet: packetOf([['request', '_tb.ready']]) }, peer);
  await turns();
  assert.equal(bus.metrics().inbound_dropped, 1);
  assert.equal(bus.metrics().messages_received, 0);
});

test('a cancel counts at the endpoint where it came in: another may know a peer by the same id', async (t) => {
  const { bus, responders } = tappedBus(t, { stack: [] });
  const endpoints = ['memory://one', 'memory://two'];
  const aborted: string[] = [];
  const gate = deferred();
  for (const endpoint of endpoints) {
    bus.respond(
      'a',
      async ({ signal }) => {
        signal.addEventListener('abort', () => aborted.push(endpoint));
        await gate.promise;
      },
      { endpoint },
    );
  }
  await bus.ready();
  const peer: Peer = { id: 'same', trySend: () => true };
  for (const endpoint of endpoints) {
    responders.get(endpoint)?.({ topic: undefined, packet: packetOf([['request', 'a']]) }, peer);
  }
  await until('both run', () => bus.stats().in_flight_handlers === 2);
  await turns();
  responders.get('memory://two')?.({ topic: undefined, packet: packetOf([['cancel', 'a']]) }, peer);
  await turns();
  assert.deepEqual(aborted, ['memory://two']);
  gate.resolve();
});

/** A packet of several topics: `a 3` is a run of one record about `a` with the sequence 3, `a 3 2` one of two. */
function mixedPacket(...runs: string[]): IncomingPacket {
  const parsed = runs.map((run) => {
    const [topic = '', first, count = '1'] = run.split(' ');
    return { topic, topicBytes: Buffer.from(topic), firstSequence: Number(first), count: Number(count) };
  });
  const headerBlock = new MessageHeaders().encode(KIND_NUMBERS.message);
  const records = parsed.flatMap(({ topic, firstSequence, count }) =>
    Array.from({ length: count }, (_, index) => ({
      headerBlock,
      payload: Buffer.from(JSON.stringify(`${topic}${String(firstSequence + index)}`)),
    })),
  );
  const frames = encodePacket(records, { epoch: 7, firstSequence: 0, sentAtUs: 5000 }, parsed);
  return { topic: undefined, packet: decodePublishedPacket(frames.map((frame) => Buffer.from(frame))) };
}

/** A bus that subscribes, and the way into it. */
async function subscribing(t: TestContext, pattern: string, handler: AnyHandler, options: RigOptions = {}) {
  const rig = tappedBus(t, options);
  rig.bus.subscribe(pattern, handler);
  await rig.bus.ready();
  const onPacket = [...rig.subscribers.values()][0];
  assert.ok(onPacket);
  return { ...rig, onPacket };
}

test('the records of a packet of several topics are messages of their topics, in order, with their sequences', async (t) => {
  const got: unknown[] = [];
  const { bus, onPacket } = await subscribing(
    t,
    '>',
    ({ topic, body, id, sentAt }) => void got.push([topic, body, id, sentAt]),
  );
  await onPacket(mixedPacket('a 3', 'b.c 1 2', 'a 4'));
  await until('all are handled', () => got.length === 4);
  assert.deepEqual(got, [
    ['a', 'a3', '7.a.3', 5],
    ['b.c', 'b.c1', '7.b.c.1', 5],
    ['b.c', 'b.c2', '7.b.c.2', 5],
    ['a', 'a4', '7.a.4', 5],
  ]);
  assert.equal(bus.metrics().messages_received, 4);
});

test('gaps are found in each topic of a packet of several, and told with the first message after them', async (t) => {
  const got: string[] = [];
  const gaps: string[] = [];
  const onGap = ({ topic, from, to }: { topic: string; from: number; to: number }): void =>
    void gaps.push(`${topic} ${String(from)}-${String(to)}`);
  const { bus, onPacket } = await subscribing(
    t,
    '>',
    ({ body, missed }) => void got.push(`${String(body)} ${String(missed)}`),
    { onGap },
  );
  await onPacket(mixedPacket('a 1', 'b 1'));
  await onPacket(mixedPacket('a 4', 'b 2 2', 'a 5', 'b 6 2', 'a 5'));
  await until('all are handled', () => got.length === 9);
  assert.deepEqual(got, ['a1 0', 'b1 0', 'a4 2', 'b2 0', 'b3 0', 'a5 0', 'b6 2', 'b7 0', 'a5 0']);
  assert.deepEqual(gaps, ['a 2-3', 'b 4-5']);
  assert.equal(bus.stats().gaps, 4);
});

test('the topics of a packet that nobody here asks for are passed over: not counted, no gap', async (t) => {
  const got: unknown[] = [];
  const { bus, onPacket } = await subscribing(t, 'a.*.x', ({ body }) => void got.push(body));
  await onPacket(mixedPacket('a.1.y 1', 'a.1.x 1', 'a.2.y 9 3', 'a.2.x 5', 'b 1'));
  await onPacket(mixedPacket('a.1.y 7', 'a.2.x 6'));
  await until('all are handled', () => got.length === 3);
  assert.deepEqual(got, ['a.1.x1', 'a.2.x5', 'a.2.x6']);
  assert.deepEqual([bus.metrics().messages_received, bus.stats().gaps, bus.stats().no_handler], [3, 0, 0]);
});

test('a packet of several topics pauses the link where there is no room, and goes on in the topic where it was', async (t) => {
  const got: unknown[] = [];
  const gates = Array.from({ length: 6 }, () => deferred());
  const { onPacket } = await subscribing(
    t,
    '>',
    async ({ topic, body, missed }) => {
      got.push(`${topic} ${String(body)} ${String(missed)}`);
      await gates[got.length - 1]?.promise;
    },
    { hwmInbound: 1 },
  );
  let isRead = false;
  const reading = Promise.resolve(onPacket(mixedPacket('a 1', 'b 1 2', 'a 2', 'b 5', 'c 1'))).then(
    () => (isRead = true),
  );
  const expected = ['a a1 0', 'b b1 0', 'b b2 0', 'a a2 0', 'b b5 2', 'c c1 0'];
  for (let count = 1; count <= 6; count++) {
    await until(`message ${String(count)} is handled`, () => got.length === count);
    await turns(2);
    assert.deepEqual(got, expected.slice(0, count));
    assert.equal(isRead, count === 6);
    gates[count - 1]!.resolve();
  }
  await reading;
});

test('what is left of a packet of several topics when the bus closes is counted under its topics', async (t) => {
  const gate = deferred();
  const { bus, onPacket, told } = await subscribing(t, '>', () => gate.promise, { hwmInbound: 1 });
  void onPacket(mixedPacket('a 1', 'b 1 2', 'a 2'));
  await turns(2);
  assert.equal((await bus.close({ timeoutMs: 0 })).cancelled, 1);
  const { messages_received, inbound_dropped } = bus.metrics();
  assert.deepEqual({ messages_received, inbound_dropped }, { messages_received: 4, inbound_dropped: 3 });
  assert.deepEqual(told.map(({ error }) => (error as { topic?: unknown }).topic).sort(), ['a', 'b', 'b']);
  gate.resolve();
});

test('a subscription that is closed in the middle of a packet of several topics gets no more of it', async (t) => {
  const got: unknown[] = [];
  const rig = await subscribing(t, 'other', () => undefined, { hwmInbound: 1 });
  const gate = deferred();
  const subscription = rig.bus.subscribe('a.>', async ({ body }) => {
    got.push(body);
    await gate.promise;
  });
  const reading = rig.onPacket(mixedPacket('a.x 1', 'a.y 1', 'a.x 2'));
  await turns(2);
  void subscription.close();
  gate.resolve();
  await reading;
  assert.deepEqual(got, ['a.x1']);
});
