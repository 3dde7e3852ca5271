/** CURVE between processes: who has the right keys gets everything, everybody else nothing, and nobody minds the strangers. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { curveKeyPair, startForwarder, zeromq } from '../../src/transports/zeromq/index.ts';
import type { CurveKeyPair, ZeromqOptions } from '../../src/transports/zeromq/index.ts';
import { pause, until } from '../transports/conformance/waiting.ts';
import { PeerProcess } from './peer-process.ts';
import { addressOf, FREE, party } from './scene.ts';
import type { Party } from './scene.ts';

/** What the server process tells. */
interface State {
  readonly pushed: number;
  readonly last: unknown;
  readonly failures: { readonly auth_failed: number; readonly handshake_failed: number };
  readonly inbound_dropped: number;
  readonly messages_received: number;
  readonly denials?: readonly { readonly publicKey: string; readonly count: number; readonly address: string }[];
  readonly logged: readonly string[];
}

interface Server {
  readonly keys: CurveKeyPair;
  readonly peer: PeerProcess;
  readonly addresses: { readonly publish: string; readonly pull: string; readonly respond: string };
  state(): Promise<State>;
}

async function startServer(t: TestContext, ...authorized: readonly string[]): Promise<Server> {
  const keys = curveKeyPair();
  const options: ZeromqOptions = { curve: { server: { ...keys, authorized } } };
  const peer = new PeerProcess(t, 'server', JSON.stringify(options));
  const { addresses } = await peer.next<{ addresses: Server['addresses'] }>('its addresses');
  const state = async (): Promise<State> => (await peer.ask<{ state: State }>({ command: 'state' })).state;
  return { keys, peer, addresses, state };
}

/** A client of all three patterns, with these keys or none. */
function startClient(
  t: TestContext,
  { addresses }: Server,
  keys?: CurveKeyPair & { readonly serverKey: string },
): Party & { readonly events: unknown[] } {
  const waits = { reconnectMs: 5, reconnectMaxMs: 40, handshakeTimeoutMs: 1000 };
  const made = party(t, 'client', {
    pushTimeoutMs: 8000,
    transport: zeromq({ ...waits, ...(keys === undefined ? {} : { curve: { client: keys } }) }),
    endpoints: {
      subscribe: { connect: [addresses.publish] },
      push: { connect: [addresses.pull] },
      request: { connect: [addresses.respond] },
    },
  });
  const events: unknown[] = [];
  made.bus.subscribe('>', ({ body }) => void events.push(body));
  return { ...made, events };
}

/** Each pattern once; the server published `name`, and got it pushed and asked. */
async function talks({ bus, events }: ReturnType<typeof startClient>, server: Server, name: string): Promise<void> {
  // Those that were shut out open their links with the first call; with a connection a cool-down ends.
  await until(() => bus.describe().links.every(({ state }) => state !== 'cooling down'), 'no cool-down');
  await bus.push('task', name);
  assert.equal(await bus.request('echo', name, { timeoutMs: 8000 }), name);
  await bus.ready({ timeoutMs: 8000 });
  await server.peer.ask({ command: 'publish', body: name });
  await until(() => events.includes(name), `the event ${name}`);
  await hasGot(server, name);
}

async function hasGot(server: Server, name: string): Promise<void> {
  for (let looks = 0; (await server.state()).last !== name; looks += 1) assert.ok(looks < 1000, `the push of ${name}`);
}

/** After all connections were dropped: what is pushed into one that ends is lost, so it is pushed again. */
async function comesBack({ bus }: ReturnType<typeof startClient>, server: Server): Promise<void> {
  for (let tries = 0; (await server.state()).last !== 'back'; tries += 1) {
    assert.ok(tries < 100, 'it comes back');
    await bus.push('task', 'back');
    await pause();
  }
}

/** Nothing of any pattern gets through, in either direction. */
async function isShutOut({ bus, events }: ReturnType<typeof startClient>, server: Server): Promise<void> {
  const heard = events.length;
  const { pushed } = await server.state();
  const timeoutMs = 300;
  await Promise.all([
    assert.rejects(bus.push('task', 'intruder', { signal: AbortSignal.timeout(timeoutMs) }), { name: 'BusError' }),
    assert.rejects(bus.request('echo', 'intruder', { timeoutMs }), { name: 'BusError' }),
    assert.rejects(bus.ready({ timeoutMs }), { code: 'NOT_READY' }),
    server.peer.ask({ command: 'publish', body: 'for the honest' }),
  ]);
  assert.equal(events.length, heard);
  assert.equal((await server.state()).pushed, pushed);
}

