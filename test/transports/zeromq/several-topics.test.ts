/** Packets of several topics, from bus to bus: who gets what, in which order, and that nobody who comes or goes misses anything. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { OutgoingPacket } from '../../../src/core/outgoing-packet.ts';
import type { Transport } from '../../../src/core/transport.ts';
import { MessageBus } from '../../../src/index.ts';
import type { MessageBusConfig } from '../../../src/index.ts';
import { encrypt, importKey, sign } from '../../../src/middleware/index.ts';
import { startForwarder, zeromq } from '../../../src/transports/zeromq/index.ts';
import { bounded, until } from '../conformance/waiting.ts';

const SECRET = Buffer.alloc(32, 7).toString('base64url');

type Config = MessageBusConfig & { readonly secured?: boolean };

/** A bus that is closed when the test ends. */
function busFor(t: TestContext, name: string, { secured = false, ...config }: Config): MessageBus {
  const bus = new MessageBus(name, { audience: 'test', logLevel: 'error', ...config });
  if (secured) {
    bus.use(sign({ keys: [importKey({ kid: 's1', alg: 'hmac-sha256', secret: SECRET })] }));
    bus.use(encrypt({ keys: [importKey({ kid: 'e1', alg: 'aes-256-gcm', secret: SECRET })] }));
  }
  t.after(() => bounded(bus.close({ timeoutMs: 1000 }), `the close of ${name}`));
  return bus;
}

/** A transport that notes what its publishers take. */
function noting(packets: OutgoingPacket[]): Transport {
  const inner = zeromq();
  return {
    ...inner,
    openPublisher: async (spec) => {
      const sender = await inner.openPublisher(spec);
      const trySend = sender.trySend.bind(sender);
      sender.trySend = async (packet, waitedMs) => {
        const taken = await trySend(packet, waitedMs);
        if (taken && packet.topic?.startsWith('_tb.') !== true) packets.push(packet);
        return taken;
      };
      return sender;
    },
  };
}

/** A publisher and the address that subscribers connect to. */
async function feedFor(t: TestContext, config: Config = {}) {
  const packets: OutgoingPacket[] = [];
  const endpoints = { publish: { bind: 'tcp://127.0.0.1:*' } };
  const feed = busFor(t, 'feed', { publish: true, transport: noting(packets), endpoints, ...config });
  await feed.ready();
  const address = feed.describe().links[0]?.address;
  assert.ok(address);
  return { feed, packets, address };
}

const subscriberFor = (t: TestContext, name: string, address: string, config: Config = {}): MessageBus =>
  busFor(t, name, { endpoints: { subscribe: { connect: [address] } }, ...config });

/** A forwarder that waits for slow subscribers, so that whatever is missing was lost. */
async function waitingForwarder(t: TestContext): Promise<Awaited<ReturnType<typeof startForwarder>>> {
  const anyPort = 'tcp://127.0.0.1:*';
  const forwarder = await startForwarder({ in: anyPort, out: anyPort, slowSubscribers: 'wait' });
  t.after(() => bounded(forwarder.close(), 'the close of the forwarder'));
  return forwarder;
}

