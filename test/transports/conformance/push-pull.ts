/** Conformance: push and pull. */
import assert from 'node:assert/strict';
import type { Conforms } from './bench.ts';
import type { TransportFeatures } from '../../../src/core/transport.ts';
import { accounting, GarbagePacket, Sealer } from './packets.ts';
import { fill, Gate, handOver, isReady, offers, until } from './waiting.ts';

export function pushPull(conforms: Conforms, features: TransportFeatures): void {
  conforms('trySend answers false while nobody pulls, and what was refused never arrives', async (bench) => {
    const endpoint = await bench.reserve();
    const sealer = new Sealer();
    const binding = await bench.pusher({ endpoint });
    const connecting = await bench.pusher({ mode: 'connect', endpoint: await bench.reserve() });
    for (const { link } of [binding, connecting]) {
      assert.deepEqual(await offers(link, sealer.seal(undefined, 'refused'), 50), Array(50).fill(false));
    }
    const puller = await bench.puller({ endpoint });
    await handOver(binding.link, sealer.seal(undefined, 'accepted'));
    await until(() => puller.told.texts.length > 0, 'the accepted packet');
    assert.deepEqual(puller.told.texts, ['accepted']);
  });

  conforms('pushes are dealt among the pullers; nothing is lost or duplicated', async (bench) => {
    const pusher = await bench.pusher();
    const { endpoint } = pusher.link;
    const sealer = new Sealer();
    const pullers = [
      await bench.puller({ endpoint }),
      await bench.puller({ endpoint }),
      await bench.puller({ endpoint }),
    ];
    for (const { link } of pullers)
      await isReady((signal) => link.ready({ signal, publishers: 1 }), 'a puller to connect');
    const accepted: string[] = [];
    const seen = () => pullers.flatMap(({ told }) => told.texts);
    while (accepted.length < 1000 || pullers.some(({ told }) => told.texts.length === 0)) {
      const text = `task ${accepted.length}`;
      await handOver(pusher.link, sealer.seal(undefined, text));
      accepted.push(text);
      assert.ok(accepted.length < 3000, 'one of the pullers got nothing');
      // No queue ever fills, so that nobody gets anything because another is full.
      await until(() => seen().length > accepted.length - 16, 'the pullers to keep up');
    }
    await until(
      () => seen().length >= accepted.length,
      () => `${accepted.length} packets, got ${seen().length}`,
    );
    assert.deepEqual(accounting(accepted, seen()), {
      accepted: accepted.length,
      seen: accepted.length,
      lost: 0,
      duplicated: 0,
      unexpected: 0,
    });
  });

  conforms('a puller that binds gets the packets of two pushers, each in the order of the hand-over', async (bench) => {
    const puller = await bench.puller({ mode: 'bind', endpoint: await bench.reserve() });
    const connect = () => bench.pusher({ mode: 'connect', endpoint: puller.link.endpoint });
    const pushers = [await connect(), await connect()];
    const sealer = new Sealer();
    for (const { link } of pushers) await isReady((signal) => link.ready(signal), 'a pusher to connect');
    await isReady((signal) => puller.link.ready({ signal, publishers: 1 }), 'the puller to have a peer');
    for (let index = 0; index < 500; index++) {
      for (const [number, { link }] of pushers.entries()) {
        await handOver(link, sealer.seal(undefined, `${number}: ${index}`));
      }
    }
    await until(
      () => puller.told.texts.length >= 1000,
      () => `1000 packets, got ${puller.told.texts.length}`,
    );
    for (const number of [0, 1]) {
      const ofOne = puller.told.texts.filter((text) => text.startsWith(`${number}:`));
      assert.deepEqual(
        ofOne,
        Array.from({ length: 500 }, (_, index) => `${number}: ${index}`),
      );
    }
  });

  conforms(
    'a puller that stands still gets a bounded number, trySend answers false, and all of it arrives later',
    async (bench) => {
      const pusher = await bench.pusher({ hwmPackets: 16 });
      const gate = new Gate();
      const puller = await bench.puller({ endpoint: pusher.link.endpoint, hwmPackets: 16 }, () => gate.opened);
      await isReady((signal) => pusher.link.ready(signal), 'the puller to connect');
      const sealer = new Sealer();
      const filling = 'x'.repeat(64 * 1024);
      const accepted = await fill(pusher.link, (index) => sealer.seal(undefined, `${index} ${filling}`), 2000);
      assert.ok(accepted >= 16, `its own queue at least: ${accepted}`);
      assert.equal(puller.told.packets.length, 1, 'the receiver was given one packet and no more');
      gate.open();
      await until(
        () => puller.told.packets.length >= accepted,
        () => `${accepted}, got ${puller.told.packets.length}`,
      );
      assert.deepEqual(
        puller.told.texts.map((text) => Number(text.slice(0, text.indexOf(' ')))),
        Array.from({ length: accepted }, (_, index) => index),
      );
    },
  );

  conforms('when the last puller has gone, trySend answers false again', async (bench) => {
    const pusher = await bench.pusher();
    const puller = await bench.puller({ endpoint: pusher.link.endpoint });
    const sealer = new Sealer();
    await handOver(pusher.link, sealer.seal(undefined, 'one'));
    await until(() => puller.told.texts.length === 1, 'the packet');
    await puller.link.close();
    // It may take a moment until the pusher knows; then it stays false.
    await fill(pusher.link, () => sealer.seal(undefined, 'into the void'), 50_000);
    assert.deepEqual(await offers(pusher.link, sealer.seal(undefined, 'refused'), 50), Array(50).fill(false));
  });

  conforms('a pusher may connect before the puller binds, and comes back after it restarts', async (bench) => {
    const endpoint = await bench.reserve();
    const pusher = await bench.pusher({ mode: 'connect', endpoint });
    const sealer = new Sealer();
    for (const life of ['first', 'second', 'third']) {
      const puller = await bench.puller({ mode: 'bind', endpoint });
      // At most once: what is handed over while the old peer is still believed in is lost, so push until one arrives.
      await until(() => {
        void pusher.link.trySend(sealer.seal(undefined, life), 0);
        return puller.told.texts.includes(life);
      }, `a packet in the ${life} life`);
      await puller.link.close();
    }
  });

  conforms(
    'Sender.ready resolves when a puller is connected and rejects with the reason of its signal before',
    async (bench) => {
      const pusher = await bench.pusher();
      const reason = new Error('no longer interested');
      await assert.rejects(pusher.link.ready(AbortSignal.abort(reason)), reason);
      const abort = new AbortController();
      const early = pusher.link.ready(abort.signal);
      setImmediate(() => abort.abort(reason));
      await assert.rejects(early, reason);
      const puller = await bench.puller({ endpoint: pusher.link.endpoint });
      await isReady((signal) => pusher.link.ready(signal), 'the pusher to be ready');
      await isReady((signal) => puller.link.ready({ signal, publishers: 1 }), 'the puller to be ready');
      assert.equal(await pusher.link.trySend(new Sealer().seal(undefined, 'at once'), 0), true);
      await until(() => puller.told.texts.length > 0, 'the packet');
    },
  );

  conforms('large payloads arrive intact, several in one packet with small ones between', async (bench) => {
    const pusher = await bench.pusher();
    const puller = await bench.puller({ endpoint: pusher.link.endpoint });
    const megabytes = [1, 2, 3].map((seed) => Buffer.alloc(1024 * 1024, `${seed} and so on, `));
    const payloads = [
      Buffer.from('small'),
      megabytes[0]!,
      Buffer.alloc(0),
      megabytes[1]!,
      megabytes[2]!,
      Buffer.from('end'),
    ];
    const copies = payloads.map((payload) => Buffer.from(payload));
    await handOver(pusher.link, new Sealer().seal(undefined, ...payloads.map((payload) => ({ payload }))));
    await until(() => puller.told.packets.length > 0, 'the packet');
    const arrived = puller.told.packets[0]!.packet.records.map((record) => record.payload);
    assert.deepEqual(
      arrived.map((payload) => payload.length),
      copies.map((payload) => payload.length),
    );
    for (const [index, copy] of copies.entries()) assert.ok(copy.equals(arrived[index]!), `payload ${index} is intact`);
  });

  conforms('a small payload may be reused once the packet was taken: it was copied', async (bench) => {
    const pusher = await bench.pusher();
    const puller = await bench.puller({ endpoint: pusher.link.endpoint });
    const sealer = new Sealer();
    const scratch = Buffer.alloc(2000);
    for (let index = 0; index < 50; index++) {
      scratch.fill(String(index % 10));
      await handOver(pusher.link, sealer.seal(undefined, { payload: scratch }));
    }
    scratch.fill('x');
    await until(() => puller.told.packets.length >= 50, 'the packets');
    assert.deepEqual(
      puller.told.texts,
      Array.from({ length: 50 }, (_, index) => String(index % 10).repeat(2000)),
    );
  });

  if (features.wire === 'native') {
    conforms('malformed input reaches onMalformed and never stops the link', async (bench) => {
      const pusher = await bench.pusher();
      const puller = await bench.puller({ endpoint: pusher.link.endpoint });
      const publisher = await bench.publisher();
      const subscriber = await bench.subscriber({ endpoint: publisher.link.endpoint, patterns: ['a'] });
      const sealer = new Sealer();
      for (const text of ['one', 'two']) {
        await handOver(pusher.link, new GarbagePacket());
        await handOver(pusher.link, sealer.seal(undefined, text));
        await publisher.offer(new GarbagePacket('a'));
        await publisher.publish('a', text);
      }
      for (const { told } of [puller, subscriber]) {
        await until(() => told.texts.includes('two'), 'the packet after the malformed ones');
        assert.deepEqual(told.texts, ['one', 'two']);
        assert.deepEqual(
          told.malformed.splice(0).map(({ reason }) => reason),
          ['magic', 'magic'],
        );
      }
    });
  }

  if (features.peerEvents) {
    conforms('both sides are told when a peer connects and disconnects', async (bench) => {
      const pusher = await bench.pusher();
      assert.deepEqual([pusher.told.connected, pusher.told.disconnected], [0, 0]);
      const puller = await bench.puller({ endpoint: pusher.link.endpoint });
      await until(() => pusher.told.connected === 1 && puller.told.connected === 1, 'both to connect');
      assert.deepEqual([pusher.told.disconnected, puller.told.disconnected], [0, 0]);
      await puller.link.close();
      await until(() => pusher.told.disconnected === 1, 'the pusher to see the puller go');
      const next = await bench.puller({ endpoint: pusher.link.endpoint });
      await until(() => pusher.told.connected === 2 && next.told.connected === 1, 'the next puller');
      await pusher.link.close();
      await until(() => next.told.disconnected >= 1, 'the puller to see the pusher go');
    });
  }
}