test('with the right keys all three patterns work between two processes', { timeout: 60_000 }, async (t) => {
  const keys = curveKeyPair();
  const server = await startServer(t, keys.publicKey);
  const client = startClient(t, server, { ...keys, serverKey: server.keys.publicKey });
  await talks(client, server, 'one');
  await talks(client, server, 'two');
  const { failures, denials } = await server.state();
  assert.deepEqual([failures, denials], [{ auth_failed: 0, handshake_failed: 0 }, []]);
  assert.deepEqual(client.warnings, []);
});

test(
  'a plain client, a wrong server key and an unlisted key get nothing, are counted, and disturb nobody',
  {
    timeout: 90_000,
  },
  async (t) => {
    const [honestKeys, unlisted] = [curveKeyPair(), curveKeyPair()];
    const server = await startServer(t, honestKeys.publicKey);
    const serverKey = server.keys.publicKey;
    const honest = startClient(t, server, { ...honestKeys, serverKey });
    await talks(honest, server, 'before');
    const strangers = [
      startClient(t, server),
      startClient(t, server, { ...honestKeys, serverKey: unlisted.publicKey }),
      startClient(t, server, { ...unlisted, serverKey }),
    ];
    let [heardByHonest] = [honest.events.length];
    for (const stranger of strangers) await isShutOut(stranger, server);
    heardByHonest += strangers.length;
    await talks(honest, server, 'after');
    heardByHonest += 1;
    assert.equal(honest.events.length, heardByHonest);
    assert.deepEqual(honest.gaps, []);
    assert.deepEqual(honest.errors, []);

    const { failures, denials, logged, messages_received, inbound_dropped } = await server.state();
    assert.ok(failures.auth_failed > 0 && failures.handshake_failed > 0, JSON.stringify(failures));
    assert.deepEqual(
      denials?.map(({ publicKey, address }) => [publicKey, address]),
      [[unlisted.publicKey, '127.0.0.1']],
    );
    // The monitor tells a moment later than the decision was made.
    assert.ok((denials[0]?.count ?? 0) >= failures.auth_failed);
    assert.deepEqual([messages_received, inbound_dropped], [4, 0], 'two pushes and two requests of the honest one');
    // Once for each endpoint and reason, however often they tried.
    const handshakes = logged.filter((line) => line.includes('handshake'));
    assert.ok(handshakes.length >= 4 && handshakes.length <= 6, handshakes.join('\n'));
    const everything = JSON.stringify([
      logged,
      ...strangers.map(({ warnings, errors }) => [warnings, errors.map(String)]),
    ]);
    const secrets = [server.keys, honestKeys, unlisted].flatMap(({ publicKey, secretKey }) => [publicKey, secretKey]);
    for (const secret of secrets) assert.ok(!everything.includes(JSON.stringify(secret).slice(1, -1)));
  },
);

test(
  'a client that is authorized later comes in by itself, a revoked one is put out at once and may come back',
  {
    timeout: 90_000,
  },
  async (t) => {
    const [honestKeys, laterKeys] = [curveKeyPair(), curveKeyPair()];
    const server = await startServer(t, honestKeys.publicKey);
    const serverKey = server.keys.publicKey;
    const honest = startClient(t, server, { ...honestKeys, serverKey });
    const later = startClient(t, server, { ...laterKeys, serverKey });
    await talks(honest, server, 'honest');
    await isShutOut(later, server);
    await server.peer.ask({ command: 'authorize', key: laterKeys.publicKey });
    await talks(later, server, 'authorized');

    await server.peer.ask({ command: 'revoke', key: laterKeys.publicKey });
    await comesBack(honest, server);
    await talks(honest, server, 'the others come back');
    await isShutOut(later, server);
    assert.ok(!later.events.includes('the others come back'));

    await server.peer.ask({ command: 'authorize', key: laterKeys.publicKey });
    await talks(later, server, 'once more');
  },
);

