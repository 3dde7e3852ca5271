import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Pull, Subscriber, XPublisher } from 'zeromq';
import { decodePacket } from '../../../src/core/packet.ts';
import { sharedContext } from '../../../src/transports/zeromq/context.ts';
import { startForwarder } from '../../../src/transports/zeromq/index.ts';
import type { Forwarder, ForwarderOptions } from '../../../src/transports/zeromq/index.ts';
import { ManualClock } from '../../middleware/manual-clock.ts';
import { accounting, textsOf } from '../conformance/packets.ts';
import { bounded, fill, Gate, isReady, until } from '../conformance/waiting.ts';
import { bindRaw, rawSocket } from './link-spec.ts';
import { benchFor, SCHEMES } from './subjects.ts';
import type { Scheme, SchemeBench } from './subjects.ts';

/** A forwarder on two free endpoints, closed when the test ends. */
async function forwarderFor(
  t: TestContext,
  bench: SchemeBench,
  options: Partial<ForwarderOptions> = {},
): Promise<Forwarder> {
  // Heartbeats would be counted as packets.
  const quiet = { in: bench.endpoint(), out: bench.endpoint(), heartbeatMs: 3_600_000 };
  const forwarder = await startForwarder({ ...quiet, ...options });
  t.after(() => bounded(forwarder.close(), 'close of the forwarder'));
  return forwarder;
}

/** Two publishers behind a forwarder. */
async function scene(t: TestContext, scheme: Scheme, options: Partial<ForwarderOptions> = {}) {
  const bench = benchFor(t, scheme);
  const forwarder = await forwarderFor(t, bench, options);
  const connect = () => bench.publisher({ endpoint: forwarder.in, mode: 'connect' });
  const publishers = [await connect(), await connect()] as const;
  for (const { link } of publishers) await isReady((signal) => link.ready(signal), 'a publisher to connect');
  return { bench, forwarder, publishers, endpoint: forwarder.out };
}

for (const scheme of SCHEMES) {
  describe(`the forwarder over ${scheme}`, () => {
    it('brings the packets of several publishers to several subscribers, each in order, nothing lost after ready', async (t) => {
      const { bench, publishers, endpoint } = await scene(t, scheme);
      const subscribers = [
        await bench.subscriber({ endpoint, patterns: ['a'], ready: false }),
        await bench.subscriber({ endpoint, patterns: ['>'], ready: false }),
      ];
      for (const { link } of subscribers) {
        await isReady((signal) => link.ready({ signal, publishers: 2 }), 'both publishers');
      }
      const expected: string[][] = [[], []];
      for (let index = 0; index < 500; index += 1) {
        for (const [number, publisher] of publishers.entries()) {
          const text = `${String(number)}: ${String(index)}`;
          expected[number]!.push(text);
          await publisher.publish('a', text);
        }
        await publishers[0].publish('ab', 'only for the second');
      }
      const all = expected.flat();
      await until(() => subscribers[0]!.told.packets.length >= 1000, 'all at the first');
      await until(() => subscribers[1]!.told.packets.length >= 1500, 'all at the second');
      const [first, second] = subscribers.map(({ told }) => told.packets.filter(({ topic }) => topic === 'a'));
      for (const packets of [first!, second!]) {
        const texts = packets.flatMap(textsOf);
        assert.deepEqual(accounting(all, texts), { accepted: 1000, seen: 1000, lost: 0, duplicated: 0, unexpected: 0 });
        for (const [number, list] of expected.entries()) {
          assert.deepEqual(
            texts.filter((text) => text.startsWith(`${String(number)}:`)),
            list,
          );
        }
      }
      assert.equal(subscribers[0]!.told.packets.length, 1000, 'the first asked for `a` alone');
    });

    it('ready works with subscribers before publishers, and 3,000 subscriptions', async (t) => {
      const bench = benchFor(t, scheme);
      const forwarder = await forwarderFor(t, bench);
      const topics = Array.from({ length: 3000 }, (_, index) => `topic.${String(index)}`);
      const { link, told } = await bench.subscriber({ endpoint: forwarder.out, patterns: topics, ready: false });
      const ready = isReady((signal) => link.ready({ signal, publishers: 1 }), 'the publisher');
      const publisher = await bench.publisher({ endpoint: forwarder.in, mode: 'connect' });
      await ready;
      for (const topic of topics) await publisher.publish(topic, topic);
      await until(() => told.texts.length >= 3000, 'all of them');
      assert.deepEqual(told.texts, topics);
    });
  });
}

