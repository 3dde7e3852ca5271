import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Push, Reply } from 'zeromq';
import type { IncomingPacket } from '../../../src/core/transport.ts';
import { Sealer, textsOf } from '../conformance/packets.ts';
import { bounded, fill, Gate, handOver, isReady, offers, pause, until } from '../conformance/waiting.ts';
import { endsByItself } from './ends-by-itself.ts';
import { benchFor, SCHEMES, whenFree } from './subjects.ts';

const TOPIC = { topic: 'results' };
const message = (payload: string | Uint8Array) => ({ headers: TOPIC, payload });
const never = (): AbortSignal => new AbortController().signal;

for (const scheme of SCHEMES) {
  describe(`push and pull over ${scheme}`, () => {
    it('carries packets in order, with several records, headers and large payloads', async (t) => {
      const bench = benchFor(t, scheme);
      const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
      const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
      const sealer = new Sealer();
      const large = Buffer.alloc(100_000, 7);
      await handOver(push.link, sealer.seal(undefined, message('a'), message('b')));
      await handOver(push.link, sealer.seal(undefined, message(large), message('c')));
      for (let index = 0; index < 200; index++)
        await handOver(push.link, sealer.seal(undefined, message(String(index))));
      await until(
        () => pull.told.packets.length === 202,
        () => `202 packets, ${pull.told.packets.length} came`,
      );
      const numbers = Array.from({ length: 200 }, (_, index) => String(index));
      assert.deepEqual(pull.told.texts, ['a', 'b', large.toString(), 'c', ...numbers]);
      const [first] = pull.told.packets;
      assert.equal(first!.topic, undefined);
      assert.equal(first!.packet.epoch, sealer.epoch);
      assert.equal(first!.packet.records[0]!.headers.getText('topic'), 'results');
    });

    it('takes nothing while no puller is connected, and works when one comes', async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const push = await bench.pusher({ mode: 'connect', endpoint });
      const packet = new Sealer().seal(undefined, message('waited'));
      assert.deepEqual(
        await offers(push.link, packet, 20),
        Array.from({ length: 20 }, () => false),
      );
      assert.equal(push.told.connected, 0);
      const ready = push.link.ready(never());
      const pull = await bench.puller({ mode: 'bind', endpoint });
      await bounded(ready, 'the pusher to be ready');
      await handOver(push.link, packet);
      await until(
        () => pull.told.texts.length === 1,
        () => 'the packet',
      );
      await until(
        () => push.told.connected === 1 && pull.told.connected === 1,
        () => 'both sides to tell of a peer',
      );
    });

    it('answers false when the puller stands still, and loses nothing of what it took', async (t) => {
      const bench = benchFor(t, scheme);
      const gate = new Gate();
      let running = 0;
      let most = 0;
      const onPacket = async (): Promise<void> => {
        most = Math.max(most, ++running);
        await gate.opened;
        running--;
      };
      const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint(), hwmPackets: 10 }, onPacket);
      const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint, hwmPackets: 10 });
      await isReady((signal) => push.link.ready(signal), 'the pusher to be ready');
      const payload = Buffer.alloc(64 * 1024);
      const sealer = new Sealer();
      const taken = await fill(push.link, () => sealer.seal(undefined, message(payload)), 2000);
      assert.ok(taken >= 20, `took ${taken}`);
      // Both marks and the one in the hands of the receiver: inproc has no buffers in between.
      if (scheme === 'inproc') assert.ok(taken <= 21, `took ${taken}`);
      assert.equal(pull.told.packets.length, 1);
      gate.open();
      await until(
        () => pull.told.packets.length === taken,
        () => `${taken} packets, ${pull.told.packets.length} came`,
      );
      assert.equal(most, 1);
    });

    it('lets the puller come back twenty times to the same endpoint, without help', async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const push = await bench.pusher({ mode: 'connect', endpoint });
      const seen: string[] = [];
      const sealer = new Sealer();
      for (let round = 0; round < 20; round++) {
        const pull = await bench.puller({ mode: 'bind', endpoint });
        await handOver(push.link, sealer.seal(undefined, message(String(round))));
        await until(
          () => pull.told.texts.length === 1,
          () => `the packet of round ${round}`,
        );
        seen.push(...pull.told.texts);
        await bounded(pull.link.close(), 'the puller to close');
        // At most once: what is handed over before libzmq knows that the peer has gone is lost with the connection.
        while (await push.link.trySend(sealer.seal(undefined, message('into the void')), 0)) await pause();
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, round) => String(round)),
      );
      await until(
        () => push.told.disconnected === 20,
        () => `20 disconnects, got ${push.told.disconnected}`,
      );
      assert.equal(push.told.connected, 20);
    });

    it('delivers what it took when it is closed, once however often', async (t) => {
      const bench = benchFor(t, scheme);
      const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
      const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
      const sealer = new Sealer();
      for (let index = 0; index < 50; index++)
        await handOver(push.link, sealer.seal(undefined, message(String(index))));
      assert.equal(push.link.sockets, 1);
      const closed = push.link.close();
      assert.equal(push.link.close(), closed);
      await bounded(closed, 'the pusher to close');
      assert.equal(push.link.sockets, 0);
      await until(
        () => pull.told.texts.length === 50,
        () => `50 packets, ${pull.told.texts.length} came`,
      );
      assert.throws(() => push.link.trySend(sealer.seal(undefined, message('x')), 0), { code: 'CLOSED' });
      await assert.rejects(push.link.ready(never()), { code: 'CLOSED' });
    });

    it('ends ready() with the reason of its signal, or with CLOSED', async (t) => {
      const bench = benchFor(t, scheme);
      const { link } = await bench.pusher({ mode: 'connect', endpoint: await bench.reserve() });
      await assert.rejects(link.ready(AbortSignal.abort(new Error('enough'))), /enough/);
      const abort = new AbortController();
      const first = assert.rejects(link.ready(abort.signal), /later/);
      const second = assert.rejects(link.ready(never()), { code: 'CLOSED' });
      abort.abort(new Error('later'));
      await bounded(first, 'the signal to end ready()');
      await link.close();
      await bounded(second, 'close to end ready()');
    });
  });
}