test(
  'a bus may be the server of some endpoints and the client of others, with a key for each',
  {
    timeout: 60_000,
  },
  async (t) => {
    const keys = curveKeyPair();
    const server = await startServer(t, keys.publicKey);
    const edgeKeys = curveKeyPair();
    const { addresses } = server;
    const middle = party(t, 'middle', {
      transport: zeromq({
        reconnectMs: 5,
        curve: {
          server: { ...keys, authorized: (key) => Promise.resolve(key === edgeKeys.publicKey) },
          client: { ...keys, serverKey: { [addresses.respond]: server.keys.publicKey } },
        },
      }),
      endpoints: {
        request: { connect: [addresses.respond] },
        respond: { bind: FREE },
        push: { connect: [addresses.pull] },
      },
    });
    middle.bus.respond('ask', async ({ body }) => `${String(await middle.bus.request('echo', body))}!`);
    const serverKey = keys.publicKey;
    const edge = party(t, 'edge', {
      transport: zeromq({ curve: { client: { ...edgeKeys, serverKey } } }),
      endpoints: { request: { connect: [await addressOf(middle.bus, 'respond')] } },
    });
    assert.equal(await edge.bus.request('ask', 'hello', { timeoutMs: 8000 }), 'hello!');
    // No key for this one: not connected to at all, rather than without CURVE.
    await assert.rejects(middle.bus.push('task', 1), { code: 'UNSUPPORTED', message: /no key for the endpoint/ });
  },
);

test(
  'CURVE works over ipc, where a denial tells the process, and after a revocation the path is bound again',
  {
    timeout: 60_000,
  },
  async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tb-'));
    t.after(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const endpoint = `ipc://${folder}/bus`;
    const [serverKeys, keys, revoked] = [curveKeyPair(), curveKeyPair(), curveKeyPair()];
    const transport = zeromq({
      curve: { server: { ...serverKeys, authorized: new Set([keys.publicKey, revoked.publicKey]) } },
    });
    const server = party(t, 'server', { transport, endpoints: { respond: { bind: endpoint } } });
    server.bus.respond('>', ({ body }) => body);
    const join = (name: string, pair: CurveKeyPair): Party =>
      party(t, name, {
        transport: zeromq({
          reconnectMs: 5,
          reconnectMaxMs: 40,
          curve: { client: { ...pair, serverKey: serverKeys.publicKey } },
        }),
        endpoints: { request: { connect: [endpoint] } },
      });
    const [good, bad] = [join('good', keys), join('bad', revoked)];
    for (const { bus } of [good, bad]) assert.equal(await bus.request('echo', 'in', { timeoutMs: 8000 }), 'in');
    transport.curveClients?.revoke(revoked.publicKey);
    await until(() => transport.curveClients?.denials().length === 1, 'the revoked one to be denied');
    if (process.platform === 'linux') {
      const [, user, , id] = transport.curveClients?.denials()[0]?.address.split(':') ?? [];
      assert.deepEqual([user, id], [String(process.getuid?.()), String(process.pid)]);
    }
    await assert.rejects(bad.bus.request('echo', 'out', { timeoutMs: 200 }), { name: 'BusError' });
    await good.bus.ready({ timeoutMs: 8000 });
    assert.equal(await good.bus.request('echo', 'still in', { timeoutMs: 8000 }), 'still in');
    assert.equal(statSync(endpoint.slice('ipc://'.length)).mode & 0o777, 0o600);
  },
);

test(
  'a forwarder under CURVE passes on what its clients publish and nothing of a stranger',
  {
    timeout: 60_000,
  },
  async (t) => {
    const [hub, feed, reader, stranger] = [curveKeyPair(), curveKeyPair(), curveKeyPair(), curveKeyPair()];
    const forwarder = await startForwarder({
      in: FREE,
      out: FREE,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      zeromq: { curve: { server: { ...hub, authorized: [feed.publicKey, reader.publicKey] } } },
    });
    t.after(() => forwarder.close());
    const join = (name: string, keys: CurveKeyPair): Party =>
      party(t, name, {
        transport: zeromq({
          reconnectMs: 5,
          reconnectMaxMs: 40,
          curve: { client: { ...keys, serverKey: hub.publicKey } },
        }),
        endpoints: { publish: { connect: [forwarder.in] }, subscribe: { connect: [forwarder.out] } },
      });
    const [publisher, subscriber, outsider] = [join('feed', feed), join('reader', reader), join('stranger', stranger)];
    const [heard, overheard]: unknown[][] = [[], []];
    subscriber.bus.subscribe('>', ({ body }) => void heard!.push(body));
    outsider.bus.subscribe('>', ({ body }) => void overheard!.push(body));
    await publisher.bus.ready({ topic: 'a', subscribers: 1, timeoutMs: 8000 });
    await subscriber.bus.ready({ timeoutMs: 8000 });
    await outsider.bus.publish('a', 'forged');
    await publisher.bus.publish('a', 'true');
    await until(() => heard!.length > 0, 'the message');
    await until(() => (forwarder.curveClients?.denials()[0]?.count ?? 0) > 3, 'several refusals');
    assert.deepEqual([heard, overheard], [['true'], []]);
    forwarder.curveClients?.authorize(stranger.publicKey);
    await outsider.bus.ready({ timeoutMs: 8000 });
  },
);