describe('the forwarder', () => {
  it('tells publishers of each prefix once, and of its end when the last subscriber has left', async (t) => {
    const bench = benchFor(t, 'tcp');
    const forwarder = await forwarderFor(t, bench);
    const pub = rawSocket(t, new XPublisher({ linger: 0, verbosity: 'allSubsUnsubs' }));
    pub.connect(forwarder.in);
    const subscribe = (...prefixes: string[]): Subscriber => {
      const sub = rawSocket(t, new Subscriber());
      sub.connect(forwarder.out);
      sub.subscribe(...prefixes);
      return sub;
    };
    const next = async (): Promise<string> => String((await bounded(pub.receive(), 'a subscription'))[0]);
    const first = subscribe('a');
    assert.equal(await next(), '\u0001a');
    const second = subscribe('a', 'b');
    assert.equal(await next(), '\u0001b');
    first.close();
    second.unsubscribe('b');
    assert.equal(await next(), '\u0000b', 'and nothing before it: `a` is still asked for');
    second.close();
    assert.equal(await next(), '\u0000a');
  });

  it('sends heartbeats that name no stream, at its interval, which they tell', async (t) => {
    const clock = new ManualClock();
    const forwarder = await forwarderFor(t, benchFor(t, 'tcp'), { clock, heartbeatMs: 700 });
    const sub = rawSocket(t, new Subscriber());
    sub.connect(forwarder.out);
    sub.subscribe('_tb.heartbeat\0');
    const beats: { id: string; ms: number; streams: unknown[] }[] = [];
    const receiving = (async () => {
      for (;;) {
        const [topic, ...frames] = await sub.receive();
        assert.equal(String(topic), '_tb.heartbeat\0');
        const [record] = decodePacket(frames).records;
        assert.equal(record!.kind, 6);
        beats.push(JSON.parse(record!.payload.toString()) as (typeof beats)[number]);
      }
    })().catch(() => undefined);
    clock.advance(699);
    // The first ones may leave before the subscription is there.
    await until(() => {
      clock.advance(700);
      return beats.length >= 3;
    }, 'three heartbeats');
    assert.ok(clock.waits.every((ms) => ms === 700));
    assert.equal(new Set(beats.map(({ id }) => id)).size, 1);
    assert.ok(beats.every(({ ms, streams }) => ms === 700 && streams.length === 0));
    sub.close();
    await receiving;
  });

  it('leaves a stuck subscriber behind, and a healthy one beside it loses nothing', async (t) => {
    const facts: string[] = [];
    const options = { patienceMs: 60, hwmPackets: 64, onFact: (fact: string) => facts.push(fact) };
    const { bench, publishers, endpoint } = await scene(t, 'tcp', options);
    const gate = new Gate();
    await bench.subscriber({ endpoint, patterns: ['a'], hwmPackets: 4, onPacket: () => gate.opened });
    const healthy = await bench.subscriber({ endpoint, patterns: ['a'] });
    const filling = 'x'.repeat(32_768);
    const sent = Array.from({ length: 1500 }, (_, index) => `${String(index)} ${filling}`);
    for (const [index, text] of sent.entries()) {
      await publishers[0].publish('a', text);
      // Not further ahead than its own queues: who lags more than those is not healthy.
      await until(() => healthy.told.packets.length > index - 100, 'the healthy one to keep up');
    }
    await until(() => healthy.told.packets.length >= sent.length, 'all of them');
    assert.deepEqual(healthy.told.texts, sent);
    assert.ok(facts.includes('subscribersLeftBehind'));
    gate.open();
  });

  it('wait: a subscriber that stands still stops the publishers, and gets everything later', async (t) => {
    const { bench, publishers, endpoint } = await scene(t, 'tcp', { slowSubscribers: 'wait', hwmPackets: 8 });
    const gate = new Gate();
    const { told } = await bench.subscriber({ endpoint, patterns: ['a'], hwmPackets: 8, onPacket: () => gate.opened });
    const { link, sealer } = publishers[0];
    const filling = 'x'.repeat(32_768);
    const taken = await fill(link, (index) => sealer.seal('a', `${String(index)} ${filling}`), 3000);
    gate.open();
    await until(() => told.packets.length >= taken, 'everything that was taken');
    assert.deepEqual(
      told.texts.map((text) => text.slice(0, text.indexOf(' '))),
      Array.from({ length: taken }, (_, index) => String(index)),
    );
  });

  it('names the taken endpoint and leaves nothing open', async (t) => {
    const bench = benchFor(t, 'tcp');
    const taken = rawSocket(t, new Pull());
    taken.bindSync('tcp://127.0.0.1:*');
    const out = taken.lastEndpoint!;
    const inside = await bench.reserve();
    await assert.rejects(startForwarder({ in: inside, out }), (error: Error) => {
      assert.match(error.message, /^BIND_FAILED: The port is in use/);
      assert.ok(error.message.includes(out));
      return true;
    });
    const heir = rawSocket(t, new Pull());
    heir.bindSync(inside);
    await assert.rejects(startForwarder({ in: out, out: inside }), { code: 'BIND_FAILED' });
  });

  it('closes once, frees both endpoints, and the close may be repeated', async (t) => {
    const bench = benchFor(t, 'tcp');
    const forwarder = await startForwarder({ in: bench.endpoint(), out: bench.endpoint(), closeLingerMs: 0 });
    await bounded(Promise.all([forwarder.close(), forwarder.close()]), 'close');
    await bounded(forwarder.close(), 'a third one');
    for (const endpoint of [forwarder.in, forwarder.out]) await bindRaw(rawSocket(t, new Pull()), endpoint);
  });

  it('takes the options of the sockets, for instance the Context', async (t) => {
    const options = {
      zeromq: { context: sharedContext() },
      in: 'inproc://one-context',
      out: 'inproc://one-context-out',
    };
    const forwarder = await startForwarder(options);
    t.after(() => forwarder.close());
    const sub = rawSocket(t, new Subscriber({ context: sharedContext(), linger: 0 }));
    sub.connect(forwarder.out);
    const pub = rawSocket(t, new XPublisher({ context: sharedContext(), linger: 0 }));
    pub.connect(forwarder.in);
    sub.subscribe('a');
    assert.equal(String((await bounded(pub.receive(), 'the subscription'))[0]), '\u0001a');
  });

  it('refuses wrong options', async () => {
    const both = { in: 'tcp://127.0.0.1:*', out: 'tcp://127.0.0.1:*' };
    const bad: readonly Partial<ForwarderOptions>[] = [
      { in: 'tcp://127.0.0.1' },
      { out: '5565' },
      { patienceMs: -1 },
      { patienceRecoveryMs: 0.5 },
      { hwmPackets: 0 },
      { heartbeatMs: 0 },
      { closeLingerMs: Number.NaN },
      { zeromq: { reconnectMs: 0 } },
    ];
    for (const options of bad) await assert.rejects(startForwarder({ ...both, ...options }), RangeError);
    const policy = { slowSubscribers: 'never' } as unknown as ForwarderOptions;
    await assert.rejects(startForwarder({ ...both, ...policy }), {
      name: 'TypeError',
      message: "Expected `slowSubscribers` to be 'leave-behind' or 'wait' or 'drop', got \"never\"",
    });
  });
});
