import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Subscriber } from 'zeromq';
import type { SlowSubscribers } from '../../src/core/transport.ts';
import { bounded } from '../transports/conformance/waiting.ts';
import { PeerProcess } from './peer-process.ts';

/**
 * Much more than all the queues of a subscriber hold: 256 packets of 32 KB on each side, and the buffers of the system, which on Linux may grow
 * to 4 MB at the sender and 32 MB at the receiver. How far they do depends on what else the machine does.
 */
const LARGE = { messages: 60_000, bytes: 4000 };
const SMALL = { messages: 160_000, bytes: 500 };
const PATIENT = { messages: 40_000, bytes: 1000 };

/** What was published is 240 MB; of it there may be the queues of seven subscribers, and what the collector has not got to. */
const MEMORY_BOUND_MB = 150;

/** A healthy subscriber is never so far behind the publisher that its queue could be full: half of what one side of it holds. */
const WINDOW = 1024;
const TELL_EVERY = 128;

/** Longer than any of them takes on a busy machine. */
const BURST_BOUND_MS = 60_000;

/** After so many heartbeats those of the end of the burst are long gone for a subscriber that was full. */
const HEARTBEATS = 5;

/** Each more than 512 kB behind when the burst ends, or standing still. */
const SLOW = [
  { name: '1k/s', perSecond: 1000 },
  { name: '5k/s', perSecond: 5000 },
  { name: '15k/s', perSecond: 15_000 },
  { name: '50k/s', perSecond: 50_000 },
];
const NEVER = { name: 'never', perSecond: 0 };
const FAST = { name: 'fast', tellEvery: TELL_EVERY };
const PAUSING = { name: 'pausing', pauseMs: 30, every: 5000, tellEvery: TELL_EVERY };

interface Reader {
  readonly name: string;
  readonly received: number;
  readonly gaps: number;
  readonly disordered: number;
}

interface Burst {
  readonly accepted: number;
  readonly rejections: Record<string, number>;
  readonly roseMb: number;
}

/** A publisher process, and one process for each list of subscribers. */
async function scene(
  t: TestContext,
  policy: SlowSubscribers,
  lists: readonly (readonly { readonly name: string }[])[],
) {
  const publisher = new PeerProcess(t, 'burst-publisher', policy);
  const { endpoint } = await publisher.next<{ endpoint: string }>('its endpoint');
  const readers = lists.map((list) => new PeerProcess(t, 'paced-subscribers', endpoint, JSON.stringify(list)));
  for (const reader of readers) reader.on('seen', () => {});
  await Promise.all(readers.map((reader) => reader.next('that it is ready')));
  return { publisher, readers, endpoint };
}

/** Starts a burst; resolves when it has been published. */
function publish(publisher: PeerProcess, messages: number, bytes: number): Promise<Burst> {
  const burst = new Promise<Burst>((resolve) => publisher.on('burst', (value) => resolve(value as Burst)));
  publisher.tell({ publish: messages, bytes });
  return bounded(burst, `${String(messages)} messages to be published`, BURST_BOUND_MS);
}

/** The books of every subscriber, as soon as they balance. */
async function books(readers: readonly PeerProcess[], sent: number): Promise<Reader[]> {
  const end = performance.now() + 15_000;
  for (;;) {
    const all = (await Promise.all(readers.map((reader) => reader.ask<Reader[]>({ stats: true })))).flat();
    if (all.every(({ received, gaps }) => received + gaps >= sent) || performance.now() > end) return all;
  }
}

/** Each message that was sent was received, or the subscriber's own counter knows that it was missed; nothing came twice. */
function assertBalanced(all: readonly Reader[], sent: number): void {
  assert.deepEqual(
    all.map(({ name, received, gaps, disordered }) => ({ name, sum: received + gaps, disordered })),
    all.map(({ name }) => ({ name, sum: sent, disordered: 0 })),
    JSON.stringify(all),
  );
}

/** Resolves after some more heartbeats of the publisher. */
async function heartbeats(t: TestContext, endpoint: string, count: number): Promise<void> {
  const socket = new Subscriber({ linger: 0 });
  t.after(() => socket.close());
  socket.connect(endpoint);
  socket.subscribe('_tb.heartbeat\0');
  for (let heard = 0; heard < count; heard++) await bounded(socket.receive(), 'a heartbeat');
}

