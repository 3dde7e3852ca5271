/** Keys that are made anew, or from bytes that a test can look for. */
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Key } from '../../src/middleware/key.ts';

type Rest = Partial<Omit<Key, 'alg' | 'key'>>;

export function hmacKey(rest: Rest = {}, secret: Uint8Array = randomBytes(32)): Key {
  return { kid: 'h1', alg: 'hmac-sha256', key: createSecretKey(secret), ...rest };
}

export function aesKey(rest: Rest = {}, secret: Uint8Array = randomBytes(32)): Key {
  return { kid: 'e1', alg: 'aes-256-gcm', key: createSecretKey(secret), ...rest };
}

/** A key that signs, and the one that only verifies what it signed. */
export function ed25519Keys(rest: Rest = {}): { readonly signs: Key; readonly verifies: Key } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    signs: { kid: 's1', alg: 'ed25519', key: privateKey, ...rest },
    verifies: { kid: 's1', alg: 'ed25519', key: publicKey, ...rest },
  };
}
