/** Peers of a few lines of pyzmq on the plain wire: each of the six talks with tracebus. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { BusError, MessageBus } from '../../src/index.ts';
import type { MessageBusConfig } from '../../src/index.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { PythonPeer } from './python-peer.ts';

const ANYWHERE = 'tcp://127.0.0.1:*';

function plainBus(t: TestContext, config: MessageBusConfig): MessageBus {
  const bus = new MessageBus('interop', { transport: zeromq({ wire: 'plain' }), logLevel: 'warn', ...config });
  t.after(() => bus.close({ timeoutMs: 1000 }));
  return bus;
}

/** Where the bus has bound the endpoint with the wildcard. */
function addressOf(bus: MessageBus): string {
  const address = bus.describe().links.find(({ mode }) => mode === 'bind')?.address;
  assert.ok(address);
  return address;
}

/** Resolves with the first `count` things that `keep` is called with. */
function collect<T>(count: number): { keep: (one: T) => void; all: Promise<T[]> } {
  const kept: T[] = [];
  let resolve: (all: T[]) => void = () => {};
  const all = new Promise<T[]>((settle) => (resolve = settle));
  return {
    all,
    keep: (one) => {
      if (kept.push(one) === count) resolve(kept);
    },
  };
}

describe('plain peers', () => {
  it('PUB: tracebus subscribes to what pyzmq publishes', async (t) => {
    const peer = new PythonPeer(t, 'pub');
    const bus = plainBus(t, { endpoints: { subscribe: { connect: [await peer.next<string>()] } } });
    const { keep, all } = collect<{ topic: string; body: { n: number; from: string }; id: string }>(100);
    bus.subscribe('price.*', ({ topic, body, id }) => {
      keep({ topic, body: body as { n: number; from: string }, id });
    });
    const events = await all;
    peer.finish();
    assert.equal(await peer.exited, 0);
    const first = events[0]!.body.n;
    assert.deepEqual(
      events.slice(0, 100),
      Array.from({ length: 100 }, (_, index) => ({
        topic: 'price.tick',
        body: { n: first + index, from: 'python' },
        id: '',
      })),
    );
    assert.equal(bus.stats().gaps, 0);
  });

  it('SUB: pyzmq subscribes to what tracebus publishes', async (t) => {
    const bus = plainBus(t, { endpoints: { publish: { bind: ANYWHERE } } });
    // Nobody is there yet: this binds the publisher, so that its address is known.
    await bus.publish('price.tick', 'unrouted');
    const peer = new PythonPeer(t, 'sub', addressOf(bus), 'price.');
    await bus.ready({ topic: 'price.tick', subscribers: 1, timeoutMs: 20_000 });
    for (let n = 0; n < 100; n++) await bus.publish(n % 2 === 0 ? 'price.tick' : 'price.close', { n, text: 'grün' });
    assert.deepEqual(
      await peer.take(100),
      Array.from({ length: 100 }, (_, n) => [n % 2 === 0 ? 'price.tick' : 'price.close', { n, text: 'grün' }]),
    );
    assert.equal(bus.stats().unrouted, 1);
  });

  it('PUSH: tracebus pulls what pyzmq pushes', async (t) => {
    const bus = plainBus(t, { endpoints: { pull: { bind: ANYWHERE } } });
    const { keep, all } = collect<[string, unknown]>(200);
    bus.pull('results', ({ topic, body }) => {
      keep([topic, body]);
    });
    await bus.ready();
    const peer = new PythonPeer(t, 'push', addressOf(bus), '200');
    assert.deepEqual(
      await all,
      Array.from({ length: 200 }, (_, task) => ['results', { task }]),
    );
    assert.equal(await peer.exited, 0);
    assert.equal(bus.metrics().messages_received, 200);
  });

  it('PULL: pyzmq pulls what tracebus pushes', async (t) => {
    const peer = new PythonPeer(t, 'pull');
    const bus = plainBus(t, { endpoints: { push: { connect: [await peer.next<string>()] } } });
    for (let task = 0; task < 200; task++) await bus.push({ task, list: [1, null, 'x'] });
    assert.deepEqual(
      await peer.take(200),
      Array.from({ length: 200 }, (_, task) => ({ task, list: [1, null, 'x'] })),
    );
  });

  it('REQ: pyzmq asks, tracebus answers, with an error object where there is no answer', async (t) => {
    const bus = plainBus(t, { endpoints: { respond: { bind: ANYWHERE } } });
    bus.respond('state', ({ body }) => {
      if (body === 'fail') throw Object.assign(new Error('sold out'), { code: 'E_STOCK' });
      return { topic: 'state', asked: body };
    });
    await bus.ready();
    const peers = [new PythonPeer(t, 'req', addressOf(bus)), new PythonPeer(t, 'req', addressOf(bus), 'relaxed')];
    for (const [number, peer] of peers.entries()) {
      for (let index = 0; index < 20; index++) {
        const asked = { peer: number, index };
        peer.tell(asked);
        assert.deepEqual(await peer.next(), { topic: 'state', asked });
      }
      peer.tell('fail');
      assert.deepEqual(await peer.next(), { error: { code: 'E_STOCK', message: 'sold out' } });
    }
  });

  it('REQ with RELAXED and CORRELATE: a late answer never stands for the next one', async (t) => {
    const bus = plainBus(t, { endpoints: { respond: { bind: ANYWHERE } } });
    let release: (value: string) => void = () => {};
    const late = new Promise<string>((resolve) => (release = resolve));
    bus.respond('state', ({ body }) => {
      if (body === 'slow') return late;
      release('late'); // the answer to the first question leaves before the one to the second
      return 'in time';
    });
    await bus.ready();
    const peer = new PythonPeer(t, 'req', addressOf(bus), 'relaxed');
    peer.tell('slow');
    assert.equal(await peer.next(), 'no answer');
    peer.tell('fast');
    assert.equal(await peer.next(), 'in time');
  });

  it('REP: forty requests at once over two pyzmq servers, each reply at its own call', async (t) => {
    const servers = [new PythonPeer(t, 'rep', 'one'), new PythonPeer(t, 'rep', 'two')];
    const connect = await Promise.all(servers.map((server) => server.next<string>()));
    const bus = plainBus(t, { endpoints: { request: { connect } } });
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, index) => bus.request('state', { index }, { timeoutMs: 10_000 })),
    );
    assert.deepEqual(
      replies.map((reply) => (reply as { asked: unknown }).asked),
      Array.from({ length: 40 }, (_, index) => ({ index })),
    );
    assert.deepEqual(new Set(replies.map((reply) => (reply as { server: string }).server)), new Set(['one', 'two']));
    await assert.rejects(bus.request('fail'), (error) => {
      assert.ok(error instanceof BusError);
      assert.deepEqual([error.code, error.remoteCode], ['HANDLER_FAILED', 'E_PYTHON']);
      assert.match(error.message, /as you wished/);
      return true;
    });
  });
});
