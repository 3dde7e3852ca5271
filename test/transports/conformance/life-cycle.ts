/** Conformance: opening and closing links. */
import assert from 'node:assert/strict';
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BusError } from '../../../src/core/errors.ts';
import type { Peer, TransportFeatures } from '../../../src/core/transport.ts';
import type { Bench, Conforms } from './bench.ts';
import { Sealer } from './packets.ts';
import { bounded, fill, Gate, handOver, isReady, until } from './waiting.ts';

export function lifeCycle(conforms: Conforms, features: TransportFeatures): void {
  conforms('it accepts its own endpoints and refuses others with a RangeError', async (bench) => {
    const { link } = await bench.pusher();
    assert.ok(features.schemes.includes(link.endpoint.slice(0, link.endpoint.indexOf('://'))), link.endpoint);
    bench.transport.checkEndpoint(link.endpoint);
    for (const bad of ['', ' ', 'tcp://127.0.0.1:5555\n']) {
      assert.throws(() => bench.transport.checkEndpoint(bad), RangeError, JSON.stringify(bad));
    }
  });

  conforms('a link reports its mode, its sockets and its endpoint with the wildcard resolved', async (bench) => {
    for (const open of binders(bench)) {
      const { link } = await open();
      assert.equal(link.mode, 'bind');
      assert.equal(link.sockets, 1);
      assert.ok(!link.endpoint.includes('*'), link.endpoint);
    }
    const { link: pusher } = await bench.pusher();
    const { link: puller } = await bench.puller({ endpoint: pusher.endpoint });
    assert.deepEqual([puller.mode, puller.sockets, puller.endpoint], ['connect', 1, pusher.endpoint]);
  });

  conforms('a taken endpoint is BIND_FAILED, naming the endpoint and the way out', async (bench) => {
    const { link } = await bench.publisher();
    for (const open of binders(bench)) {
      await assert.rejects(open(link.endpoint), (error) => {
        assert.ok(error instanceof BusError, String(error));
        assert.equal(error.code, 'BIND_FAILED');
        assert.equal(error.endpoint, link.endpoint);
        assert.ok((error.hint ?? '').length > 20, `a hint: ${String(error.hint)}`);
        assert.ok(error.message.includes(link.endpoint));
        return true;
      });
    }
    const subscriber = await bench.subscriber({ endpoint: link.endpoint, patterns: ['a'] });
    assert.equal(subscriber.link.sockets, 1, 'the first owner of the endpoint is undisturbed');
  });

  conforms('close is idempotent, frees the endpoint, and nothing is told afterwards', async (bench) => {
    const endpoint = await bench.reserve();
    const puller = await bench.puller({ mode: 'bind', endpoint });
    const pusher = await bench.pusher({ mode: 'connect', endpoint });
    const sealer = new Sealer();
    await handOver(pusher.link, sealer.seal(undefined, 'one'));
    await until(() => puller.told.texts.length === 1, 'the packet');
    const closing = puller.link.close();
    await bounded(Promise.all([closing, puller.link.close()]), 'both calls of close');
    await bounded(puller.link.close(), 'a third one');
    const told = puller.told.total;
    assert.equal(puller.link.sockets, 0);
    const heir = await bench.puller({ mode: 'bind', endpoint });
    await until(() => {
      void pusher.link.trySend(sealer.seal(undefined, 'two'), 0);
      return heir.told.texts.includes('two');
    }, 'a packet at the next owner of the endpoint');
    assert.equal(puller.told.total, told, 'nothing was told after close');
  });

  conforms(
    'close delivers what was handed over, and does not wait for the linger time when it has left',
    async (bench) => {
      const pusher = await bench.pusher({ closeLingerMs: 60_000 });
      const puller = await bench.puller({ endpoint: pusher.link.endpoint });
      await isReady((signal) => pusher.link.ready(signal), 'the puller to connect');
      const sealer = new Sealer();
      for (let index = 0; index < 60; index++) await handOver(pusher.link, sealer.seal(undefined, String(index)));
      await bounded(Promise.all([pusher.link.close(), pusher.link.close()]), 'close');
      await until(
        () => puller.told.texts.length >= 60,
        () => `60 packets, got ${puller.told.texts.length}`,
      );
      assert.deepEqual(
        puller.told.texts,
        Array.from({ length: 60 }, (_, index) => String(index)),
      );
    },
  );

  conforms('a closed link takes nothing: trySend throws CLOSED', async (bench) => {
    const peers: Peer[] = [];
    const publisher = await bench.publisher();
    const pusher = await bench.pusher();
    const responder = await bench.responder({}, (_, peer) => peers.push(peer));
    const requester = await bench.requester({ endpoint: responder.link.endpoint });
    const packet = new Sealer().seal(undefined, { kind: 'request', payload: 'request' });
    await handOver(requester.link, packet);
    await until(() => peers.length === 1, 'the request');
    for (const { link } of [publisher, pusher, requester, responder]) await bounded(link.close(), 'close');
    await assert.rejects(publisher.publish('a', 'event'), { name: 'BusError', code: 'CLOSED' });
    for (const sink of [pusher.link, requester.link]) {
      await assert.rejects(async () => sink.trySend(packet, 0), { name: 'BusError', code: 'CLOSED' });
    }
    await assert.rejects(async () => peers[0]?.trySend(packet, 0), { name: 'BusError', code: /^(CLOSED|PEER_GONE)$/ });
  });

  conforms(
    'close waits at most the linger time for a peer that stands still, which can be closed too',
    async (bench) => {
      const pusher = await bench.pusher({ closeLingerMs: 50, hwmPackets: 16 });
      const gate = new Gate();
      const puller = await bench.puller({ endpoint: pusher.link.endpoint, hwmPackets: 16 }, () => gate.opened);
      const sealer = new Sealer();
      const filling = 'x'.repeat(64 * 1024);
      await isReady((signal) => pusher.link.ready(signal), 'the puller to connect');
      await fill(pusher.link, () => sealer.seal(undefined, filling), 2000);
      const start = performance.now();
      await bounded(pusher.link.close(), 'close of the pusher');
      const elapsed = performance.now() - start;
      assert.ok(elapsed < 2000, `closing took ${Math.round(elapsed)} ms at a linger of 50 ms`);
      await bounded(puller.link.close(), 'close of a puller whose receiver never answers');
      gate.open();
      await until(() => puller.link.sockets === 0, 'the puller to be closed');
      assert.equal(puller.told.packets.length, 1, 'nothing was handed over after close');
    },
  );

  conforms('a ready() that a close overtakes, or that comes after it, rejects with CLOSED', async (bench) => {
    const { link: pusher } = await bench.pusher();
    const { link: subscriber } = await bench.subscriber({ endpoint: await bench.reserve(), ready: false });
    const { link: requester } = await bench.requester({ endpoint: await bench.reserve() });
    const { signal } = new AbortController();
    const ready = () => [pusher.ready(signal), subscriber.ready({ signal, publishers: 1 }), requester.ready(signal)];
    const early = Promise.allSettled(ready());
    await Promise.all([pusher.close(), subscriber.close(), requester.close()]);
    const outcomes = await bounded(Promise.all([early, Promise.allSettled(ready())]), 'all to settle');
    for (const outcome of outcomes.flat()) {
      assert.equal(outcome.status === 'rejected' && (outcome.reason as BusError).code, 'CLOSED');
    }
  });

  conforms('packets are delivered outside of the trace context of whoever opened the link or sent', async (bench) => {
    const key = createContextKey('test');
    const manager = new AsyncLocalStorageContextManager();
    context.setGlobalContextManager(manager);
    const seen: unknown[] = [];
    const note = () => {
      seen.push(context.active().getValue(key));
    };
    try {
      await context.with(ROOT_CONTEXT.setValue(key, 'of the caller'), async () => {
        const pusher = await bench.pusher();
        const puller = await bench.puller({ endpoint: pusher.link.endpoint }, note);
        const publisher = await bench.publisher();
        await bench.subscriber({
          endpoint: publisher.link.endpoint,
          patterns: ['a'],
          onPacket: ({ topic }) => {
            if (topic === 'a') note();
          },
        });
        const responder = await bench.responder({}, (_, peer) => {
          note();
          void peer.trySend(new Sealer().seal(undefined, { kind: 'reply', payload: 'reply' }), 0);
        });
        const requester = await bench.requester({ endpoint: responder.link.endpoint }, note);
        await handOver(pusher.link, new Sealer().seal(undefined, 'task'));
        await publisher.publish('a', 'event');
        await handOver(requester.link, new Sealer().seal(undefined, { kind: 'request', payload: 'request' }));
        await until(
          () => seen.length >= 4,
          () => `4 packets, got ${seen.length}`,
        );
        assert.equal(context.active().getValue(key), 'of the caller', 'the test itself is in the context');
        assert.equal(puller.told.texts.length, 1);
      });
      assert.deepEqual(seen, [undefined, undefined, undefined, undefined]);
    } finally {
      context.disable();
    }
  });
}

/** Each kind of link that binds by default. */
function binders(bench: Bench) {
  const at = (endpoint: string | undefined) => (endpoint === undefined ? {} : { endpoint });
  return [
    (endpoint?: string) => bench.publisher(at(endpoint)),
    (endpoint?: string) => bench.pusher(at(endpoint)),
    (endpoint?: string) => bench.responder(at(endpoint), () => {}),
  ];
}
