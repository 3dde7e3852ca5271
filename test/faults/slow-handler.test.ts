import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Message } from '../../src/core/receive-context.ts';
import { until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { PeerProcess } from './peer-process.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';

const LIMIT = 5;

/** Enough to fill every queue between the two processes several times over: 40 MB. */
const MESSAGES = 20_000;
const BYTES = 2000;
const MARKS = { hwmInbound: 50, hwmPackets: 8 };

/** Samples of the heap while the handlers stand still; from the first to the last it may move by so much. */
const SAMPLES = 10;
const HEAP_BOUND_MB = 3;
const MEGABYTE = 2 ** 20;

const TASKS = 300;

const TELL_EVERY = 256;
const WINDOW = 4096;

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

/** Memory in use after a collection: heap, and what lives outside of it. */
function used(collect: () => void): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MEGABYTE;
}

test('a handler that stands still: in flight stays at the limit, the socket is not read, the heap is flat, nothing is lost', async (t) => {
  const publisher = new PeerProcess(t, 'burst-publisher', 'wait', String(MARKS.hwmPackets));
  const { endpoint } = await publisher.next<{ endpoint: string }>('its endpoint');
  const ledger = new Ledger();
  const { bus } = party(t, 'subscriber', {
    endpoints: { subscribe: { connect: [endpoint] } },
    handlerMaxConcurrency: LIMIT,
    ...MARKS,
  });
  let go: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    go = resolve;
  });
  let running = 0;
  let most = 0;
  bus.subscribe('price.tick', async ({ body }) => {
    most = Math.max(most, ++running);
    await released;
    running--;
    ledger.saw((body as { index: number }).index);
  });
  await bus.ready();
  const burst = new Promise((resolve) => publisher.on('burst', resolve));
  publisher.tell({ publish: MESSAGES, bytes: BYTES });

  // The pressure reaches the publisher: it stands still with a full queue.
  let stats = await publisher.ask<Record<string, number>>({ stats: true });
  for (let before = -1; stats['backpressure_events'] === 0 || stats['messages_sent'] !== before;) {
    before = stats['messages_sent']!;
    await new Promise((resolve) => setTimeout(resolve, 50));
    stats = await publisher.ask<Record<string, number>>({ stats: true });
  }
  assert.ok(stats['messages_sent'] < MESSAGES / 2, `sent ${String(stats['messages_sent'])}`);
  assert.equal(running, LIMIT);
  const received = bus.metrics().messages_received;
  assert.ok(received <= LIMIT + 1, `read ${String(received)}`);

  const collect = collector();
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    samples.push(used(collect));
    await publisher.ask({ stats: true });
  }
  const rise = Math.max(...samples) - samples[0]!;
  assert.ok(rise < HEAP_BOUND_MB, `rose by ${rise.toFixed(1)} MB: ${samples.map((one) => one.toFixed(1)).join(' ')}`);
  assert.equal(bus.metrics().messages_received, received, 'nothing more was read');

  go();
  await burst;
  await until(
    () => ledger.seen.length >= MESSAGES,
    () => `${String(MESSAGES)} messages, got ${String(ledger.seen.length)}`,
    30_000,
  );
  assert.deepEqual(
    ledger.seen,
    Array.from({ length: MESSAGES }, (_, index) => String(index)),
  );
  assert.equal(most, LIMIT);
  assert.equal(bus.stats().gaps, 0);
  assert.equal(bus.stats().in_flight_handlers, 0);
});