describe('packets of several topics', () => {
  it('bring to each subscriber what its patterns ask for, in the order of the calls across topics', async (t) => {
    const { feed, packets, address } = await feedFor(t);
    const patterns: Record<string, string[]> = {
      all: ['>'],
      prices: ['price.>'],
      some: ['price.*.eur', 'news.a'],
      one: ['price.2.eur'],
    };
    const got: Record<string, string[]> = {};
    for (const [name, wanted] of Object.entries(patterns)) {
      const bus = subscriberFor(t, name, address);
      const list: string[] = (got[name] = []);
      for (const pattern of wanted)
        bus.subscribe(pattern, ({ topic, body }) => void list.push(`${topic} ${String(body)}`));
      await bus.ready();
    }
    const topics = [1, 2, 3].flatMap((n) => [
      `price.${String(n)}.eur`,
      `price.${String(n)}.usd`,
      `news.${'abc'[n - 1]!}`,
    ]);
    const sent: string[] = [];
    for (let n = 0; n < 3000; n++) {
      const topic = topics[Math.imul(n, 7919) % topics.length]!;
      sent.push(`${topic} ${String(n)}`);
      await feed.publish(topic, n);
    }
    const expected: Record<string, string[]> = {
      all: sent,
      prices: sent.filter((one) => one.startsWith('price.')),
      some: sent.filter((one) => /^price\..\.eur |^news\.a /.test(one)),
      one: sent.filter((one) => one.startsWith('price.2.eur ')),
    };
    await until(
      () => Object.entries(expected).every(([name, list]) => got[name]!.length >= list.length),
      'all messages',
    );
    assert.deepEqual(got, expected);
    assert.equal(feed.metrics().messages_sent, 3000);
    assert.equal(feed.stats().unrouted, 0);
    const mixed = packets.filter((packet) => packet.mixed !== undefined);
    assert.ok(
      mixed.some((packet) => packet.mixed!.runs.length > 1),
      'some had several topics',
    );
    // Those that somebody asks for by their very name, and those alone, are sent by it.
    const named = new Set(packets.flatMap(({ topic }) => topic ?? []));
    assert.deepEqual([...named].sort(), ['news.a', 'price.2.eur']);
  });

  it('make a feed of many topics at random a few messages of ZeroMQ', async (t) => {
    const { feed, packets, address } = await feedFor(t);
    const bus = subscriberFor(t, 'subscriber', address);
    const seen: unknown[] = [];
    bus.subscribe('price.*', ({ body }) => void seen.push(body));
    await bus.ready();
    for (let n = 0; n < 5000; n++) await feed.publish(`price.${String(Math.imul(n, 7919) % 1000)}`, n);
    await until(() => seen.length === 5000, 'all messages');
    assert.deepEqual(
      seen,
      Array.from({ length: 5000 }, (_, n) => n),
    );
    assert.ok(packets.length < 500, `${String(packets.length)} packets`);
    assert.equal(
      packets.reduce((sum, { records }) => sum + records.length, 0),
      5000,
    );
    assert.deepEqual([bus.stats().gaps, bus.metrics().messages_received], [0, 5000]);
  });

  it('are signed and encrypted record by record, and large payloads travel in frames of their own', async (t) => {
    const { feed, address, packets } = await feedFor(t, { secured: true });
    const bus = subscriberFor(t, 'subscriber', address, { secured: true });
    const seen: unknown[] = [];
    bus.subscribe('a.>', ({ topic, body }) => void seen.push([topic, body]));
    await bus.ready();
    const bodies = Array.from({ length: 60 }, (_, n) => [
      `a.${String(n % 7)}`,
      n % 20 === 3 ? 'x'.repeat(9000) + String(n) : n,
    ]);
    for (const [topic, body] of bodies) void feed.publish(topic as string, body);
    await until(() => seen.length === 60 || bus.metrics().inbound_dropped > 0, 'all messages');
    assert.deepEqual(seen, bodies);
    assert.ok(
      packets.some((packet) => packet.frames().length > 1 && packet.records.length > 3),
      'a large one among others',
    );
  });

  it('count as unrouted, record by record, where nobody asks for them', async (t) => {
    const { feed, packets } = await feedFor(t);
    for (let n = 0; n < 30; n++) void feed.publish(`a.${String(n % 3)}`, n);
    await until(() => feed.stats().unrouted === 30, 'all to leave');
    assert.ok(packets.length < 30);
    assert.equal(feed.metrics().messages_sent, 30);
  });

  it('are made under order topic too, also of topics that take turns with others', async (t) => {
    const { feed, packets, address } = await feedFor(t, { order: 'topic' });
    const bus = subscriberFor(t, 'subscriber', address);
    const seen: number[] = [];
    for (const pattern of ['a.>', 'b.>']) bus.subscribe(pattern, ({ body }) => void seen.push(body as number));
    await bus.ready();
    for (let n = 0; n < 30; n++) void feed.publish(`${'ab'[n % 2]!}.${String(n % 3)}`, n);
    await until(() => seen.length === 30, 'all messages');
    for (const rest of [0, 1]) {
      const kind = seen.filter((n) => n % 2 === rest);
      assert.deepEqual(
        kind,
        [...kind.keys()].map((index) => 2 * index + rest),
        'each in the order of its calls',
      );
    }
    const feeds = packets.filter(({ records }) => records.some(({ control }) => control !== true));
    assert.ok(feeds.length < 5 && feeds.every(({ mixed }) => mixed !== undefined), String(feeds.length));
  });
});

