import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { BusError } from '../../src/core/errors.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { LinkEvents, Requester, Transport } from '../../src/core/transport.ts';
import { limitConcurrency } from '../../src/middleware/limit-concurrency.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, codesTold, deferred, memoryBus, RecordingLogger } from '../support/memory-bus.ts';
import type { Deferred } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

/** Handlers that end when the test lets them, in the order in which they started. */
class Work {
  readonly started: unknown[] = [];
  readonly #holds: Deferred<unknown>[] = [];
  running = 0;
  most = 0;

  readonly handle = async ({ body }: { readonly body: unknown }): Promise<unknown> => {
    this.started.push(body);
    this.most = Math.max(this.most, ++this.running);
    const hold = deferred<unknown>();
    this.#holds.push(hold);
    try {
      return await hold.promise;
    } finally {
      this.running--;
    }
  };

  /** Ends the one that started first and still runs. */
  finish(answer: unknown = 'done'): void {
    this.#holds.shift()!.resolve(answer);
  }
}

test('concurrency is how many requests of a handler run at once; the others wait in their order', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  bus.respond('work', work.handle, { concurrency: 2 });
  const calls = Array.from({ length: 6 }, (_, index) => bus.request('work', index));
  await until(() => work.started.length === 2, 'two to start');
  await turns(10);
  assert.deepEqual(work.started, [0, 1]);
  for (let finished = 0; finished < 6; finished++) {
    await until(() => work.started.length >= Math.min(6, finished + 2), 'the next');
    work.finish(finished);
  }
  assert.deepEqual(await bounded(Promise.all(calls), 'all'), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(work.started, [0, 1, 2, 3, 4, 5]);
  assert.equal(work.most, 2);
});

test('beyond maxQueued a request is answered with OVERFLOW at once, which may be tried again', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  bus.respond('work', work.handle, { concurrency: 1, maxQueued: 2 });
  const calls = Array.from({ length: 5 }, (_, index) => bus.request('work', index));
  const overflowed = await Promise.allSettled([calls[3]!, calls[4]!]);
  for (const result of overflowed) {
    assert.equal(result.status, 'rejected');
    const { reason } = result as { reason: BusError };
    assert.equal(reason.code, 'OVERFLOW');
    assert.equal(reason.retryable, true);
  }
  for (let finished = 0; finished < 3; finished++) {
    await until(() => work.running === 1, 'the next');
    work.finish(finished);
    await turns(4);
  }
  assert.deepEqual(await Promise.all(calls.slice(0, 3)), [0, 1, 2]);
  assert.equal(bus.metrics().inbound_dropped, 2);
  const again = bus.request('work', 'again');
  await until(() => work.running === 1, 'room again');
  work.finish('again');
  assert.equal(await again, 'again');
});

test('hwmInbound bounds the requests that a responder has in hand', async (t) => {
  const { bus } = memoryBus(t, { hwmInbound: 3 });
  const work = new Work();
  bus.respond('work', work.handle);
  const calls = Array.from({ length: 4 }, (_, index) => bus.request('work', index));
  assert.equal(await codeOf(calls[3]!), 'OVERFLOW');
  for (let finished = 0; finished < 3; finished++) work.finish(finished);
  assert.deepEqual(await Promise.all(calls.slice(0, 3)), [0, 1, 2]);
});

test('a request that expired while it waited is not run, and makes room without waiting for its turn', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const { bus } = memoryBus(t, { clock, transport, hwmInbound: 3 });
  // The first caller leaves the endpoint alone after its time-outs.
  const other = memoryBus(t, { clock, transport });
  const work = new Work();
  bus.respond('work', work.handle, { concurrency: 1 });
  bus.respond('other', () => 'fine');
  const first = bus.request('work', 'first', { timeoutMs: 10_000 });
  const waiting = [
    codeOf(bus.request('work', 'second', { timeoutMs: 50 })),
    codeOf(bus.request('work', 'third', { timeoutMs: 50 })),
  ];
  await until(() => work.running === 1, 'the first');
  await turns(10);
  await clock.pass(80);
  assert.deepEqual(await Promise.all(waiting), ['REQUEST_TIMEOUT', 'REQUEST_TIMEOUT']);
  await turns(10);
  assert.equal(await other.bus.request('other', 1, { timeoutMs: 1000 }), 'fine', 'there is room');
  work.finish('done');
  assert.equal(await first, 'done');
  await turns(10);
  assert.deepEqual(work.started, ['first']);
  const { inbound_dropped, errors } = bus.metrics();
  assert.deepEqual({ inbound_dropped, errors }, { inbound_dropped: 2, errors: 2 }, 'errors are the two time-outs');
});

