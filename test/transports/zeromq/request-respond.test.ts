import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { capability, Dealer, Pull } from 'zeromq';
import { KIND_NUMBERS } from '../../../src/core/kinds.ts';
import { decodePacket } from '../../../src/core/packet.ts';
import type { IncomingPacket, Peer } from '../../../src/core/transport.ts';
import { Sealer, textsOf } from '../conformance/packets.ts';
import { bounded, handOver, isReady, offers, pause, until } from '../conformance/waiting.ts';
import { endsByItself } from './ends-by-itself.ts';
import { benchFor, SCHEMES, whenFree } from './subjects.ts';

const sealer = new Sealer();

function request(text: string) {
  return sealer.seal(undefined, { kind: 'request', headers: { topic: 'state', correlation: text }, payload: text });
}

/** Answers each record with its own text, under its correlation. */
function echo({ packet }: IncomingPacket, peer: Peer): void {
  for (const { headers, payload } of packet.records) {
    const correlation = headers.getText('correlation') ?? '';
    void handOver(peer, sealer.seal(undefined, { kind: 'reply', headers: { correlation }, payload })).catch(() => {});
  }
}

function rawDealer(t: TestContext, endpoint: string, routingId?: string): Dealer {
  const dealer = new Dealer({ linger: 0, receiveTimeout: 8000, ...(routingId !== undefined && { routingId }) });
  t.after(() => dealer.close());
  dealer.connect(endpoint);
  return dealer;
}

for (const scheme of SCHEMES) {
  describe(`request and respond over ${scheme}`, () => {
    it('keeps a hundred requests in flight on one socket and matches replies that come in another order', async (t) => {
      const bench = benchFor(t, scheme);
      const asked: [IncomingPacket, Peer][] = [];
      const { link } = await bench.responder({}, (...call) => asked.push(call));
      const requester = await bench.requester({ endpoint: link.endpoint });
      for (let index = 0; index < 100; index++) await handOver(requester.link, request(String(index)));
      await until(
        () => asked.length === 100,
        () => `100 requests, got ${asked.length}`,
      );
      assert.equal(new Set(asked.map(([, peer]) => peer)).size, 1);
      for (const [incoming, peer] of asked.reverse()) echo(incoming, peer);
      await until(
        () => requester.told.texts.length === 100,
        () => `100 replies, got ${requester.told.texts.length}`,
      );
      for (const { packet } of requester.told.packets) {
        assert.equal(packet.records[0]!.headers.getText('correlation'), packet.records[0]!.payload.toString());
      }
    });

    it('takes nothing while no responder is connected', async (t) => {
      const bench = benchFor(t, scheme);
      const requester = await bench.requester({ endpoint: await bench.reserve() });
      assert.deepEqual(await offers(requester.link, request('nobody'), 20), Array(20).fill(false));
    });

    it('works with the requester binding and the responder connecting', async (t) => {
      const bench = benchFor(t, scheme);
      const requester = await bench.requester({ mode: 'bind', endpoint: bench.endpoint() });
      assert.equal(await requester.link.trySend(request('nobody'), 0), false);
      const responder = await bench.responder({ mode: 'connect', endpoint: requester.link.endpoint }, echo);
      await isReady((signal) => responder.link.ready(signal), 'the connecting responder');
      await handOver(requester.link, request('hello'));
      await until(
        () => requester.told.texts.length === 1,
        () => 'the reply',
      );
    });

    it('lets the responder come back twenty times to the same endpoint, without help', async (t) => {
      const bench = benchFor(t, scheme);
      const endpoint = await bench.reserve();
      const requester = await bench.requester({ endpoint });
      for (let round = 0; round < 20; round++) {
        const { link } = await bench.responder({ endpoint }, echo);
        await handOver(requester.link, request(String(round)));
        await until(
          () => requester.told.texts.includes(String(round)),
          () => `the reply of round ${round}`,
        );
        await bounded(link.close(), 'the responder to close');
        // At most once: what is handed over before libzmq knows that the peer has gone is lost with the connection.
        while (await requester.link.trySend(request('into the void'), 0)) await pause();
      }
      await until(
        () => requester.told.disconnected === 20,
        () => `20 disconnects, got ${requester.told.disconnected}`,
      );
      assert.equal(requester.told.connected, 20);
    });

    it('tells at once that a requester has gone, also when nobody replies to it', async (t) => {
      assert.equal(capability['draft'], true, 'the prebuilt binding has the draft API; another may not');
      const bench = benchFor(t, scheme);
      const peers: Peer[] = [];
      const { link, told } = await bench.responder({}, (_, peer) => peers.push(peer));
      const requester = await bench.requester({ endpoint: link.endpoint });
      await handOver(requester.link, request('and away'));
      await until(
        () => peers.length === 1,
        () => 'the request',
      );
      await requester.link.close();
      await until(
        () => told.gone.length === 1,
        () => 'onPeerGone',
      );
      assert.equal(told.gone[0], peers[0]);
      await assert.rejects(async () => peers[0]!.trySend(request('late'), 0), {
        code: 'PEER_GONE',
        endpoint: link.endpoint,
      });
      assert.equal(told.gone.length, 1, 'told once');
    });

    it('refuses everything with CLOSED once it is closed', async (t) => {
      const bench = benchFor(t, scheme);
      const peers: Peer[] = [];
      const { link } = await bench.responder({}, (_, peer) => peers.push(peer));
      const requester = await bench.requester({ endpoint: link.endpoint });
      await handOver(requester.link, request('x'));
      await until(
        () => peers.length === 1,
        () => 'the request',
      );
      await link.close();
      await assert.rejects(async () => peers[0]!.trySend(request('reply'), 0), { code: 'CLOSED' });
      await assert.rejects(link.ready(new AbortController().signal), { code: 'CLOSED' });
      await requester.link.close();
      assert.throws(() => requester.link.trySend(request('x'), 0), { code: 'CLOSED' });
      await assert.rejects(requester.link.ready(new AbortController().signal), { code: 'CLOSED' });
    });
  });
}

