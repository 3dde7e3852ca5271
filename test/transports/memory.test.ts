import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Clock } from '../../src/core/clock.ts';
import { memory, memoryHub } from '../../src/transports/memory.ts';
import type { MemoryOptions } from '../../src/transports/memory.ts';
import { conformance } from './conformance.ts';
import { Bench } from './conformance/bench.ts';
import { Sealer } from './conformance/packets.ts';
import { bounded, fill, Gate, handOver, isReady, offers, until } from './conformance/waiting.ts';

let names = 0;
const freshName = () => `memory://endpoint-${names++}`;

conformance('memory', () => ({ transport: memory(), endpoint: freshName }));
conformance('memory under endpoints of ZeroMQ', () => ({ transport: memory(), endpoint: () => 'tcp://127.0.0.1:*' }));

function benchFor(t: TestContext, options: MemoryOptions = {}): Bench {
  const bench = new Bench({ transport: memory(options), endpoint: freshName });
  t.after(async () => {
    assert.deepEqual(await bench.close(), []);
  });
  return bench;
}

describe('memory', () => {
  it('reaches another transport on the same hub, and nobody on another', async (t) => {
    const hub = memoryHub();
    const pusher = await benchFor(t, { hub }).pusher({ endpoint: 'memory://shared' });
    const stranger = await benchFor(t).puller({ endpoint: 'memory://shared' });
    const sealer = new Sealer();
    assert.deepEqual(await offers(pusher.link, sealer.seal(undefined, 'refused'), 5), Array(5).fill(false));
    const puller = await benchFor(t, { hub }).puller({ endpoint: 'memory://shared' });
    assert.equal(await pusher.link.trySend(sealer.seal(undefined, 'accepted'), 0), true);
    await until(() => puller.told.texts.length === 1, 'the packet');
    assert.deepEqual([stranger.told.texts, stranger.told.connected], [[], 0]);
  });

  it('refuses a hub that is none', () => {
    for (const hub of [{}, null, 'memory://name']) {
      assert.throws(
        () => memory({ hub: hub as never }),
        /^TypeError: Expected `hub` to be made by memoryHub\(\), got /,
      );
    }
  });

  it('leaves nothing on the hub when its links have closed', async (t) => {
    const hub = memoryHub();
    const bench = benchFor(t, { hub });
    const { link } = await bench.publisher({ endpoint: 'memory://a' });
    await bench.subscriber({ endpoint: 'memory://a', patterns: ['a'] });
    await bench.puller({ mode: 'bind', endpoint: 'memory://b' });
    assert.deepEqual(hub.endpoints, ['memory://a', 'memory://b']);
    await link.close();
    assert.deepEqual(hub.endpoints, ['memory://b']);
    await bench.close();
    assert.deepEqual(hub.endpoints, []);
  });

  it('gives each binding wildcard a name of its own, and does not connect to one', async (t) => {
    const bench = benchFor(t);
    const endpoints: string[] = [];
    for (const endpoint of ['tcp://127.0.0.1:*', 'tcp://127.0.0.1:*', 'memory://*']) {
      endpoints.push((await bench.pusher({ endpoint })).link.endpoint);
    }
    assert.equal(new Set(endpoints).size, 3);
    for (const endpoint of endpoints) assert.match(endpoint, /^(tcp:\/\/127[.]0[.]0[.]1:|memory:\/\/)\d{5}$/);
    await assert.rejects(bench.puller({ endpoint: 'tcp://127.0.0.1:*' }), {
      code: 'TRANSPORT_FAILED',
      retryable: false,
    });
  });

  it('passes copies, also of large payloads', async (t) => {
    const bench = benchFor(t);
    const pusher = await bench.pusher();
    const puller = await bench.puller({ endpoint: pusher.link.endpoint });
    const payload = Buffer.alloc(100_000, 'a');
    assert.equal(await pusher.link.trySend(new Sealer().seal(undefined, { payload }), 0), true);
    payload.fill('b');
    await until(() => puller.told.texts.length === 1, 'the packet');
    assert.equal(puller.told.texts[0], 'a'.repeat(100_000));
  });

  it('delivers on a later turn and lets the event loop turn between batches', async (t) => {
    const bench = benchFor(t);
    const pusher = await bench.pusher({ hwmPackets: 2000 });
    let turns = 0;
    const turnsAt: number[] = [];
    const puller = await bench.puller({ endpoint: pusher.link.endpoint }, () => {
      turnsAt.push(turns);
    });
    const sealer = new Sealer();
    for (let index = 0; index < 2000; index++) {
      assert.equal(await pusher.link.trySend(sealer.seal(undefined, 'task'), 0), true);
    }
    assert.equal(puller.told.packets.length, 0, 'nothing was delivered within the turn');
    while (turnsAt.length < 2000) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
      assert.ok(turns < 100, 'too many turns');
    }
    assert.ok(new Set(turnsAt).size >= 7, `2,000 packets took ${new Set(turnsAt).size} turns`);
  });

  it('counts a failed handshake where a link meets one that is not its counterpart', async (t) => {
    const bench = benchFor(t);
    const { link } = await bench.publisher();
    const puller = await bench.puller({ endpoint: link.endpoint });
    await until(() => puller.told.facts.length > 0, 'the fact');
    assert.deepEqual([puller.told.facts, puller.told.connected], [['handshakeFailures'], 0]);
  });

  it('counts a reconnect when the binding side has come back', async (t) => {
    const bench = benchFor(t);
    const endpoint = freshName();
    const first = await bench.pusher({ endpoint });
    const { told } = await bench.puller({ endpoint });
    await first.link.close();
    await bench.pusher({ endpoint });
    await until(() => told.connected === 2 && told.facts.length > 0, 'the second connection');
    assert.deepEqual([told.facts, told.disconnected], [['reconnects'], 1]);
  });

  it('reports a receiver that throws or rejects as a failure of the link, once, and delivers no more to it', async (t) => {
    const boom = new Error('boom');
    const receivers = [
      () => {
        throw boom;
      },
      () => Promise.reject(boom),
    ];
    for (const onPacket of receivers) {
      const bench = benchFor(t);
      const pusher = await bench.pusher();
      const { told } = await bench.puller({ endpoint: pusher.link.endpoint }, onPacket);
      for (const text of ['one', 'two']) await handOver(pusher.link, new Sealer().seal(undefined, text));
      await until(() => told.failures.length > 0, 'onFailure');
      const [failure, ...more] = told.failures.splice(0);
      assert.ok(failure instanceof BusError);
      assert.deepEqual(
        [failure.code, failure.cause, failure.endpoint],
        ['TRANSPORT_FAILED', boom, pusher.link.endpoint],
      );
      assert.deepEqual([more, told.texts], [[], ['one']]);
    }
  });

  it('closes at the end of the linger time of its clock, and what was not read by then is lost', async (t) => {
    const timers: { run: () => void; ms: number }[] = [];
    const clock: Clock = {
      ...systemClock,
      setTimeout: (run, ms) => timers.push({ run, ms }),
      clearTimeout: (timer) => timers.splice(Number(timer) - 1, 1),
    };
    const bench = benchFor(t);
    const pusher = await bench.pusher({ hwmPackets: 5, closeLingerMs: 777, clock });
    const gate = new Gate();
    const puller = await bench.puller({ endpoint: pusher.link.endpoint }, () => gate.opened);
    const accepted = await fill(pusher.link, (index) => new Sealer().seal(undefined, String(index)), 100);
    assert.equal(accepted, 6, 'five in the queue and one at the receiver');
    let closed = false;
    const closing = pusher.link.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([closed, timers.map(({ ms }) => ms)], [false, [777]]);
    timers[0]?.run();
    await bounded(closing, 'close');
    gate.open();
    await until(() => puller.told.disconnected === 1, 'the puller to see it go');
    assert.deepEqual(puller.told.texts, ['0']);
  });

  it('does not pass the async context of a sender to its receivers', async (t) => {
    const storage = new AsyncLocalStorage<string>();
    const bench = benchFor(t);
    const pusher = await bench.pusher();
    const seen: (string | undefined)[] = [];
    await bench.puller({ endpoint: pusher.link.endpoint }, () => {
      seen.push(storage.getStore());
    });
    await storage.run('of the sender', () => handOver(pusher.link, new Sealer().seal(undefined, 'task')));
    await until(() => seen.length === 1, 'the packet');
    assert.deepEqual(seen, [undefined]);
  });

  it('gives a subscriber that was left behind nothing until half of its queue is free', async (t) => {
    const bench = benchFor(t);
    const publisher = await bench.publisher({ slowSubscribers: 'leave-behind', patienceMs: 50, hwmPackets: 4 });
    const gates = [new Gate()];
    const { told } = await bench.subscriber({
      endpoint: publisher.link.endpoint,
      patterns: ['a'],
      onPacket: () => gates.at(-1)?.opened,
    });
    const packet = (text: string) => publisher.sealer.seal('a', text);
    assert.equal(await fill(publisher.link, (index) => packet(String(index)), 20), 5);
    assert.equal(await publisher.link.trySend(packet('missed'), 49), false);
    assert.equal(await publisher.link.trySend(packet('missed'), 50), true);
    const readOne = async () => {
      const seen = told.texts.length;
      const gate = gates.at(-1);
      gates.push(new Gate());
      gate?.open();
      await until(() => told.texts.length === seen + 1, 'one packet');
    };
    await readOne();
    assert.equal(await publisher.link.trySend(packet('missed with three in the queue'), 0), true);
    await readOne();
    assert.equal(await publisher.link.trySend(packet('back with two'), 0), true);
    while (told.texts.length < 6) await readOne();
    assert.deepEqual(told.texts, ['0', '1', '2', '3', '4', 'back with two']);
    assert.deepEqual(publisher.told.facts, ['subscribersLeftBehind']);
  });

  it('gives reserved topics to those alone that name them', async (t) => {
    const bench = benchFor(t);
    const publisher = await bench.publisher();
    const { endpoint } = publisher.link;
    const everything = await bench.subscriber({ endpoint, patterns: ['>', '*.own'] });
    const named = await bench.subscriber({ endpoint, patterns: ['_tb.own'] });
    const below = await bench.subscriber({ endpoint, patterns: ['_tb.>'] });
    for (const topic of ['_tb.own', 'end']) await publisher.publish(topic, topic);
    await until(() => everything.told.packets.length > 0, 'the last packet');
    const topics = [everything, named, below].map(({ told }) => told.packets.map(({ topic }) => topic));
    assert.deepEqual(topics, [['end'], ['_tb.own'], ['_tb.own']]);
  });

  it('tells nothing once close was called, also what had happened before', async (t) => {
    const bench = benchFor(t);
    const pusher = await bench.pusher();
    const puller = await bench.puller({ endpoint: pusher.link.endpoint });
    await pusher.link.trySend(new Sealer().seal(undefined, 'too late'), 0);
    await Promise.all([puller.link.close(), pusher.link.close()]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([puller.told.total, pusher.told.total], [0, 0]);
  });

  it('hands over no reply to a closing requester whose last requests are still being read', async (t) => {
    const bench = benchFor(t);
    const gate = new Gate();
    const sealer = new Sealer();
    const request = () => sealer.seal(undefined, { kind: 'request', payload: 'request' });
    const { link } = await bench.responder({}, (_, peer) => {
      void peer.trySend(sealer.seal(undefined, { kind: 'reply', payload: 'reply' }), 0);
    });
    const requester = await bench.requester({ endpoint: link.endpoint, hwmPackets: 600 }, () => gate.opened);
    await handOver(requester.link, request());
    await until(() => requester.told.texts.length === 1, 'the first reply');
    // More than are read in one turn: the first are answered while the last still wait.
    for (let index = 0; index < 600; index++) await handOver(requester.link, request());
    const closing = requester.link.close();
    gate.open();
    await bounded(closing, 'close');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(requester.told.texts, ['reply']);
  });

  it('gives a closing link no new peers', async (t) => {
    const bench = benchFor(t);
    const pusher = await bench.pusher({ hwmPackets: 2 });
    const { endpoint } = pusher.link;
    const gate = new Gate();
    const puller = await bench.puller({ endpoint }, () => gate.opened);
    await fill(pusher.link, () => new Sealer().seal(undefined, 'task'), 10);
    const closing = pusher.link.close();
    const late = await bench.puller({ endpoint });
    await assert.rejects(bench.pusher({ endpoint }), { code: 'BIND_FAILED' });
    gate.open();
    await bounded(closing, 'close');
    await until(() => puller.told.disconnected === 1, 'the puller to see it go');
    assert.deepEqual([puller.told.texts.length, late.told.total], [3, 0]);
    await bench.pusher({ endpoint });
    await until(() => late.told.connected === 1, 'the next owner of the endpoint');
  });

  it('waits for a publisher before a connecting one is ready, and for no peer where it binds', async (t) => {
    const bench = benchFor(t);
    const bound = await bench.publisher();
    await isReady((signal) => bound.link.ready(signal), 'a bound publisher');
    const connecting = await bench.publisher({ mode: 'connect', endpoint: freshName() });
    const reason = new Error('no forwarder');
    await assert.rejects(connecting.link.ready(AbortSignal.abort(reason)), reason);
  });
});