test('a request that is cancelled while it waits is not run', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  bus.respond('work', work.handle, { concurrency: 1 });
  const first = bus.request('work', 'first');
  await until(() => work.running === 1, 'the first');
  const abort = new AbortController();
  const second = codeOf(bus.request('work', 'second', { signal: abort.signal }));
  await turns(10);
  abort.abort();
  assert.equal(await second, 'ABORTED');
  await turns(10);
  work.finish('done');
  assert.equal(await first, 'done');
  await turns(10);
  assert.deepEqual(work.started, ['first']);
  assert.equal(bus.metrics().inbound_dropped, 1);
});

test('the signal of a handler is aborted when its deadline passes', async (t) => {
  const clock = new FakeClock();
  const { bus, told } = memoryBus(t, { clock });
  const reasons: unknown[] = [];
  bus.respond('long', async ({ signal }) => {
    await new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as BusError).code);
        resolve();
      }),
    );
    throw signal.reason;
  });
  const call = codeOf(bus.request('long', 1, { timeoutMs: 100 }));
  await turns(10);
  await clock.pass(120);
  assert.equal(await call, 'REQUEST_TIMEOUT');
  await turns(10);
  assert.deepEqual(reasons, ['EXPIRED']);
  assert.deepEqual(told, [], 'a handler that stops because it was told to has not failed');
  assert.equal(bus.stats().late_replies, 0, 'nobody is answered who does not wait');
});

test('a handler that is cancelled and fails in its own way is told, and answers nobody', async (t) => {
  const { bus, told } = memoryBus(t);
  bus.respond('long', async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    throw new Error('own way');
  });
  const abort = new AbortController();
  const call = codeOf(bus.request('long', 1, { signal: abort.signal }));
  await until(() => bus.stats().in_flight_handlers === 1, 'the handler');
  abort.abort();
  assert.equal(await call, 'ABORTED');
  await until(() => told.length === 1, 'the failure');
  await turns(10);
  assert.equal(bus.stats().late_replies, 0);
});

test('requests of one topic start in the order of their arrival, however long their steps take', async (t) => {
  const delays: Record<string, number> = { first: 6, second: 3, third: 0 };
  const slow: Middleware = {
    name: 'slow',
    stage: 'payload',
    async receive(ctx, next) {
      if (ctx.pattern === 'request') await turns(delays[ctx.payload.toString()] ?? 0);
      await next();
    },
  };
  const { bus } = memoryBus(t, { stack: [slow] });
  const started: string[] = [];
  bus.respond('t', ({ body }) => {
    started.push(Buffer.from(body as Uint8Array).toString());
    return body;
  });
  await Promise.all(['first', 'second', 'third'].map((name) => bus.request('t', Buffer.from(name))));
  assert.deepEqual(started, ['first', 'second', 'third']);
});

