/**
 * The nine figures of `metrics()`, to the unit: for each what moves it, and by how much, and what must not. Every test compares
 * all of them, so that a count that goes astray is seen wherever it lands. No SDK is loaded; each runs with the standard stack, and
 * with `middleware: []`, where bodies are bytes and the core alone counts. docs/metrics.md has the definitions.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { DocumentedMetrics } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Kind } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { Transport } from '../../src/core/transport.ts';
import type { MessageBus, MessageBusConfig } from '../../src/message-bus.ts';
import { retry } from '../../src/middleware/retry.ts';
import { memory } from '../../src/transports/memory.ts';
import { actor, aroundLimit, handedOver, SpyTransport } from '../predecessor/stage.ts';
import type { Actor } from '../predecessor/stage.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, deferred, ENDPOINTS, RecordingLogger } from '../support/memory-bus.ts';
import { until } from '../transports/conformance/waiting.ts';

/** How a test makes its buses and bodies. */
interface Stack {
  readonly bus: (config?: MessageBusConfig) => Actor;
  readonly body: (text: string) => unknown;
}

/** A test for each of the two stacks. */
function each(title: string, run: (stack: Stack, t: TestContext) => Promise<void>): void {
  const stacks: readonly [name: string, config: MessageBusConfig, body: Stack['body']][] = [
    ['with the standard stack', {}, (text) => text],
    ['without middleware', { middleware: [] }, (text) => Buffer.from(text)],
  ];
  for (const [name, stack, body] of stacks) {
    test(`${title}, ${name}`, async (t) => {
      const bus = (config: MessageBusConfig = {}): Actor =>
        actor(t, { endpoints: ENDPOINTS, publish: true, ...stack, ...config });
      await run({ bus, body }, t);
    });
  }
}

type Moved = Partial<Omit<DocumentedMetrics, 'active_connections'>>;

/** All figures that only grow: these have moved by so much since the bus was made, and the others have not. */
function moved(bus: MessageBus, expected: Moved, what?: string): void {
  const { active_connections, ...figures } = bus.metrics();
  assert.ok(active_connections >= 0);
  const nothing = Object.fromEntries(Object.keys(figures).map((name) => [name, 0]));
  assert.deepEqual(figures, { ...nothing, ...expected }, what);
}

/** What the bus must be made to count, as a step that is added to the stack. */
function bodyStep(step: Pick<Middleware, 'send' | 'receive'>, name = 'step'): Middleware {
  return { name, stage: 'body', ...step };
}

const never = (): Promise<never> => new Promise<never>(() => undefined);
const nothing = (): void => undefined;

/** Pushes a record of this kind, or bytes that are no packet, past any bus. */
async function pushRaw(t: TestContext, transport: Transport, what: Kind | 'junk'): Promise<void> {
  const link = await transport.openPusher({
    endpoint: 'memory://results',
    mode: 'connect',
    hwmPackets: 10,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events: {
      onPeerConnected: nothing,
      onPeerDisconnected: nothing,
      onFailure: (error) => assert.fail(error),
      onFact: nothing,
    },
  });
  t.after(() => link.close());
  const headers = MessageHeaders.from({ topic: 'results' });
  const record = {
    headers,
    headerBlock: headers.encode(what === 'junk' ? KIND_NUMBERS.message : KIND_NUMBERS[what]),
    payload: Buffer.from('1'),
  };
  const packet = new OutgoingPacket(undefined, [record], { epoch: 5, firstSequence: 1, sentAtUs: 1 });
  if (what === 'junk') packet.frames = () => [Buffer.from('not a packet')];
  assert.equal(await link.trySend(packet, 0), true);
}

// messages_sent