const TOPICS = Array.from({ length: 40 }, (_, n) => `${'ab'[n % 2]!}.${String(n % 5)}.${String(n)}`);
const PATTERNS = ['>', 'a.>', 'b.*.*', 'a.0.>', 'b.1.1', 'a.0.0', 'a.2.12', 'b.3.>'];

/** Messages that publishers may be ahead of a subscriber, where they have to mind it. */
const LEAD = 500;

/** Follows one subscription: from its first message on it must see every one of each topic. */
class Follower {
  readonly faults: string[] = [];
  seen = 0;
  readonly #last = new Map<string, number>();

  take(topic: string, n: number): void {
    const last = this.#last.get(topic);
    if (last !== undefined && n !== last + 1) this.faults.push(`${topic}: ${String(n)} after ${String(last)}`);
    this.#last.set(topic, n);
    this.seen++;
  }
}

/** Publishes at full speed until told to stop, `mayGoOn` permitting; the body counts the messages of its topic. */
function publishing(feed: MessageBus, mayGoOn?: () => boolean): () => Promise<number[]> {
  const state = { isOver: false };
  const counts = TOPICS.map(() => 0);
  const done = (async () => {
    for (let n = 0; !state.isOver; n++) {
      const index = Math.imul(n, 2_654_435_761) >>> 9;
      await feed.publish(TOPICS[index % TOPICS.length]!, ++counts[index % TOPICS.length]!);
      if (n % 100 === 0 && mayGoOn !== undefined) await until(() => state.isOver || mayGoOn(), 'the leader to be near');
    }
    return counts;
  })();
  return () => {
    state.isOver = true;
    return done;
  };
}