test('a slow admit that grants places out of order cannot make two requests wait for each other', async (t) => {
  let places = 1;
  const waiting: (() => void)[] = [];
  let count = 0;
  const admit: Middleware = {
    name: 'quota',
    stage: 'body',
    async admit() {
      // The first to come is the last to be granted.
      await turns(count++ === 0 ? 10 : 0);
      if (places === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      else places--;
      return () => {
        const next = waiting.shift();
        if (next === undefined) places++;
        else next();
      };
    },
  };
  const { bus } = memoryBus(t, { stack: [admit, serialize()] });
  bus.respond('t', ({ body }) => body, { concurrency: 3 });
  const calls = [1, 2, 3].map((index) => bus.request('t', index));
  assert.deepEqual(await bounded(Promise.all(calls), 'all three'), [1, 2, 3]);
});

test('a handler under the limit of the whole bus that itself awaits a request does not deadlock', async (t) => {
  const { bus } = memoryBus(t, { stack: [limitConcurrency(1), serialize()] });
  bus.respond('price', () => 7);
  const got: unknown[] = [];
  bus.subscribe('tick', async () => {
    got.push(await bus.request('price', 1));
  });
  await bus.ready();
  for (let index = 0; index < 5; index++) await bus.publish('tick', index);
  await until(() => got.length === 5, 'all of them');
  assert.deepEqual(got, [7, 7, 7, 7, 7]);
  assert.equal(bus.metrics().errors, 0);
});

test('a handler with concurrency 1 may ask another topic of the same bus', async (t) => {
  const { bus } = memoryBus(t);
  bus.respond('outer', async ({ body }) => [body, await bus.request('inner', body)], { concurrency: 1 });
  bus.respond('inner', ({ body }) => `inner ${String(body)}`, { concurrency: 1 });
  const answers = await bounded(Promise.all([1, 2, 3].map((body) => bus.request('outer', body))), 'all');
  assert.deepEqual(answers, [
    [1, 'inner 1'],
    [2, 'inner 2'],
    [3, 'inner 3'],
  ]);
});

test('the first handler whose pattern fits answers; one that was taken back makes place for the next', async (t) => {
  const { bus } = memoryBus(t);
  const exact = bus.respond('state.get', () => 'exact');
  bus.respond('state.*', () => 'any');
  assert.equal(await bus.request('state.get', 1), 'exact');
  assert.equal(await bus.request('state.set', 1), 'any');
  await exact.close();
  assert.equal(await bus.request('state.get', 1), 'any');
});

test('a subscription that is closed and made again at the same endpoint works at once', async (t) => {
  const { bus } = memoryBus(t);
  for (let round = 0; round < 3; round++) {
    const subscription = bus.respond('a', () => round);
    assert.equal(await bus.request('a', 1), round);
    await subscription.close();
  }
  assert.equal(bus.metrics().failed_bind_count, 0);
});

test('it may be made again before the old one has closed: the new one waits for the endpoint', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  const first = bus.respond('work', work.handle);
  const call = bus.request('work', 1);
  await until(() => work.running === 1, 'the request');
  const closing = first.close();
  bus.respond('work', () => 'the new one');
  await turns(10);
  work.finish('the old one');
  assert.equal(await call, 'the old one');
  await closing;
  assert.equal(await bus.request('work', 2), 'the new one');
  assert.equal(bus.metrics().failed_bind_count, 0);
});

test('closing a responder lets the request in hand be answered', async (t) => {
  const { bus } = memoryBus(t);
  const work = new Work();
  const subscription = bus.respond('work', work.handle);
  const call = bus.request('work', 1);
  await until(() => work.running === 1, 'the request');
  const closing = subscription.close();
  await turns(10);
  work.finish('answered');
  assert.equal(await call, 'answered');
  await closing;
});

/** A requester below the bus, which sends what it likes. */
async function stranger(
  t: TestContext,
  transport: Transport,
): Promise<{ link: Requester; answers: string[]; send: (...records: Rec[]) => Promise<void> }> {
  const answers: string[] = [];
  const events: LinkEvents = { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} };
  const link = await transport.openRequester({
    endpoint: 'memory://state',
    mode: 'connect',
    hwmPackets: 100,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events,
    onMalformed: (error) => assert.fail(error),
    onPacket({ packet }) {
      for (const { headers } of packet.records) {
        answers.push(`${headers.getText('correlation') ?? '-'} ${headers.getText('error-code') ?? 'reply'}`);
      }
    },
  });
  t.after(() => link.close());
  let sequence = 1;
  const send = async (...records: Rec[]): Promise<void> => {
    const sealed = records.map(({ kind, headers }) => {
      const all = MessageHeaders.from(headers);
      return { headers: all, headerBlock: all.encode(kind), payload: Buffer.from('1') };
    });
    const packet = new OutgoingPacket(undefined, sealed, { epoch: 5, firstSequence: sequence, sentAtUs: 1 });
    sequence += records.length;
    while (!(await link.trySend(packet, 0))) await turns(1);
  };
  return { link, answers, send };
}

interface Rec {
  readonly kind: number;
  readonly headers: Readonly<Record<string, string>>;
}

