import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context } from 'zeromq';
import { Sealer } from '../conformance/packets.ts';
import { handOver, offers, pause, until } from '../conformance/waiting.ts';
import { benchFor } from './subjects.ts';

const request = (text: string) =>
  new Sealer().seal(undefined, { kind: 'request', headers: { topic: 'state', correlation: text }, payload: text });

describe('inproc', () => {
  it('lets only counterparts meet: another kind of link counts a failed handshake and gets nothing', async (t) => {
    const bench = benchFor(t, 'inproc');
    const pull = await bench.puller({ mode: 'bind', endpoint: bench.endpoint() });
    const requester = await bench.requester({ endpoint: pull.link.endpoint });
    await until(
      () => requester.told.facts.length > 0,
      () => 'the failed handshake',
    );
    assert.deepEqual(requester.told.facts, ['handshakeFailures']);
    assert.deepEqual(await offers(requester.link, request('x'), 10), Array(10).fill(false));
    assert.deepEqual([requester.told.connected, pull.told.connected], [0, 0]);
  });

  it('counts a reconnect when the binding side has come back', async (t) => {
    const bench = benchFor(t, 'inproc');
    const endpoint = bench.endpoint();
    const requester = await bench.requester({ endpoint });
    for (const life of ['one', 'two', 'three']) {
      const { link, told } = await bench.responder({ endpoint }, () => {});
      await handOver(requester.link, request(life));
      await until(
        () => told.texts.length === 1,
        () => life,
      );
      const closing = link.close();
      assert.equal(await requester.link.trySend(request('nobody'), 0), false, 'false as soon as the other is closing');
      await closing;
    }
    await until(
      () => requester.told.disconnected === 3,
      () => 'three disconnects',
    );
    assert.deepEqual([requester.told.connected, requester.told.facts], [3, ['reconnects', 'reconnects']]);
  });

  it('refuses a name that another link has bound at once, and waits a moment for one that was closed', async (t) => {
    const bench = benchFor(t, 'inproc');
    const endpoint = bench.endpoint();
    const { link } = await bench.responder({ endpoint }, () => {});
    const start = performance.now();
    await assert.rejects(
      bench.responder({ endpoint }, () => {}),
      { code: 'BIND_FAILED', endpoint },
    );
    assert.ok(performance.now() - start < 1000, 'an open link will not give it back');
    void link.close();
    for (let life = 0; life < 100; life++) await (await bench.responder({ endpoint }, () => {})).link.close();
  });

  it('joins many links that came before the one that binds', async (t) => {
    const bench = benchFor(t, 'inproc');
    const endpoint = bench.endpoint();
    const requesters = await Promise.all(Array.from({ length: 20 }, () => bench.requester({ endpoint })));
    const { told } = await bench.responder({ endpoint }, () => {});
    for (const [index, { link }] of requesters.entries()) await handOver(link, request(String(index)));
    await until(
      () => told.texts.length === 20,
      () => 'a request of each',
    );
    await until(
      () => told.connected === 20,
      () => 'twenty peers',
    );
    for (const { link } of requesters) await link.close();
    await until(
      () => told.disconnected === 20,
      () => 'twenty disconnects',
    );
  });

  it('keeps the names of two Contexts apart', async (t) => {
    const here = benchFor(t, 'inproc');
    const there = benchFor(t, 'inproc', { context: new Context({ blocky: false }) });
    const endpoint = here.endpoint();
    const requester = await here.requester({ endpoint });
    const other = await there.responder({ endpoint }, () => {});
    assert.deepEqual(await offers(requester.link, request('x'), 10), Array(10).fill(false));
    const { told } = await here.responder({ endpoint }, () => {});
    await handOver(requester.link, request('x'));
    await until(
      () => told.texts.length === 1,
      () => 'the request',
    );
    await pause();
    assert.deepEqual(other.told.texts, []);
  });
});
