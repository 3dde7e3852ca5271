/** What strangers send to a bound socket before it is a packet: each is bounded in time, and a good peer notices nothing. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MessageBus } from '../../src/message-bus.ts';
import { curveKeyPair, zeromq } from '../../src/transports/zeromq/index.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';
import { frame, greeting, RawPeer, readyCommand } from './zmtp.ts';

const GOOD = 300;
const HALF_OPEN = 100;

/** Short, so that the test does not wait for strangers. */
const HANDSHAKE_MS = 300;

const MB = 1024 * 1024;

/** A frame that says it is much longer than what follows. */
function boast(length: bigint, flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head[0] = flags | 2;
  head.writeBigUInt64BE(length, 1);
  return Buffer.concat([head, Buffer.from('x')]);
}

const ready = (type: string): Buffer => Buffer.concat([greeting('NULL'), readyCommand(type)]);

/** What a stranger begins with. None of it is a peer of a puller that may say anything. */
const BEGINNINGS: Readonly<Record<string, Buffer>> = {
  'a mechanism that does not exist': greeting('NOSUCH'),
  'a greeting, and a handshake that is noise': Buffer.concat([greeting('NULL'), randomBytes(4096)]),
  'a command that claims 2^62 bytes': Buffer.concat([greeting('NULL'), boast(2n ** 62n, 4)]),
  'a command that claims 2^64 - 1 bytes': Buffer.concat([greeting('NULL'), boast(2n ** 64n - 1n, 4)]),
  'a message before the handshake': Buffer.concat([greeting('NULL'), frame(Buffer.from('hello'))]),
  'another command than READY': Buffer.concat([greeting('NULL'), frame(Buffer.from('\u0005HELLO'), 4)]),
  'READY with a property beyond its end': Buffer.concat([
    greeting('NULL'),
    frame(Buffer.from('\u0005READY\u000bSocket-Type\u00ff\u00ff\u00ff\u00ffPUSH'), 4),
  ]),
  'READY of a socket that does not fit': ready('SUB'),
};

/** What a peer says after its handshake: messages that claim to be over the limit. */
const BOASTS: Readonly<Record<string, Buffer>> = {
  'a message that claims 2^62 bytes': boast(2n ** 62n),
  'a message that is over the limit': boast(BigInt(MB)),
};

for (const kind of ['plain', 'CURVE'] as const) {
  test(
    `a ${kind} puller cuts off who begins wrong, and its good pusher loses nothing`,
    {
      timeout: 60_000,
    },
    async (t) => {
      const [server, client] = [curveKeyPair(), curveKeyPair()];
      const options = { handshakeTimeoutMs: HANDSHAKE_MS, maxMessageBytes: 131_072, reconnectMs: 5 };
      const of = (curve: object): object => (kind === 'plain' ? {} : { curve });
      const ledger = new Ledger();
      const puller = party(t, 'puller', {
        endpoints: { pull: { bind: FREE } },
        transport: zeromq({ ...options, ...of({ server: { ...server, authorized: [client.publicKey] } }) }),
      });
      puller.bus.pull('>', ({ body }) => ledger.saw(body));
      const endpoint = await addressOf(puller.bus, 'pull');
      const pusher = party(t, 'pusher', {
        endpoints: { push: { connect: [endpoint] } },
        transport: zeromq({ ...options, ...of({ client: { ...client, serverKey: server.publicKey } }) }),
      });
      await pusher.bus.push('task', 'hello');
      await until(() => ledger.seen.includes('hello'), 'the good peer');
      ledger.seen.length = 0;

      const strangers = Object.entries(BEGINNINGS).map(([name, bytes]) => {
        const peer = new RawPeer(t, endpoint);
        peer.send(bytes);
        return bounded(peer.closed, `the end of ${name}`);
      });
      const boasters = Object.entries(BOASTS).map(async ([name, bytes]) => {
        const peer = new RawPeer(t, endpoint);
        await bounded(peer.shakeHands('PUSH'), 'the handshake');
        peer.send(bytes);
        await bounded(peer.closed, `the end of ${name}`);
      });
      await Promise.all([
        ...strangers,
        ...boasters,
        inParallel(GOOD, 1, (index) => ledger.attempt(String(index), () => pusher.bus.push('task', index))),
      ]);
      await until(
        () => ledger.seen.length >= GOOD,
        () => `${String(GOOD)} good ones, got ${String(ledger.seen.length)}`,
      );
      assert.deepEqual(ledger.account, allWell(GOOD));
      const { inbound_dropped, messages_received } = puller.bus.metrics();
      assert.deepEqual({ inbound_dropped, messages_received }, { inbound_dropped: 0, messages_received: GOOD + 1 });
      // Of a socket that does not fit and of what is cut off in the middle libzmq tells nothing.
      assert.ok(puller.bus.stats().handshake_failures >= 3, String(puller.bus.stats().handshake_failures));
      // A line for each reason and minute.
      assert.ok(puller.warnings.length <= 2, puller.warnings.join('\n'));
    },
  );
}

