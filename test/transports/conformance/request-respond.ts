/** Conformance: requests and replies. */
import assert from 'node:assert/strict';
import { BusError } from '../../../src/core/errors.ts';
import type { IncomingPacket, Peer, TransportFeatures } from '../../../src/core/transport.ts';
import type { Conforms } from './bench.ts';
import { GarbagePacket, Sealer, textsOf } from './packets.ts';
import { fill, Gate, handOver, isReady, offers, pause, until } from './waiting.ts';

export function requestRespond(conforms: Conforms, features: TransportFeatures): void {
  conforms(
    'requests reach the responder with a stable peer, and replies return to the right requester',
    async (bench) => {
      const sealer = new Sealer();
      const asked: { text: string; peer: Peer }[] = [];
      const { link } = await bench.responder({}, (incoming, peer) => {
        for (const text of textsOf(incoming)) asked.push({ text, peer });
      });
      const requesters = [
        await bench.requester({ endpoint: link.endpoint }),
        await bench.requester({ endpoint: link.endpoint }),
      ];
      for (const { link: requester } of requesters) await isReady((signal) => requester.ready(signal), 'the responder');
      await isReady((signal) => link.ready(signal), 'the responder itself');
      for (let index = 0; index < 200; index++) {
        for (const [number, requester] of requesters.entries()) {
          await handOver(requester.link, requestOf(sealer, `${number}: ${index}`));
        }
      }
      await until(
        () => asked.length >= 400,
        () => `400 requests, got ${asked.length}`,
      );
      const peers = [0, 1].map(
        (number) => new Set(asked.filter(({ text }) => text.startsWith(`${number}:`)).map(({ peer }) => peer)),
      );
      assert.deepEqual(
        peers.map((set) => set.size),
        [1, 1],
        'one peer object for each requester',
      );
      const ids = peers.flatMap((set) => [...set]).map((peer) => peer.id);
      assert.notEqual(ids[0], ids[1]);
      // The last request is answered first: nothing ties the order of replies to that of requests.
      for (const { text, peer } of asked.toReversed()) await handOver(peer, replyOf(sealer, `re ${text}`));
      for (const [number, { told }] of requesters.entries()) {
        await until(
          () => told.texts.length >= 200,
          () => `200 replies, got ${told.texts.length}`,
        );
        assert.deepEqual(
          told.texts.toReversed(),
          Array.from({ length: 200 }, (_, index) => `re ${number}: ${index}`),
        );
      }
    },
  );

  conforms('requests and replies arrive as they were sealed, and large ones intact', async (bench) => {
    const sealer = new Sealer();
    const big = 'm'.repeat(1024 * 1024);
    const { link, told } = await bench.responder({}, (_, peer) => {
      void peer.trySend(
        sealer.seal(
          undefined,
          { kind: 'reply', headers: { correlation: 'c1' }, payload: big },
          { kind: 'error', headers: { correlation: 'c2', 'error-code': 'NO_HANDLER' }, payload: '' },
        ),
        0,
      );
    });
    const requester = await bench.requester({ endpoint: link.endpoint });
    await handOver(
      requester.link,
      sealer.seal(
        undefined,
        { kind: 'request', headers: { topic: 'state.get', correlation: 'c1' }, payload: big },
        { kind: 'cancel', headers: { correlation: 'c0' }, payload: '' },
      ),
    );
    await until(() => requester.told.packets.length > 0, 'the reply');
    assert.deepEqual(shapeOf(told.packets[0]!), [
      [2, { topic: 'state.get', correlation: 'c1' }, big.length],
      [5, { correlation: 'c0' }, 0],
    ]);
    assert.deepEqual(shapeOf(requester.told.packets[0]!), [
      [3, { correlation: 'c1' }, big.length],
      [4, { correlation: 'c2', 'error-code': 'NO_HANDLER' }, 0],
    ]);
    assert.equal(told.packets[0]?.topic, undefined);
    assert.equal(textsOf(requester.told.packets[0]!)[0], big);
  });

  conforms('a request is not taken while no responder is there, and never arrives later', async (bench) => {
    const endpoint = await bench.reserve();
    const sealer = new Sealer();
    const requester = await bench.requester({ endpoint });
    assert.deepEqual(await offers(requester.link, requestOf(sealer, 'refused'), 50), Array(50).fill(false));
    const reason = new Error('no longer interested');
    await assert.rejects(requester.link.ready(AbortSignal.abort(reason)), reason);
    const { told } = await bench.responder({ endpoint }, () => {});
    await isReady((signal) => requester.link.ready(signal), 'the responder');
    await handOver(requester.link, requestOf(sealer, 'accepted'));
    await until(() => told.texts.length > 0, 'the request');
    assert.deepEqual(told.texts, ['accepted']);
  });

  conforms('a requester comes back after the responder restarts', async (bench) => {
    const endpoint = await bench.reserve();
    const sealer = new Sealer();
    const requester = await bench.requester({ endpoint });
    for (const life of ['first', 'second', 'third']) {
      const responder = await bench.responder({ endpoint }, (incoming, peer) => {
        for (const text of textsOf(incoming)) void peer.trySend(replyOf(sealer, `re ${text}`), 0);
      });
      await until(() => {
        void requester.link.trySend(requestOf(sealer, life), 0);
        return requester.told.texts.includes(`re ${life}`);
      }, `a reply in the ${life} life`);
      await responder.link.close();
    }
  });

  conforms('a reply to a requester that has gone is PEER_GONE, and the responder is told of it', async (bench) => {
    const peers: Peer[] = [];
    const { link, told } = await bench.responder({}, (_, peer) => peers.push(peer));
    const requester = await bench.requester({ endpoint: link.endpoint });
    const staying = await bench.requester({ endpoint: link.endpoint });
    const sealer = new Sealer();
    await handOver(requester.link, requestOf(sealer, 'and away'));
    await until(() => peers.length === 1, 'the request');
    await requester.link.close();
    const error = await thrownBy(peers[0]!, () => replyOf(sealer, 'too late'));
    assert.equal(error.code, 'PEER_GONE');
    assert.equal(error.endpoint, link.endpoint);
    await until(() => told.gone.length > 0, 'onPeerGone');
    assert.deepEqual(told.gone, [peers[0]]);
    await handOver(staying.link, requestOf(sealer, 'still here'));
    await until(() => peers.length === 2, 'the request of the other one');
    await handOver(peers[1]!, replyOf(sealer, 'of course'));
    await until(() => staying.told.texts.length > 0, 'its reply');
  });

  conforms('a requester that reads no replies stops nobody else', async (bench) => {
    const peers = new Map<string, Peer>();
    const { link } = await bench.responder({ hwmPackets: 16 }, (incoming, peer) => {
      for (const text of textsOf(incoming)) peers.set(text, peer);
    });
    const gate = new Gate();
    const choice = { endpoint: link.endpoint, hwmPackets: 16 };
    const stuck = await bench.requester(choice, () => gate.opened);
    const healthy = await bench.requester(choice);
    const sealer = new Sealer();
    await handOver(stuck.link, requestOf(sealer, 'stuck'));
    await handOver(healthy.link, requestOf(sealer, 'healthy'));
    await until(() => peers.size === 2, 'both requests');
    const filling = 'x'.repeat(64 * 1024);
    const accepted = await fill(peers.get('stuck')!, (index) => replyOf(sealer, `${index} ${filling}`), 2000);
    assert.ok(accepted >= 16, `its own queue at least: ${accepted}`);
    for (let index = 0; index < 100; index++) await handOver(peers.get('healthy')!, replyOf(sealer, String(index)));
    await until(
      () => healthy.told.texts.length >= 100,
      () => `100 replies, got ${healthy.told.texts.length}`,
    );
    assert.deepEqual(
      healthy.told.texts,
      Array.from({ length: 100 }, (_, index) => String(index)),
    );
    gate.open();
    await until(
      () => stuck.told.packets.length >= accepted,
      () => `${accepted}, got ${stuck.told.packets.length}`,
    );
    assert.equal(stuck.told.packets.length, accepted);
  });

  if (features.wire === 'native') {
    conforms('malformed requests and replies reach onMalformed and stop neither side', async (bench) => {
      const sealer = new Sealer();
      const { link, told } = await bench.responder({}, (_, peer) => {
        void (async () => {
          await handOver(peer, new GarbagePacket());
          await handOver(peer, replyOf(sealer, 'reply'));
        })();
      });
      const requester = await bench.requester({ endpoint: link.endpoint });
      await handOver(requester.link, new GarbagePacket());
      await handOver(requester.link, requestOf(sealer, 'request'));
      await until(() => requester.told.texts.length > 0, 'the reply');
      assert.deepEqual([told.texts, requester.told.texts], [['request'], ['reply']]);
      for (const { malformed } of [told, requester.told]) {
        assert.deepEqual(
          malformed.splice(0).map(({ reason }) => reason),
          ['magic'],
        );
      }
    });
  }
}

function requestOf(sealer: Sealer, text: string) {
  return sealer.seal(undefined, { kind: 'request', headers: { topic: 'state', correlation: text }, payload: text });
}

function replyOf(sealer: Sealer, text: string) {
  return sealer.seal(undefined, { kind: 'reply', headers: { correlation: 'c' }, payload: text });
}

function shapeOf({ packet }: IncomingPacket) {
  return packet.records.map((record) => [record.kind, { ...record.headers.toObject() }, record.payload.length]);
}

/** What the sink throws in the end; until it knows that the peer has gone it may take packets or not. */
async function thrownBy(peer: Peer, packet: () => ReturnType<typeof replyOf>): Promise<BusError> {
  for (let index = 0; index < 5000; index++) {
    try {
      await peer.trySend(packet(), 0);
    } catch (error) {
      assert.ok(error instanceof BusError);
      return error;
    }
    await pause();
  }
  return assert.fail('replies to a peer that has gone are still taken');
}