each(
  'messages_sent: an event, an unrouted one, a result, a request, a reply, an error reply: one each',
  async ({ bus, body }) => {
    const transport = memory();
    const server = bus({ transport, publish: false }).bus;
    const got: string[] = [];
    server.subscribe('event', () => got.push('event'));
    server.pull('>', () => got.push('result'));
    server.respond('good', () => body('reply'));
    server.respond('bad', () => {
      throw new Error('no');
    });
    const client = bus({ transport }).bus;
    await Promise.all([client.ready(), server.ready()]);
    const calls: [what: string, call: () => Promise<unknown>, sent: number][] = [
      ['event', () => client.publish('event', body('1')), 1],
      ['unrouted', () => client.publish('nobody', body('1')), 2],
      ['push', () => client.push('results', body('1')), 3],
      ['request', () => client.request('good', body('1')), 4],
      ['failing request', () => codeOf(client.request('bad', body('1'))), 5],
    ];
    for (const [what, call, sent] of calls) {
      await call();
      await handedOver(client, sent);
      assert.equal(client.metrics().messages_sent, sent, what);
    }
    await until(() => got.length === 2, 'both handlers');
    moved(client, { messages_sent: 5, messages_received: 2, errors: 1 }, 'the caller: two answers, one an error');
    moved(server, { messages_sent: 2, messages_received: 4, errors: 1 }, 'the responder: two answers, one failure');
    assert.equal(client.stats().unrouted, 1);
  },
);

each(
  'messages_sent: not what waits in the queue, is refused, finds no peer, or is said by the bus to itself',
  async ({ bus, body }) => {
    const clock = new FakeClock();
    const spy = new SpyTransport();
    const { bus: sender } = bus({ clock, transport: spy.transport });
    sender.subscribe('a', nothing);
    await sender.ready();
    await clock.pass(5000, 500);
    moved(sender, {}, 'five heartbeats and a ready() later');
    assert.equal(await codeOf(sender.publish('not..a.topic', body('1'))), 'INVALID_TOPIC');
    moved(sender, { errors: 1 });
    spy.stuck = new Set(['publish']);
    await sender.publish('a', body('1'));
    await turns(10);
    moved(sender, { errors: 1 }, 'resolved, and still in the queue');
    spy.stuck = new Set();
    await handedOver(sender, 1);
    assert.deepEqual(await aroundLimit(clock, 1000, sender.push('results', body('1'))), ['pending', 'SEND_TIMEOUT']);
    await until(() => sender.metrics().messages_received === 1, 'the event');
    moved(sender, { messages_sent: 1, messages_received: 1, errors: 2, outbound_dropped: 1 });
  },
);

each('messages_sent: a cancel does not count, as sent or as received', async ({ bus, body }) => {
  const { bus: both } = bus();
  const aborted = deferred();
  const started = deferred();
  both.respond('slow', ({ signal }) => {
    signal.addEventListener('abort', () => aborted.resolve());
    started.resolve();
    return aborted.promise;
  });
  const stop = new AbortController();
  const call = codeOf(both.request('slow', body('1'), { signal: stop.signal }));
  await started.promise;
  stop.abort();
  assert.equal(await call, 'ABORTED');
  await aborted.promise;
  await turns(10);
  moved(both, { messages_sent: 1, messages_received: 1, errors: 1 });
});

// messages_received

each(
  'messages_received: one a message, for three handlers, a refusing step, or no handler at all',
  async ({ bus, body }) => {
    const { bus: both } = bus();
    both.use(
      bodyStep({ receive: (ctx, next) => (ctx.topic === 'bad' ? Promise.reject(new Error('refused')) : next()) }),
    );
    let handled = 0;
    for (const pattern of ['a', 'a', '*']) both.subscribe(pattern, () => handled++);
    both.pull('bad', nothing);
    await both.ready();
    await both.publish('a', body('1'));
    await until(() => handled === 3, 'three handlers');
    moved(both, { messages_sent: 1, messages_received: 1 });
    await both.push('unhandled', body('1'));
    await until(() => both.stats().no_handler === 1, 'no handler');
    moved(both, { messages_sent: 2, messages_received: 2 });
    await both.push('bad', body('1'));
    await until(() => both.metrics().inbound_dropped === 1, 'the refusal');
    moved(both, { messages_sent: 3, messages_received: 3, inbound_dropped: 1, errors: 1 });
  },
);