describe('subscribers that come and go while many topics are published at full speed', () => {
  /** Patterns that begin and end on the same socket and on new ones. */
  async function churn(t: TestContext, address: string, rounds: number, publishers: number): Promise<Follower[]> {
    const followers: Follower[] = [];
    const follow = (bus: MessageBus, pattern: string) => {
      const follower = new Follower();
      followers.push(follower);
      // Nobody misses one after another of its own: several publishers count by themselves.
      return bus.subscribe(pattern, ({ topic, body, sender }) =>
        follower.take(`${sender ?? ''} ${topic}`, body as number),
      );
    };
    // Behind a forwarder a prefix that ends and begins anew travels as two messages, and what is published in between goes nowhere.
    const cover = subscriberFor(t, 'cover', address);
    cover.subscribe('>', () => undefined);
    const steady = subscriberFor(t, 'steady', address);
    follow(steady, 'a.>');
    await cover.ready({ publishers });
    await steady.ready({ publishers });
    for (let round = 0; round < rounds; round++) {
      const bus = subscriberFor(t, `round-${String(round)}`, address);
      const patterns = [0, 1, 2].map((n) => PATTERNS[(round * 3 + n) % PATTERNS.length]!);
      const first = patterns.map((pattern) => follow(bus, pattern));
      const firstFollowers = followers.slice(-3);
      // Now and then before anything is known to have arrived.
      if (round % 3 > 0) await bus.ready({ publishers });
      await until(() => firstFollowers.some(({ seen }) => seen > 20), 'some messages');
      await first[0]!.close();
      const again = follow(steady, patterns[0]!);
      const alone = follow(bus, patterns[0]!);
      const recent = followers.slice(-2);
      await until(() => recent.every(({ seen }) => seen > 20), 'some messages of the next');
      await again.close();
      await alone.close();
      await bus.close({ timeoutMs: 0 });
    }
    return followers;
  }

  const ORDERS = ['global', 'topic'] as const;
  for (const order of ORDERS) {
    it(`see no hole after their first message, and none twice, with order ${order}`, async (t) => {
      const { feed, packets, address } = await feedFor(t, { slowSubscribers: 'wait', order });
      const stop = publishing(feed);
      const followers = await churn(t, address, 9, 1);
      await stop();
      assert.deepEqual(
        followers.flatMap(({ faults }) => faults),
        [],
      );
      assert.ok(packets.some((packet) => (packet.mixed?.runs.length ?? 0) > 1));
    });
  }

  it('see none behind a forwarder with two publishers either', async (t) => {
    const forwarder = await waitingForwarder(t);
    const feeds = ['one', 'two'].map((name) =>
      busFor(t, name, { publish: true, endpoints: { publish: { connect: [forwarder.in] } }, slowSubscribers: 'wait' }),
    );
    for (const feed of feeds) await feed.ready();
    // Else the queues and the system's buffers on the way fill with tens of megabytes, behind which the answers to `ready()` stand in line.
    let seen = 0;
    const watch = subscriberFor(t, 'watch', forwarder.out);
    watch.subscribe('>', () => {
      seen++;
    });
    await watch.ready({ publishers: 2 });
    const isNear = () => feeds.reduce((sum, feed) => sum + feed.metrics().messages_sent, 0) - seen < LEAD;
    const stops = feeds.map((feed) => publishing(feed, isNear));
    const followers = await churn(t, forwarder.out, 6, 2);
    for (const stop of stops) await stop();
    assert.deepEqual(
      followers.flatMap(({ faults }) => faults),
      [],
    );
  });

  /** Each narrower pattern is new to the publisher; it begins in the moment in which the one that covered it so far ends. */
  async function narrow(t: TestContext, address: string): Promise<Follower[]> {
    const followers: Follower[] = [];
    for (const [round, pattern] of ['a.>', 'b.>', 'a.0.>', 'a.2.>', 'b.1.>', 'b.3.>', 'a.4.>', 'a.1.26'].entries()) {
      const bus = subscriberFor(t, `narrow-${String(round)}`, address);
      let covered = 0;
      const wide = bus.subscribe('>', () => {
        covered++;
      });
      await bus.ready();
      await until(() => covered > 20, 'some messages');
      const follower = new Follower();
      followers.push(follower);
      bus.subscribe(pattern, ({ topic, body }) => follower.take(topic, body as number));
      // Some that are the handler's come by the wide one.
      if (round % 2 === 1) await until(() => follower.seen > 0, 'the first message');
      await wide.close();
      const { seen } = follower;
      await until(() => follower.seen > seen + 50, 'messages of the narrow pattern');
      assert.equal(bus.stats().gaps, 0);
      await bus.close({ timeoutMs: 0 });
    }
    return followers;
  }

  it('lose nothing when a narrower pattern takes the place of one that covered it', async (t) => {
    const { feed, address } = await feedFor(t, { slowSubscribers: 'wait' });
    const stop = publishing(feed);
    const followers = await narrow(t, address);
    await stop();
    assert.deepEqual(
      followers.flatMap(({ faults }) => faults),
      [],
    );
  });

  it('lose nothing by that behind a forwarder either', async (t) => {
    const forwarder = await waitingForwarder(t);
    const endpoints = { publish: { connect: [forwarder.in] } };
    const feed = busFor(t, 'feed', { publish: true, endpoints, slowSubscribers: 'wait' });
    await feed.ready();
    const cover = subscriberFor(t, 'cover', forwarder.out);
    cover.subscribe('>', () => undefined);
    await cover.ready();
    const stop = publishing(feed);
    const followers = await narrow(t, forwarder.out);
    await stop();
    assert.deepEqual(
      followers.flatMap(({ faults }) => faults),
      [],
    );
  });

  it('miss nothing that is published after ready()', async (t) => {
    const { feed, address } = await feedFor(t, { slowSubscribers: 'wait' });
    const others = publishing(feed);
    for (let round = 0; round < 12; round++) {
      const bus = subscriberFor(t, `round-${String(round)}`, address);
      const pattern = round % 2 === 0 ? 'special.>' : `special.${String(round)}.*`;
      const seen: unknown[] = [];
      bus.subscribe(pattern, ({ body }) => void seen.push(body));
      bus.subscribe('a.>', () => undefined);
      await bus.ready();
      for (let n = 0; n < 20; n++) void feed.publish(`special.${String(round)}.${String(n % 4)}`, n);
      await until(() => seen.length === 20, `the messages of round ${String(round)}`);
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, n) => n),
      );
      if (round % 3 === 0) await bus.close({ timeoutMs: 0 });
    }
    await others();
  });
});