test(
  'connections that never shake hands end after `handshakeTimeoutMs`, and meanwhile take nobody’s place',
  {
    timeout: 60_000,
  },
  async (t) => {
    const responder = party(t, 'responder', {
      endpoints: { respond: { bind: FREE } },
      transport: zeromq({ handshakeTimeoutMs: HANDSHAKE_MS }),
    });
    responder.bus.respond('>', ({ body }) => body);
    const endpoint = await addressOf(responder.bus, 'respond');
    const beginnings = [Buffer.alloc(0), greeting('NULL').subarray(0, 10), greeting('NULL'), greeting('CURVE')];
    const since = performance.now();
    const halfOpen = Array.from({ length: HALF_OPEN }, (_, index) => {
      const peer = new RawPeer(t, endpoint);
      peer.send(beginnings[index % beginnings.length]!);
      return peer;
    });
    const asker = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } } });
    for (let index = 0; index < 20; index += 1) assert.equal(await asker.bus.request('echo', index), index);
    await bounded(Promise.all(halfOpen.map(({ closed }) => closed)), 'all of them to be cut off');
    assert.ok(performance.now() - since >= HANDSHAKE_MS / 2, 'nobody was cut off at once');
    assert.equal(await asker.bus.request('echo', 'after'), 'after');
  },
);

test(
  'text of another protocol and noise reach no handler, whatever libzmq makes of them',
  {
    timeout: 60_000,
  },
  async (t) => {
    const ledger = new Ledger();
    const puller = party(t, 'puller', {
      endpoints: { pull: { bind: FREE } },
      transport: zeromq({ handshakeTimeoutMs: HANDSHAKE_MS, maxMessageBytes: 131_072 }),
    });
    puller.bus.pull('>', ({ body }) => ledger.saw(body));
    const endpoint = await addressOf(puller.bus, 'pull');
    const pusher = party(t, 'pusher', { endpoints: { push: { connect: [endpoint] } } });
    const noises = [
      Buffer.from('GET / HTTP/1.1\r\nHost: bus\r\n\r\n'.repeat(50)),
      Buffer.from('\u0016\u0003\u0001\u0002\u0000'.repeat(200)),
      Buffer.alloc(4096),
      Buffer.alloc(4096, 0xff),
      ...Array.from({ length: 20 }, () => randomBytes(2048)),
    ];
    const peers = noises.map((noise) => {
      const peer = new RawPeer(t, endpoint);
      peer.send(noise);
      return peer;
    });
    await inParallel(GOOD, 1, (index) => ledger.attempt(String(index), () => pusher.bus.push('task', index)));
    await until(
      () => ledger.seen.length >= GOOD,
      () => `${String(GOOD)} good ones, got ${String(ledger.seen.length)}`,
    );
    for (const peer of peers) peer.socket.destroy();
    assert.deepEqual(ledger.account, allWell(GOOD));
    assert.equal(puller.bus.metrics().messages_received, GOOD);
  },
);

test(
  'subscriptions beyond `maxSubscriptions` are counted as dropped, told once, and take no place in memory',
  {
    timeout: 60_000,
  },
  async (t) => {
    const publisher = party(t, 'publisher', {
      endpoints: { publish: { bind: FREE } },
      transport: zeromq({ maxSubscriptions: 10 }),
    });
    await publisher.bus.ready();
    const endpoint = await addressOf(publisher.bus, 'publish');
    const enemy = new RawPeer(t, endpoint);
    await bounded(enemy.shakeHands('SUB'), 'the handshake');
    enemy.send(...Array.from({ length: 110 }, (_, index) => frame(Buffer.from(`\u0001${String(index)}\u0000`))));
    enemy.send(frame(Buffer.from(`\u0001${'x'.repeat(100_000)}`)));
    await until(
      () => publisher.bus.metrics().inbound_dropped === 101,
      () => `101 refused, got ${String(publisher.bus.metrics().inbound_dropped)}`,
    );
    assert.equal(publisher.warnings.filter((line) => line.includes('maxSubscriptions')).length, 1);
    await assert.rejects(publisher.bus.ready({ topic: '50', subscribers: 1, timeoutMs: 50 }), { code: 'NOT_READY' });
    enemy.socket.destroy();
    // Its subscriptions end with it, a moment later.
    const isGone = (): Promise<boolean> =>
      publisher.bus.ready({ topic: '0', subscribers: 1, timeoutMs: 20 }).then(
        () => false,
        () => true,
      );
    for (let looks = 0; !(await isGone()); looks += 1) assert.ok(looks < 400, 'the enemy to be gone');
    const subscriber = new MessageBus('subscriber', { endpoints: { subscribe: { connect: [endpoint] } } });
    t.after(() => subscriber.close({ timeoutMs: 0 }));
    const heard: unknown[] = [];
    subscriber.subscribe('price', ({ body }) => void heard.push(body));
    await publisher.bus.ready({ topic: 'price', subscribers: 1, timeoutMs: 8000 });
    await publisher.bus.publish('price', 1);
    await until(() => heard.length === 1, 'the event, once there is room again');
  },
);