each(
  'messages_received: not what no pattern asks for, nor after a subscription was closed, nor what cannot be read',
  async ({ bus, body }, t) => {
    const transport = memory();
    const { bus: both } = bus({ transport });
    const got: string[] = [];
    // The filter of a transport lets the whole prefix `price.` in.
    const closing = both.subscribe('price.*.eur', ({ topic }) => got.push(topic));
    both.subscribe('end', ({ topic }) => got.push(topic));
    both.pull('>', nothing);
    await both.ready();
    await both.publish('price.other', body('1'));
    await both.publish('end', body('1'));
    await until(() => got.length === 1, 'the event after it');
    moved(both, { messages_sent: 2, messages_received: 1 }, 'a prefix only');
    await closing.close();
    await both.publish('price.x.eur', body('1'));
    await both.publish('end', body('1'));
    await until(() => got.length === 2, 'the event after the close');
    moved(both, { messages_sent: 4, messages_received: 2 }, 'closed');
    await pushRaw(t, transport, 'junk');
    await until(() => both.metrics().inbound_dropped === 1, 'the unreadable packet');
    moved(both, { messages_sent: 4, messages_received: 2, inbound_dropped: 1, errors: 1 });
  },
);

// errors

each('errors: each failing handler, each rejected call, each refused message, once', async ({ bus, body }) => {
  const { bus: both, log } = bus();
  for (const number of ['one', 'two']) {
    both.subscribe('a', () => {
      throw new Error(number);
    });
  }
  both.pull('>', () => both.publish('not..a.topic', body('1')));
  await both.ready();
  await both.publish('a', body('1'));
  await until(() => both.metrics().errors === 2, 'both handlers');
  moved(both, { messages_sent: 1, messages_received: 1, errors: 2 });
  assert.equal(log.at('error', 'warn').length, 2, 'one line each');
  await both.push('results', body('1'));
  await until(() => log.at('error', 'warn').length === 3, 'the handler that passes a rejection on');
  moved(both, { messages_sent: 2, messages_received: 2, errors: 3 }, 'rejected and logged: one failure');
  await assert.rejects(both.ready({ timeoutMs: -1 }), RangeError);
  moved(both, { messages_sent: 2, messages_received: 2, errors: 4 }, 'ready() is a call');
  await both.close();
  assert.equal(await codeOf(both.publish('a', body('1'))), 'CLOSED');
  assert.equal(both.metrics().errors, 5);
});

each(
  'errors: not an expired request at the responder, a late reply, an unrouted event, a missing handler',
  async ({ bus, body }) => {
    const clock = new FakeClock();
    const transport = memory();
    const { bus: server, log } = bus({ clock, transport, publish: false });
    const { bus: caller } = bus({ clock, transport });
    server.respond('work', never, { concurrency: 1 });
    const calls = [1, 2].map(() => codeOf(caller.request('work', body('1'), { timeoutMs: 50 })));
    await until(() => server.metrics().messages_received === 2, 'both requests');
    await clock.pass(80);
    assert.deepEqual(await Promise.all(calls), ['REQUEST_TIMEOUT', 'REQUEST_TIMEOUT']);
    moved(caller, { messages_sent: 2, errors: 2, request_timeouts: 2 });
    await until(() => server.metrics().inbound_dropped === 1, 'the one that expired before its turn');
    await caller.publish('nobody', body('1'));
    server.pull();
    await caller.push('results', body('1'));
    await until(() => server.stats().no_handler === 1, 'no handler');
    assert.equal(server.metrics().inbound_dropped, 1);
    assert.equal(caller.metrics().errors, 2);
    assert.deepEqual(
      log.at('warn', 'error').filter((line) => !line.includes('a handler of')),
      [],
    );
  },
);

