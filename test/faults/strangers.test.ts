/**
 * Floods that only CURVE keeps out: a message that never ends, and subscriptions without end. libzmq holds both before
 * JavaScript sees anything of them, so a server without CURVE can be filled up by anybody who reaches its port (the control
 * shows that), and one with CURVE does not notice. The volumes are bounded: this is a test.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Push, Subscriber } from 'zeromq';
import { curveKeyPair, zeromq } from '../../src/transports/zeromq/index.ts';
import type { CurveKeyPair, ZeromqOptions } from '../../src/transports/zeromq/index.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { PeerProcess } from './peer-process.ts';
import { party } from './scene.ts';
import { frame, frameWithMore, greeting, RawPeer } from './zmtp.ts';
import type { Flooded } from './zmtp.ts';

const MB = 1024 * 1024;
const VOLUME = 96 * MB;

/** What the memory of a process may move by itself. */
const NOISE = 32 * MB;

const SUBSCRIPTIONS = 50_000;

interface State {
  readonly rss: number;
  readonly pushed: number;
  readonly failures: { readonly auth_failed: number; readonly handshake_failed: number };
}

interface Server {
  readonly addresses: { readonly publish: string; readonly pull: string };
  state(): Promise<State>;
}

async function startServer(t: TestContext, options: ZeromqOptions): Promise<Server> {
  const peer = new PeerProcess(t, 'server', JSON.stringify(options));
  const { addresses } = await peer.next<{ addresses: Server['addresses'] }>('its addresses');
  return { addresses, state: async () => (await peer.ask<{ state: State }>({ command: 'state' })).state };
}

/** One message that never ends: frames of 64 KB, each saying that another one follows. */
async function endlessMessage(t: TestContext, endpoint: string): Promise<Flooded> {
  const peer = new RawPeer(t, endpoint);
  await bounded(peer.shakeHands('PUSH'), 'the handshake');
  return bounded(peer.flood(frameWithMore(Buffer.alloc(65_536, 1)), VOLUME), 'the flood to end', 60_000);
}

/** Prefixes of a kilobyte, each another one. */
async function endlessSubscriptions(t: TestContext, endpoint: string): Promise<void> {
  const peer = new RawPeer(t, endpoint);
  await bounded(peer.shakeHands('SUB'), 'the handshake');
  for (let index = 0; index < SUBSCRIPTIONS && !peer.socket.destroyed; index += 500) {
    const some = Array.from({ length: 500 }, (_, at) =>
      frame(Buffer.from(`\u0001${String(index + at)}${'x'.repeat(1000)}`)),
    );
    await bounded(peer.flood(Buffer.concat(some), 1), 'some subscriptions to leave');
  }
}

test(
  'without CURVE a message that never ends fills the memory of whoever listens: the control',
  {
    timeout: 120_000,
  },
  async (t) => {
    const server = await startServer(t, {});
    const before = (await server.state()).rss;
    const { hungUp } = await endlessMessage(t, server.addresses.pull);
    assert.equal(hungUp, false);
    let grown = 0;
    for (let looks = 0; looks < 200 && grown < VOLUME / 2; looks += 1) grown = (await server.state()).rss - before;
    assert.ok(grown > VOLUME / 2, `RSS grew by ${String(Math.round(grown / MB))} MB only`);
  },
);

test(
  'under CURVE a stranger gets nowhere with endless messages and subscriptions, and the honest peer goes on',
  {
    timeout: 60_000,
  },
  async (t) => {
    const [keys, clientKeys, stranger] = [curveKeyPair(), curveKeyPair(), curveKeyPair()];
    const server = await startServer(t, { curve: { server: { ...keys, authorized: [clientKeys.publicKey] } } });
    const { addresses } = server;
    const curve = { client: { ...clientKeys, serverKey: keys.publicKey } };
    const honest = party(t, 'honest', {
      transport: zeromq({ curve }),
      endpoints: { push: { connect: [addresses.pull] } },
    });
    await honest.bus.push('task', 'first');
    const { rss } = await server.state();

    // Without a key, by hand: the connection is cut at the greeting.
    let written = 0;
    for (let round = 0; round < 10; round += 1) {
      const { hungUp, written: some } = await endlessMessage(t, addresses.pull);
      assert.ok(hungUp);
      written += some;
      await endlessSubscriptions(t, addresses.publish);
      await honest.bus.push('task', round);
    }
    // By hand, and claiming to speak CURVE.
    const liar = new RawPeer(t, addresses.pull);
    liar.send(greeting('CURVE'));
    const { hungUp } = await bounded(liar.flood(frameWithMore(Buffer.alloc(65_536, 1)), VOLUME), 'the end', 60_000);
    assert.ok(hungUp);
    // With the right server key and a key of its own, which nobody listed: nothing leaves before the handshake.
    await unlisted(t, server, { ...stranger, serverKey: keys.publicKey });
    await honest.bus.push('task', 'last');

    await until(() => honest.errors.length === 0, 'no error');
    let state = await server.state();
    for (let looks = 0; looks < 500 && state.pushed < 12; looks += 1) state = await server.state();
    assert.equal(state.pushed, 12, 'what the honest peer pushed, and nothing else');
    assert.ok(state.failures.handshake_failed >= 20, JSON.stringify(state.failures));
    assert.ok(state.failures.auth_failed >= 2, JSON.stringify(state.failures));
    const grown = state.rss - rss;
    assert.ok(
      grown < NOISE,
      `RSS grew by ${String(Math.round(grown / MB))} MB while ${String(written)} bytes were written`,
    );
  },
);

async function unlisted(
  t: TestContext,
  server: Server,
  { serverKey, ...keys }: CurveKeyPair & { readonly serverKey: string },
): Promise<void> {
  const options = {
    linger: 0,
    sendHighWaterMark: 0,
    reconnectInterval: 20,
    curveServerKey: serverKey,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
  };
  const push = new Push({ ...options, sendTimeout: 0 });
  const { sendHighWaterMark: _, ...receiving } = options;
  const sub = new Subscriber(receiving);
  t.after(() => {
    push.close();
    sub.close();
  });
  for (let index = 0; index < 1000; index += 1) sub.subscribe(`${String(index)}${'x'.repeat(1000)}`);
  push.connect(server.addresses.pull);
  sub.connect(server.addresses.publish);
  // Kept on its own side until it is refused; from then on there is nobody to send to.
  for (let index = 0; index < 32; index += 1)
    await push.send([Buffer.alloc(MB / 2), Buffer.alloc(MB / 2)]).catch(() => {});
  for (let looks = 0; (await server.state()).failures.auth_failed < 2; looks += 1)
    assert.ok(looks < 2000, 'both are refused');
}
