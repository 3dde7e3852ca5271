/** A second implementation, in Python, reads what the bus signs and seals; the bus reads what that one writes. */
import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { MessageBus } from '../../src/index.ts';
import { encrypt } from '../../src/middleware/encrypt.ts';
import type { Key } from '../../src/middleware/key.ts';
import { sign } from '../../src/middleware/sign.ts';
import { ed25519Keys } from '../middleware/keys-for-tests.ts';
import { until } from '../transports/conformance/waiting.ts';
import { PythonPeer } from './python-peer.ts';

const AUDIENCE = 'interop';
const jwk = (key: Key): { d?: string; x?: string } => key.key.export({ format: 'jwk' });

describe('signed and sealed messages', () => {
  for (const alg of ['hmac', 'ed25519'] as const) {
    it(`are understood by Python, and Python's by the bus: ${alg} and AES-256-GCM`, async (t) => {
      const [hmac, aes] = [randomBytes(32), randomBytes(32)];
      const [own, peers] = [ed25519Keys({ kid: 's1' }), ed25519Keys({ kid: 'p1', sender: 'python' })];
      const shared: Key = { kid: 'h1', alg: 'hmac-sha256', key: createSecretKey(hmac) };
      const sealing: Key = { kid: 'e1', alg: 'aes-256-gcm', key: createSecretKey(aes) };
      const bus = new MessageBus('feed', {
        audience: AUDIENCE,
        logLevel: 'silent',
        endpoints: { publish: { bind: 'tcp://127.0.0.1:*' }, pull: { bind: 'tcp://127.0.0.1:*' } },
        publish: true,
      });
      t.after(() => bus.close({ timeoutMs: 1000 }));
      bus
        .use(sign({ keys: alg === 'hmac' ? [shared] : [own.signs, peers.verifies] }))
        .use(encrypt({ keys: [sealing] }));
      const got: unknown[] = [];
      bus.pull('>', ({ body, sender }) => void got.push([sender, body]));
      await bus.ready();
      const address = (pattern: string): string | undefined =>
        bus.describe().links.find((link) => link.pattern === pattern)?.address;
      await until(() => address('pull') !== undefined, 'the pull endpoint');
      const keys = {
        hmac: hmac.toString('base64url'),
        aes: aes.toString('base64url'),
        busPublic: jwk(own.signs).x,
        peerPrivate: jwk(peers.signs).d,
      };
      const peer = new PythonPeer(t, 'secured', address('publish')!, address('pull')!, AUDIENCE, JSON.stringify(keys));
      await bus.ready({ topic: 'secret.word', timeoutMs: 20_000 });

      const bodies = [{ word: 'é' }, 'x'.repeat(20_000), 7];
      for (const body of bodies) await bus.publish('secret.word', body, { headers: { 'x-lot': 'ü' } });
      assert.deepEqual(await peer.take(3), bodies);

      peer.tell({ alg, body: { n: 1 } });
      peer.tell({ alg, body: { n: 2 }, broken: true });
      peer.tell({ alg, body: { n: 3 } });
      await until(() => got.length === 2 && bus.stats().unverified === 1, 'the messages from Python');
      assert.deepEqual(got, [
        ['python', { n: 1 }],
        ['python', { n: 3 }],
      ]);
    });
  }
});