each('a late reply is received and dropped, and no second error', async ({ bus, body }) => {
  const clock = new FakeClock();
  const transport = memory();
  // On a clock of its own, so that the responder thinks it is in time.
  const { bus: server } = bus({ transport, publish: false });
  const { bus: caller, log } = bus({ clock, transport });
  const hold = deferred<unknown>();
  server.respond('work', () => hold.promise);
  const call = caller.request('work', body('1'), { timeoutMs: 60_000 });
  await until(() => server.metrics().messages_received === 1, 'the request');
  assert.deepEqual(await aroundLimit(clock, 60_000, call), ['pending', 'REQUEST_TIMEOUT']);
  moved(caller, { messages_sent: 1, errors: 1, request_timeouts: 1 });
  hold.resolve(body('late'));
  await until(() => caller.stats().late_replies === 1, 'the late reply');
  moved(caller, { messages_sent: 1, messages_received: 1, errors: 1, request_timeouts: 1, inbound_dropped: 1 });
  moved(server, { messages_sent: 1, messages_received: 1 });
  assert.deepEqual(log.at('warn', 'error'), []);
});

// outbound_dropped

each(
  'outbound_dropped: a time-out, a call skipped by the cool-down, a queued message at close: one each',
  async ({ bus, body }) => {
    const clock = new FakeClock();
    const spy = new SpyTransport();
    const { bus: sender } = bus({ clock, transport: spy.transport });
    assert.deepEqual(await aroundLimit(clock, 1000, sender.push('results', body('1'))), ['pending', 'SEND_TIMEOUT']);
    moved(sender, { errors: 1, outbound_dropped: 1 });
    assert.equal(await codeOf(sender.push('results', body('2'))), 'COOLING_DOWN');
    moved(sender, { errors: 2, outbound_dropped: 2 });
    assert.deepEqual(await aroundLimit(clock, 5000, sender.request('state', body('1'))), ['pending', 'SEND_TIMEOUT']);
    moved(sender, { errors: 3, outbound_dropped: 3 });
    spy.stuck = new Set(['publish']);
    await sender.publish('a', body('1'));
    await sender.publish('b', body('1'));
    const closing = sender.close({ timeoutMs: 100 });
    await clock.pass(500, 20);
    assert.deepEqual((await closing).byTopic, { a: 1, b: 1 });
    moved(sender, { errors: 5, outbound_dropped: 5 }, 'both are told, as nobody waits for them');
  },
);

test('outbound_dropped: several attempts of a push are one message, given up after the last', async (t) => {
  for (const failures of [2, 3]) {
    const { bus } = actor(t, { endpoints: ENDPOINTS, middleware: [retry({ baseMs: 1, capMs: 1 })] });
    let attempts = 0;
    const failing = (_ctx: unknown, next: () => Promise<void>): Promise<void> =>
      ++attempts <= failures ? Promise.reject(new BusError('OVERFLOW', 'not now')) : next();
    bus.use(bodyStep({ send: failing }));
    bus.pull('>', nothing);
    const outcome = await codeOf(bus.push('results', Buffer.from('1')));
    assert.equal(attempts, 3);
    assert.equal(bus.stats().retries, 2);
    if (failures === 3) {
      assert.equal(outcome, 'OVERFLOW');
      moved(bus, { errors: 1, outbound_dropped: 1 });
    } else {
      assert.equal(outcome, 'resolved');
      await until(() => bus.metrics().messages_received === 1, 'the message');
      moved(bus, { messages_sent: 1, messages_received: 1 }, 'the third attempt got through');
    }
  }
});