test('what is no request is dropped as malformed, and the requests beside it in the packet are answered', async (t) => {
  const transport = memory();
  const { bus, told } = memoryBus(t, { transport });
  bus.respond('>', () => 1);
  await bus.ready();
  const { answers, send } = await stranger(t, transport);
  await send(
    { kind: KIND_NUMBERS.request, headers: { topic: 'a', correlation: '1' } },
    { kind: KIND_NUMBERS.message, headers: { topic: 'a', correlation: '2' } },
    { kind: KIND_NUMBERS.request, headers: { correlation: '3' } },
    { kind: KIND_NUMBERS.request, headers: { topic: 'bad..topic', correlation: '4' } },
    { kind: KIND_NUMBERS.reply, headers: { topic: 'a', correlation: '5' } },
    { kind: KIND_NUMBERS.request, headers: { topic: 'a', correlation: '6' } },
  );
  await until(() => answers.length === 2, 'two answers');
  await turns(10);
  assert.deepEqual(answers, ['1 reply', '6 reply']);
  assert.equal(bus.metrics().inbound_dropped, 4);
  assert.deepEqual(new Set(codesTold(told)), new Set(['MALFORMED_PACKET']));
});

test('a cancel counts only from the peer whose request it names, and for the topic of that request', async (t) => {
  const transport = memory();
  const { bus } = memoryBus(t, { transport });
  const signals: AbortSignal[] = [];
  bus.respond('>', ({ signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  });
  await bus.ready();
  const [owner, other] = [await stranger(t, transport), await stranger(t, transport)];
  await owner.send({ kind: KIND_NUMBERS.request, headers: { topic: 'a', correlation: '1' } });
  await until(() => signals.length === 1, 'the request');
  await other.send({ kind: KIND_NUMBERS.cancel, headers: { topic: 'a', correlation: '1' } });
  await turns(20);
  assert.equal(signals[0]!.aborted, false);
  // Of a topic that nothing protects, perhaps.
  await owner.send({ kind: KIND_NUMBERS.cancel, headers: { topic: 'b', correlation: '1' } });
  await turns(20);
  assert.equal(signals[0]!.aborted, false, 'a cancel of another topic');
  await owner.send({ kind: KIND_NUMBERS.cancel, headers: { topic: 'a', correlation: '1' } });
  await until(() => signals[0]!.aborted, 'the cancel of its owner');
});

test('a requester that disconnects ends its requests, and nothing is kept for it', async (t) => {
  const transport = memory();
  const { bus, told } = memoryBus(t, { transport });
  const signals: AbortSignal[] = [];
  bus.respond('>', async ({ signal }) => {
    signals.push(signal);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return 'nobody will see this';
  });
  await bus.ready();
  const { link, send } = await stranger(t, transport);
  await send({ kind: KIND_NUMBERS.request, headers: { topic: 'a', correlation: '1' } });
  await until(() => signals.length === 1, 'the request');
  await link.close();
  await until(() => bus.stats().in_flight_handlers === 0, 'the end of it');
  assert.equal((signals[0]!.reason as BusError).code, 'CANCELLED');
  assert.equal(bus.stats().queued_messages, 0);
  assert.equal(bus.metrics().outbound_dropped, 0);
  assert.deepEqual(told, []);
});

test('a responder that is idle for a day still answers: receiving has no time-out', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, heartbeatMs: 60_000 });
  bus.respond('a', () => 'still here');
  await bus.ready();
  await clock.pass(86_400_000, 600_000);
  assert.equal(await bus.request('a', 1), 'still here');
});

test('a request without a deadline is run whenever its turn comes', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const { bus } = memoryBus(t, { transport, clock });
  const deadlines: unknown[] = [];
  bus.respond('>', (message) => {
    deadlines.push(message.headers.getText('timeout-ms'));
    return 1;
  });
  await bus.ready();
  const { answers, send } = await stranger(t, transport);
  await send({ kind: KIND_NUMBERS.request, headers: { topic: 'a', correlation: '1', 'timeout-ms': 'soon' } });
  await send({ kind: KIND_NUMBERS.request, headers: { topic: 'a', correlation: '2' } });
  await until(() => answers.length === 2, 'both answers');
  assert.deepEqual(answers, ['1 reply', '2 reply']);
});

test('a responder in a cold start answers requests that were sent before it was there', async (t) => {
  forbidUnhandledRejections(t);
  const transport = memory();
  const caller = memoryBus(t, { transport });
  const call = caller.bus.request('a', 1);
  await turns(10);
  const responder = memoryBus(t, { transport });
  responder.bus.respond('a', () => 'here now');
  assert.equal(await bounded(call, 'the answer'), 'here now');
});