test('leave-behind: the healthy subscribers lose nothing, each slow one counts exactly what it missed, memory is bounded', async (t) => {
  const { publisher, readers, endpoint } = await scene(t, 'leave-behind', [[...SLOW, NEVER], [FAST], [PAUSING]]);
  // Healthy is who keeps up: the publisher waits for these two, and for nobody else.
  const seen = new Map([
    [FAST.name, 0],
    [PAUSING.name, 0],
  ]);
  for (const reader of readers.slice(1)) {
    reader.on('seen', (value) => {
      const [name, count] = value as [string, number];
      seen.set(name, count);
      publisher.tell({ allow: Math.min(...seen.values()) + WINDOW });
    });
  }
  publisher.tell({ allow: WINDOW });
  const { messages, bytes } = LARGE;
  const { accepted, rejections, roseMb } = await publish(publisher, messages, bytes);
  assert.deepEqual({ accepted, rejections }, { accepted: messages, rejections: {} });

  // The end of the burst, and the heartbeats that told of it, are lost to those that are full.
  await heartbeats(t, endpoint, HEARTBEATS);
  for (const reader of readers) reader.tell({ release: true });
  const all = await books(readers, messages);
  assertBalanced(all, messages);
  const gapsOf = Object.fromEntries(all.map(({ name, gaps }) => [name, gaps]));
  assert.deepEqual([gapsOf[FAST.name], gapsOf[PAUSING.name]], [0, 0]);
  assert.ok(gapsOf[NEVER.name]! > messages / 2 && gapsOf['1k/s']! > messages / 10, JSON.stringify(gapsOf));

  const stats = await publisher.ask<Record<string, number>>({ stats: true });
  assert.equal(stats['messages_sent'], messages);
  assert.equal(stats['outbound_dropped'], 0, 'the others got it: nothing was dropped');
  assert.ok(stats['subscribers_left_behind']! > 0);
  assert.ok(roseMb < MEMORY_BOUND_MB, `memory rose by ${String(roseMb)} MB`);
});

test('drop: whoever is full misses messages, and everyone counts exactly what it missed', async (t) => {
  const { publisher, readers, endpoint } = await scene(t, 'drop', [[...SLOW, NEVER], [FAST], [PAUSING]]);
  const { messages, bytes } = SMALL;
  const { accepted, rejections, roseMb } = await publish(publisher, messages, bytes);
  assert.deepEqual({ accepted, rejections }, { accepted: messages, rejections: {} });
  await heartbeats(t, endpoint, HEARTBEATS);
  for (const reader of readers) reader.tell({ release: true });
  const all = await books(readers, messages);
  assertBalanced(all, messages);
  assert.ok(all.find(({ name }) => name === NEVER.name)!.gaps > messages / 10, JSON.stringify(all));
  const stats = await publisher.ask<Record<string, number>>({ stats: true });
  assert.deepEqual([stats['messages_sent'], stats['subscribers_left_behind']], [messages, 0]);
  assert.ok(roseMb < MEMORY_BOUND_MB, `memory rose by ${String(roseMb)} MB`);
});

test('wait: everyone waits for the one that does not read, and nobody loses anything', async (t) => {
  const { publisher, readers } = await scene(t, 'wait', [[NEVER], [FAST]]);
  const { messages, bytes } = PATIENT;
  const burst = publish(publisher, messages, bytes);
  // A heartbeat has passed without a message: the publisher stands still.
  let stats = await publisher.ask<Record<string, number>>({ stats: true });
  for (let before = -1; stats['queued_messages'] === 0 || stats['messages_sent'] !== before;) {
    before = stats['messages_sent']!;
    await new Promise((resolve) => setTimeout(resolve, 50));
    stats = await publisher.ask<Record<string, number>>({ stats: true });
  }
  assert.ok(stats['messages_sent'] < messages, 'it had to wait');
  assert.ok(stats['backpressure_events']! > 0, 'a call has found the queue full');
  for (const reader of readers) reader.tell({ release: true });
  const { accepted, rejections } = await burst;
  assert.deepEqual({ accepted, rejections }, { accepted: messages, rejections: {} });
  const all = await books(readers, messages);
  assert.deepEqual(
    all,
    all.map(({ name }) => ({ name, received: messages, gaps: 0, disordered: 0 })),
  );
  stats = await publisher.ask<Record<string, number>>({ stats: true });
  assert.deepEqual([stats['messages_sent'], stats['subscribers_left_behind']], [messages, 0]);
});