describe('request and respond', () => {
  it('is ready when it is bound, unless the signal has ended', async (t) => {
    const bench = benchFor(t, 'tcp');
    const { link } = await bench.responder({}, echo);
    await isReady((signal) => link.ready(signal), 'the responder');
    await assert.rejects(link.ready(AbortSignal.abort(new Error('enough'))), /enough/);
  });

  it('comes back from a peer of the wrong kind, which leaves libzmq deaf', async (t) => {
    const bench = benchFor(t, 'tcp');
    const endpoint = await bench.reserve();
    const wrong = new Pull({ linger: 0 });
    t.after(() => wrong.close());
    wrong.bindSync(endpoint);
    const requester = await bench.requester({ endpoint });
    await until(
      () => requester.told.facts.includes('reconnects'),
      () => 'the repair of the connection',
    );
    wrong.close();
    await whenFree(() => bench.responder({ endpoint }, echo));
    await handOver(requester.link, request('hello'));
    await until(
      () => requester.told.texts.length === 1,
      () => 'the reply',
    );
  });

  it('reports strange messages of strange peers and serves the others', async (t) => {
    const bench = benchFor(t, 'tcp', { tolerant: true });
    const { link, told } = await bench.responder({}, echo);
    const stranger = rawDealer(t, link.endpoint);
    const [packet] = request('no delimiter').frames();
    const long = Buffer.alloc(2000, 1);
    const strange = [
      ['x'],
      [packet!],
      [''],
      ['', 'garbage'],
      ['', packet!, 'surplus'],
      [long, '', packet!],
      ['', '', packet!],
    ];
    for (const frames of strange) await stranger.send(frames);
    const requester = await bench.requester({ endpoint: link.endpoint });
    await handOver(requester.link, request('mine'));
    await until(
      () => requester.told.texts.length === 1 && told.malformed.length === strange.length,
      () => `${strange.length} malformed, got ${told.malformed.length}`,
    );
    assert.deepEqual(
      told.malformed.map(({ reason }) => reason),
      ['frames', 'frames', 'frames', 'magic', 'extra-frames', 'frames', 'truncated'],
    );
    assert.deepEqual([told.texts, told.failures, told.gone], [['mine'], [], []]);
  });

  it('reports replies without a delimiter', async (t) => {
    const bench = benchFor(t, 'tcp', { tolerant: true });
    const requester = await bench.requester({ mode: 'bind', endpoint: bench.endpoint() });
    const stranger = rawDealer(t, requester.link.endpoint);
    for (const frames of [['x'], ['x', ''], ['', 'x']]) await stranger.send(frames);
    await until(
      () => requester.told.malformed.length === 3,
      () => 'three malformed replies',
    );
    assert.deepEqual(
      requester.told.malformed.map(({ reason }) => reason),
      ['frames', 'frames', 'truncated'],
    );
  });

  it('answers through the hops of a ZeroMQ proxy, and tells the requesters behind it apart', async (t) => {
    const bench = benchFor(t, 'tcp');
    const peers: Peer[] = [];
    const { link } = await bench.responder({}, (incoming, peer) => {
      peers.push(peer);
      echo(incoming, peer);
    });
    const proxy = rawDealer(t, link.endpoint);
    for (const [hop, text] of [
      ['a', 'one'],
      ['b', 'two'],
      ['a', 'three'],
    ] as const) {
      await proxy.send([hop, '', ...request(text).frames()]);
      const [path, delimiter, ...content] = await proxy.receive();
      const { records } = decodePacket(content);
      assert.deepEqual([path!.toString(), delimiter!.length], [hop, 0]);
      assert.deepEqual([records[0]!.kind, records[0]!.payload.toString()], [KIND_NUMBERS.reply, text]);
    }
    assert.equal(peers[0], peers[2]);
    assert.notEqual(peers[0], peers[1]);
    assert.notEqual(peers[0]!.id, peers[1]!.id);
  });

  it('takes the goodbye that a peer sends itself for what it says, and knows it anew afterwards', async (t) => {
    const bench = benchFor(t, 'tcp');
    const peers: Peer[] = [];
    const { link, told } = await bench.responder({}, (incoming, peer) => {
      peers.push(peer);
      echo(incoming, peer);
    });
    const stranger = rawDealer(t, link.endpoint);
    const witness = await bench.requester({ endpoint: link.endpoint });
    await stranger.send('\0tracebus:peer-gone');
    await stranger.send(['', ...request('one').frames()]);
    await handOver(witness.link, request('witness'));
    await stranger.receive();
    await stranger.send('\0tracebus:peer-gone');
    await stranger.send(['', ...request('two').frames()]);
    await stranger.receive();
    const [first, second] = peers.filter((_, index) => textsOf(told.packets[index]!)[0] !== 'witness');
    assert.notEqual(first, second);
    assert.deepEqual(told.gone, [first], 'nobody but itself, and only once it was known');
  });

  it('does not let a second connection take over a routing id on the native wire', async (t) => {
    const bench = benchFor(t, 'tcp');
    const { link, told } = await bench.responder({}, echo);
    const first = rawDealer(t, link.endpoint, 'same');
    await first.send(['', ...request('one').frames()]);
    await first.receive();
    const thief = rawDealer(t, link.endpoint, 'same');
    await thief.send(['', ...request('stolen').frames()]);
    await until(
      () => told.connected === 2,
      () => 'the second connection',
    );
    await first.send(['', ...request('two').frames()]);
    const [, packet] = await first.receive();
    assert.equal(decodePacket([packet!]).records[0]!.payload.toString(), 'two');
    assert.deepEqual(told.texts, ['one', 'two']);
  });

  it('lets the process end by itself once the links are closed', () =>
    endsByItself(`async (bench, endpoint) => {
      const { link } = await bench.responder({ endpoint }, (_, peer) => {
        peer.trySend(new Sealer().seal(undefined, { kind: 'reply', headers: { correlation: 'c' }, payload: '' }), 0);
      });
      const requester = await bench.requester({ endpoint: link.endpoint });
      await requester.link.ready(new AbortController().signal);
      const packet = { kind: 'request', headers: { topic: 'state', correlation: 'c' }, payload: '' };
      await handOver(requester.link, new Sealer().seal(undefined, packet));
      await until(() => requester.told.packets.length === 1, () => 'the reply');
      await bench.requester({ endpoint: 'tcp://127.0.0.1:1' });
    }`));
});