each(
  'outbound_dropped: not a request that was sent and not answered, aborted or refused, nor an unrouted event',
  async ({ bus, body }) => {
    const clock = new FakeClock();
    const { bus: both } = bus({ clock });
    both.respond('slow', never);
    both.respond('fails', () => Promise.reject(new Error('no')));
    await both.publish('nobody', body('1'));
    const stop = new AbortController();
    const aborted = codeOf(both.request('slow', body('1'), { signal: stop.signal }));
    await handedOver(both, 2);
    stop.abort();
    assert.equal(await aborted, 'ABORTED');
    assert.equal(await codeOf(both.request('fails', body('1'))), 'HANDLER_FAILED');
    const unanswered = both.request('slow', body('1'));
    await handedOver(both, 5);
    assert.deepEqual(await aroundLimit(clock, 5000, unanswered), ['pending', 'REQUEST_TIMEOUT']);
    assert.equal(await codeOf(both.publish('not..a.topic', body('1'))), 'INVALID_TOPIC');
    const { outbound_dropped, request_timeouts } = both.metrics();
    assert.deepEqual({ outbound_dropped, request_timeouts }, { outbound_dropped: 0, request_timeouts: 1 });
  },
);

// inbound_dropped

each(
  'inbound_dropped: what is malformed, refused or overflows counts once, with what it is',
  async ({ bus, body }, t) => {
    const transport = memory();
    const { bus: both, errors } = bus({ transport });
    both.use(
      bodyStep({ receive: (ctx, next) => (ctx.topic === 'bad' ? Promise.reject(new Error('refused')) : next()) }),
    );
    const hold = deferred();
    const handled: string[] = [];
    both.pull('>', nothing);
    both.subscribe('burst', ({ id }) => hold.promise.then(() => handled.push(id)), {
      concurrency: 1,
      maxQueued: 1,
      overflow: 'drop-oldest',
    });
    await both.ready();
    const codes = (): unknown[] => errors.map((error) => (error as { code?: unknown }).code);
    await pushRaw(t, transport, 'junk');
    await until(() => both.metrics().inbound_dropped === 1, 'junk');
    await pushRaw(t, transport, 'reply');
    await until(() => both.metrics().inbound_dropped === 2, 'a record that does not belong there');
    await both.push('bad', body('1'));
    await until(() => both.metrics().inbound_dropped === 3, 'the refusal');
    moved(both, { messages_sent: 1, messages_received: 1, errors: 3, inbound_dropped: 3 });
    for (let count = 0; count < 4; count++) await both.publish('burst', body('1'));
    await until(() => both.metrics().inbound_dropped === 5, 'two that were given up for newer ones');
    hold.resolve();
    await until(() => handled.length === 2, 'the first and the last');
    moved(both, { messages_sent: 5, messages_received: 5, errors: 5, inbound_dropped: 5 });
    assert.deepEqual(codes(), ['MALFORMED_PACKET', 'MALFORMED_PACKET', 'REJECTED', 'OVERFLOW', 'OVERFLOW']);
  },
);

each('inbound_dropped: an overflowing request counts at the responder and rejects the call', async ({ bus, body }) => {
  const transport = memory();
  const { bus: server } = bus({ transport, publish: false });
  const { bus: caller } = bus({ transport });
  const hold = deferred<unknown>();
  server.respond('work', () => hold.promise, { concurrency: 1, maxQueued: 0 });
  const first = caller.request('work', body('1'));
  // The retry step would try again: each attempt that arrives is a message.
  const second = caller.request('work', body('2'), { retry: false });
  assert.equal(await codeOf(second), 'OVERFLOW');
  hold.resolve(body('done'));
  await first;
  moved(server, { messages_sent: 2, messages_received: 2, errors: 1, inbound_dropped: 1 });
  moved(caller, { messages_sent: 2, messages_received: 2, errors: 1 });
});

each(
  'inbound_dropped: not a missing handler, a failing one, or a topic that nobody asks for',
  async ({ bus, body }) => {
    const { bus: both } = bus();
    both.subscribe('price.*', () => Promise.reject(new Error('no')));
    both.subscribe('quiet');
    both.pull();
    both.respond();
    await both.ready();
    await both.publish('price.a.b', body('1'));
    await both.publish('price.a', body('1'));
    await both.publish('quiet', body('1'));
    await both.push('results', body('1'));
    assert.equal(await codeOf(both.request('state', body('1'))), 'NO_HANDLER');
    await until(() => both.metrics().errors === 2 && both.stats().no_handler === 3, 'all of them');
    moved(both, { messages_sent: 6, messages_received: 5, errors: 2 });
  },
);