describe('push and pull', () => {
  for (const scheme of ['tcp', 'ipc'] as const) {
    it(`comes back over ${scheme} from a peer of the wrong kind, which leaves libzmq deaf`, async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const wrong = new Reply({ linger: 0 });
      t.after(() => wrong.close());
      wrong.bindSync(endpoint);
      const push = await bench.pusher({ mode: 'connect', endpoint });
      const packet = new Sealer().seal(undefined, message('for a puller'));
      await until(
        () => push.told.facts.includes('reconnects'),
        () => 'the repair of the connection',
      );
      assert.equal(await push.link.trySend(packet, 0), false);
      wrong.close();
      const pull = await whenFree(() => bench.puller({ mode: 'bind', endpoint }));
      await handOver(push.link, packet);
      await until(
        () => pull.told.texts.length === 1,
        () => 'the packet',
      );
    });
  }

  it('refuses a frame over `maxMessageBytes`', async (t) => {
    const bench = benchFor(t, 'tcp', { maxMessageBytes: 131_072 });
    const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
    const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
    await isReady((signal) => push.link.ready(signal), 'the pusher to be ready');
    const sealer = new Sealer();
    await assert.rejects(async () => push.link.trySend(sealer.seal(undefined, message(Buffer.alloc(131_073))), 0), {
      code: 'MESSAGE_TOO_LARGE',
    });
    await handOver(push.link, sealer.seal(undefined, message(Buffer.alloc(131_072))));
    await until(
      () => pull.told.packets.length === 1,
      () => 'the one that is not too large',
    );
  });

  it('drops a peer that sends a larger message than it accepts, and serves the others', async (t) => {
    const bench = benchFor(t, 'tcp', { maxMessageBytes: 131_072 });
    const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
    const stranger = new Push({ linger: 0 });
    t.after(() => stranger.close());
    stranger.connect(pull.link.endpoint);
    await stranger.send(Buffer.alloc(200_000));
    const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
    await handOver(push.link, new Sealer().seal(undefined, message('mine')));
    await until(
      () => pull.told.texts.length === 1,
      () => 'the packet of the good peer',
    );
    assert.deepEqual(pull.told.texts, ['mine']);
  });

  it('ends the link when the receiver throws, and says so', async (t) => {
    const bench = benchFor(t, 'tcp', { tolerant: true });
    const onPacket = (_: IncomingPacket): void => {
      throw new Error('broken receiver');
    };
    const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() }, onPacket);
    const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
    await handOver(push.link, new Sealer().seal(undefined, message('x')));
    await until(
      () => pull.told.failures.length === 1,
      () => 'the failure',
    );
    assert.equal(pull.told.failures[0]!.code, 'TRANSPORT_FAILED');
    assert.deepEqual(pull.told.packets.flatMap(textsOf), ['x']);
  });

  it('lets the process end by itself once the links are closed', () =>
    endsByItself(`async (bench, endpoint) => {
      const pull = await bench.puller({ mode: 'bind', endpoint });
      const push = await bench.pusher({ mode: 'connect', endpoint: pull.link.endpoint });
      await push.link.ready(new AbortController().signal);
      await handOver(push.link, new Sealer().seal(undefined, 'task'));
      await until(() => pull.told.packets.length === 1, () => 'the packet');
      await bench.pusher({ mode: 'connect', endpoint: 'tcp://127.0.0.1:1' });
    }`));
});
