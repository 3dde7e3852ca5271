import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { expectKey, importKey } from '../../src/middleware/import-key.ts';
import type { Key, KeyText } from '../../src/middleware/key.ts';

const secret = randomBytes(32).toString('base64url');

function ed25519Text(): { readonly privateKey: string; readonly publicKey: string } {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return { privateKey: d!, publicKey: x! };
}

describe('importKey', () => {
  it('makes keys of each algorithm, with everything that limits them', () => {
    const pair = ed25519Text();
    const limits = {
      state: 'verify',
      notBefore: 1,
      notAfter: '2031-01-01',
      topics: ['a.>'],
      roles: ['push'],
      sender: 's',
    } as const;
    const texts: readonly (readonly [KeyText, type: string])[] = [
      [{ kid: 'k', alg: 'hmac-sha256', secret, ...limits }, 'secret'],
      [{ kid: 'k', alg: 'hmac-sha256', secret: randomBytes(64).toString('base64url') }, 'secret'],
      [{ kid: '__proto__', alg: 'aes-256-gcm', secret: `${secret}=` }, 'secret'],
      [{ kid: 'k', alg: 'ed25519', ...pair }, 'private'],
      [{ kid: 'k', alg: 'ed25519', privateKey: pair.privateKey }, 'private'],
      [{ kid: 'k', alg: 'ed25519', publicKey: pair.publicKey }, 'public'],
    ];
    for (const [text, type] of texts) {
      const key = importKey(text);
      assert.deepEqual([key.kid, key.alg, key.key.type], [text.kid, text.alg, type]);
      assert.equal(Object.isFrozen(key), true);
    }
    assert.deepEqual(importKey(texts[0]![0]).topics, ['a.>']);
  });

  it('says what is wrong with a key, and never shows it', () => {
    const hmac = { kid: 'k', alg: 'hmac-sha256', secret };
    const wrong: readonly (readonly [RegExp, unknown])[] = [
      [/to be an object/, null],
      [/to be an object/, secret],
      [/`kid`/, { ...hmac, kid: '' }],
      [/`kid`/, { ...hmac, kid: 'a b' }],
      [/`kid`/, { ...hmac, kid: 'k'.repeat(65) }],
      [/`alg`/, { ...hmac, alg: 'none' }],
      [/`secret` in base64url/, { ...hmac, secret: undefined }],
      [/`secret` in base64url/, { ...hmac, secret: `${secret}!` }],
      [/`secret` in base64url/, { ...hmac, secret: `${secret} ` }],
      [/at least 32 bytes/, { ...hmac, secret: randomBytes(31).toString('base64url') }],
      [/have 32 bytes/, { kid: 'k', alg: 'aes-256-gcm', secret: randomBytes(33).toString('base64url') }],
      [/no member "secert"/, { ...hmac, secert: secret }],
      [/`publicKey`/, { kid: 'k', alg: 'ed25519', secret }],
      [/32 bytes in `privateKey`/, { kid: 'k', alg: 'ed25519', privateKey: `${secret}AAAA` }],
      [/of its `privateKey`/, { kid: 'k', alg: 'ed25519', ...ed25519Text(), publicKey: ed25519Text().publicKey }],
      [/`state`/, { ...hmac, state: 'active' }],
      [/`topics`/, { ...hmac, topics: [] }],
      [/`topics`/, { ...hmac, topics: 'a' }],
      [/pattern/i, { ...hmac, topics: ['a..b'] }],
      [/`roles`/, { ...hmac, roles: ['subscribe'] }],
      [/`roles`/, { ...hmac, roles: ['constructor'] }],
      [/`notBefore`/, { ...hmac, notBefore: 'tomorrow' }],
      [/`notAfter`/, { ...hmac, notAfter: NaN }],
      [/`sender`/, { ...hmac, sender: '' }],
    ];
    for (const [says, text] of wrong) {
      assert.throws(
        () => importKey(text as KeyText),
        (error: Error) => says.test(error.message) && !error.message.includes(secret.slice(4, 16)),
        String(says),
      );
    }
  });

  it('takes a KeyObject of your own that fits its algorithm, and no other', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('ed448').publicKey;
    expectKey({ kid: 'k', alg: 'ed25519', key: privateKey });
    const wrong = [
      { kid: 'k', alg: 'ed25519', key: rsa },
      { kid: 'k', alg: 'ed25519', key: createSecretKey(randomBytes(32)) },
      { kid: 'k', alg: 'hmac-sha256', key: privateKey },
      { kid: 'k', alg: 'hmac-sha256', key: randomBytes(32) },
      { kid: 'k', alg: 'aes-256-gcm', key: createSecretKey(randomBytes(31)) },
    ];
    for (const key of wrong) assert.throws(() => expectKey(key as Key), TypeError);
    assert.throws(() => expectKey(undefined as unknown as Key), TypeError);
  });
});