// backpressure_events

each(
  'backpressure_events: each publish, push, request and reply that finds its queue full, also if it gets through',
  async ({ bus, body }) => {
    const spy = new SpyTransport();
    const { bus: both } = bus({ transport: spy.transport, hwmOutbound: 2 });
    const hold = deferred<unknown>();
    let started = 0;
    both.pull('>', nothing);
    both.respond('>', () => (started++, hold.promise));
    await both.ready();
    spy.stuck = new Set(['publish', 'push', 'request']);
    const calls: Promise<unknown>[] = [];
    const verbs = [
      () => both.publish('a', body('1')),
      () => both.push('a', body('1')),
      () => both.request('a', body('1')),
    ];
    for (const call of verbs) {
      for (let count = 0; count < 4; count++) calls.push(call());
      await turns(10);
      moved(both, { backpressure_events: calls.length / 2 }, `two of four: ${String(call)}`);
    }
    spy.stuck = new Set(['respond']);
    await until(() => started === 4, 'the handlers');
    assert.equal(both.metrics().backpressure_events, 6);
    hold.resolve(body('reply'));
    await until(() => both.metrics().backpressure_events === 8, 'two of four replies');
    spy.stuck = new Set();
    await Promise.all(calls);
    moved(both, { messages_sent: 16, messages_received: 12, backpressure_events: 8 });
  },
);

each(
  'backpressure_events: not a call that has room, or that waits in it for a peer, a reply or a slow step',
  async ({ bus, body }) => {
    const clock = new FakeClock();
    const { bus: both } = bus({ clock, hwmOutbound: 2 });
    const slow = deferred();
    both.use(bodyStep({ send: (ctx, next) => (ctx.topic === 'slow' ? slow.promise.then(next) : next()) }));
    const calls = [both.publish('slow', body('1')), both.publish('b', body('1'))];
    calls.push(both.push('results', body('1')), both.push('results', body('2')));
    await turns(10);
    moved(both, {}, 'two wait behind the slow step, two for a puller');
    slow.resolve();
    both.pull('>', nothing);
    await Promise.all(calls);
    await until(() => both.metrics().messages_received === 2 && both.metrics().messages_sent === 4, 'all of them');
    moved(both, { messages_sent: 4, messages_received: 2 });
  },
);

// request_timeouts

each('request_timeouts: each request that was handed over and not answered, in errors too', async ({ bus, body }) => {
  const clock = new FakeClock();
  const { bus: both } = bus({ clock });
  both.respond('>', never);
  const calls = ['a', 'b', 'b'].map((topic) => both.request(topic, body('1')));
  await handedOver(both, 3);
  await until(() => both.metrics().messages_received === 3, 'the handlers');
  assert.deepEqual(await aroundLimit(clock, 5000, Promise.allSettled(calls)), ['pending', 'resolved']);
  const codes = await Promise.all(calls.map(codeOf));
  assert.deepEqual(codes, ['REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', 'REQUEST_TIMEOUT']);
  const { errors, outbound_dropped, request_timeouts } = both.metrics();
  assert.deepEqual(
    { errors, outbound_dropped, request_timeouts },
    { errors: 3, outbound_dropped: 0, request_timeouts: 3 },
  );
});

each(
  'request_timeouts: not a request that was never handed over, aborted, skipped, answered, or answered with an error',
  async ({ bus, body }) => {
    const clock = new FakeClock();
    const { bus: alone } = bus({ clock });
    assert.deepEqual(await aroundLimit(clock, 5000, alone.request('a', body('1'))), ['pending', 'SEND_TIMEOUT']);
    assert.equal(await codeOf(alone.request('a', body('1'))), 'COOLING_DOWN');
    moved(alone, { errors: 2, outbound_dropped: 2 });
    const { bus: both } = bus();
    both.respond('good', () => body('1'));
    both.respond('bad', () => Promise.reject(new Error('no')));
    both.respond('slow', never);
    await both.request('good', body('1'));
    assert.equal(await codeOf(both.request('bad', body('1'))), 'HANDLER_FAILED');
    const stop = new AbortController();
    const call = codeOf(both.request('slow', body('1'), { signal: stop.signal }));
    await handedOver(both, 5);
    stop.abort();
    assert.equal(await call, 'ABORTED');
    assert.equal(both.metrics().request_timeouts, 0);
  },
);