test('a puller at its limit takes no more than it may, the rest waits with the pusher, and all are done in the end', async (t) => {
  const ledger = new Ledger();
  const waiting: (() => void)[] = [];
  const puller = party(t, 'puller', { endpoints: { pull: { bind: FREE } }, hwmInbound: LIMIT, hwmPackets: 1 });
  let running = 0;
  let most = 0;
  puller.bus.pull(
    '>',
    async ({ body }) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => waiting.push(resolve));
      running--;
      ledger.saw((body as { name: string }).name);
    },
    { concurrency: LIMIT },
  );
  const pusher = party(t, 'pusher', {
    endpoints: { push: { connect: [await addressOf(puller.bus, 'pull')] } },
    hwmPackets: 1,
    hwmOutbound: TASKS,
    pushTimeoutMs: 60_000,
  });
  const filling = 'x'.repeat(100_000);
  const pushing = inParallel(TASKS, TASKS, (index) =>
    ledger.attempt(String(index), () => pusher.bus.push('task', { name: String(index), filling })),
  );
  await until(() => running === LIMIT, 'the puller to be at its limit');
  const { messages_received } = puller.bus.metrics();
  assert.ok(messages_received <= LIMIT + 1, `read ${String(messages_received)}`);
  assert.ok(ledger.account.accepted < TASKS);
  while (ledger.seen.length < TASKS) {
    await until(() => waiting.length > 0, 'a task to run');
    waiting.shift()?.();
    await Promise.resolve();
  }
  await pushing;
  assert.deepEqual(ledger.account, allWell(TASKS));
  assert.equal(most, LIMIT);
});

test('a responder at its limit runs no more than it may, answers OVERFLOW beyond its queue, and every call settles', async (t) => {
  const calls = 200;
  const queue = 50;
  const waiting: (() => void)[] = [];
  const responder = party(t, 'responder', { endpoints: { respond: { bind: FREE } }, hwmInbound: queue });
  let running = 0;
  let most = 0;
  const ledger = new Ledger();
  responder.bus.respond(
    'state',
    async ({ body }) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => waiting.push(resolve));
      running--;
      ledger.saw(body);
      return body;
    },
    { concurrency: LIMIT },
  );
  const asker = party(t, 'asker', { endpoints: { request: { connect: [await addressOf(responder.bus, 'respond')] } } });
  const asking = inParallel(calls, calls, (index) =>
    ledger.attempt(String(index), async () => assert.equal(await asker.bus.request('state', index), index)),
  );
  await until(() => asker.bus.metrics().messages_received === calls - queue, 'those beyond the queue to be answered');
  assert.deepEqual(ledger.rejections, { OVERFLOW: calls - queue });
  assert.equal(running, LIMIT);
  while (ledger.seen.length < queue) {
    await until(() => waiting.length > 0, 'a request to run');
    waiting.shift()?.();
    await Promise.resolve();
  }
  await asking;
  assert.equal(most, LIMIT);
  assert.deepEqual(ledger.account, {
    attempted: calls,
    accepted: queue,
    rejected: calls - queue,
    seen: queue,
    lost: 0,
    duplicated: 0,
    unexpected: 0,
  });
  assert.equal(responder.bus.metrics().inbound_dropped, calls - queue);
});

test('one blocked subscription does not stop another that has a socket of its own', async (t) => {
  const messages = 20_000;
  const publisher = new PeerProcess(t, 'burst-publisher', 'leave-behind');
  const { endpoint } = await publisher.next<{ endpoint: string }>('its endpoint');
  const { bus } = party(t, 'subscriber', { endpoints: { subscribe: { connect: [endpoint] } } });
  const seen: number[] = [];
  let blocked = 0;
  let go: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    go = resolve;
  });
  bus.subscribe('price.*', () => (blocked++, released), { concurrency: 1, maxQueued: 0 });
  const healthy = ({ body }: Message): void => {
    seen.push((body as { index: number }).index);
    // The publisher goes no further ahead than the queue of a healthy subscriber holds.
    if (seen.length % TELL_EVERY === 0) publisher.tell({ allow: seen.length + WINDOW });
  };
  bus.subscribe('price.tick', healthy, { ownSocket: true });
  await bus.ready();
  assert.equal(bus.metrics().active_connections, 2);
  const burst = new Promise((resolve) => publisher.on('burst', resolve));
  publisher.tell({ allow: WINDOW });
  publisher.tell({ publish: messages, bytes: 1000 });
  await until(
    () => seen.length === messages,
    () => `${String(messages)} messages, got ${String(seen.length)}`,
    30_000,
  );
  await burst;
  assert.deepEqual(
    seen,
    Array.from({ length: messages }, (_, index) => index),
  );
  assert.equal(blocked, 1);
  go();
  await until(() => blocked > 1, 'the blocked one to go on');
});