// failed_bind_count

each(
  'failed_bind_count: each failed attempt at a taken endpoint, the later ones too, until it binds',
  async ({ bus }) => {
    const clock = new FakeClock();
    const transport = memory();
    const holder = bus({ transport, publish: false }).bus;
    holder.pull();
    await until(() => holder.metrics().active_connections === 1, 'the holder');
    const { bus: late, log } = bus({ clock, transport, publish: false });
    late.pull();
    await until(() => late.metrics().failed_bind_count === 1, 'the first attempt');
    moved(late, { failed_bind_count: 1, errors: 1 });
    await clock.pass(10_000, 500);
    await until(() => late.metrics().failed_bind_count === 2, 'the second attempt');
    moved(late, { failed_bind_count: 2, errors: 2 });
    assert.equal(log.at('error').length, 2);
    await holder.close();
    await clock.pass(10_000, 500);
    await until(() => late.metrics().active_connections === 1, 'the third attempt');
    moved(late, { failed_bind_count: 2, errors: 2 });
    moved(holder, {});
  },
);

each('failed_bind_count: not what cannot connect, nor a bind that works', async ({ bus, body }) => {
  const clock = new FakeClock();
  const { bus: one } = bus({ clock, endpoints: { ...ENDPOINTS, push: { connect: ['memory://nobody:*'] } } });
  await one.ready();
  assert.equal(await codeOf(one.push('results', body('1'))), 'TRANSPORT_FAILED');
  assert.equal(one.metrics().failed_bind_count, 0);
  moved(one, { errors: 1, outbound_dropped: 1 }, 'told and rejected: one failure');
});

// active_connections

each('active_connections: one for each socket that is open now', async ({ bus, body }) => {
  const { bus: one } = bus();
  const open = (): number => one.metrics().active_connections;
  assert.equal(open(), 0, 'nothing is opened before it is used');
  await one.ready();
  assert.equal(open(), 1, 'the publisher');
  const first = one.pull('a', nothing);
  one.pull('b', nothing);
  await until(() => open() === 2, 'one puller for both handlers');
  one.subscribe('a', nothing);
  await until(() => open() === 3, 'the subscriber');
  one.subscribe('b', nothing, { ownSocket: true });
  await until(() => open() === 4, 'a socket of its own');
  await one.push('a', body('1'));
  assert.equal(open(), 5, 'the pusher');
  await first.close();
  assert.equal(open(), 5, 'the other handler needs the puller');
  await one.close();
  assert.equal(open(), 0);
});

each('active_connections: not peers, not a failed bind, not traffic', async ({ bus, body }) => {
  const transport = memory();
  const { bus: hub } = bus({ transport });
  await hub.ready();
  let received = 0;
  for (let peer = 0; peer < 3; peer++) {
    const other = bus({ transport, publish: false }).bus;
    other.subscribe('a', () => received++);
    await other.ready();
    assert.equal(other.metrics().active_connections, 1);
  }
  for (let count = 0; count < 5; count++) await hub.publish('a', body('1'));
  await until(() => received === 15, 'all the events');
  assert.equal(hub.metrics().active_connections, 1);
  const second = bus({ transport }).bus;
  assert.equal(await codeOf(second.publish('a', body('1'))), 'BIND_FAILED');
  assert.equal(second.metrics().active_connections, 0);
  moved(second, { errors: 1, failed_bind_count: 1, outbound_dropped: 1 });
});
