/**
 * The primitives of node:crypto, called as this bus calls them, against the vectors of Project Wycheproof: changed tags, malleable, truncated and padded
 * signatures, special points. HMAC is not in the source that they were taken from; RFC 4231 stands for it in primitives.test.ts.
 */
import assert from 'node:assert/strict';
import { createDecipheriv, createSecretKey, hkdfSync, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { importKey } from '../../src/middleware/import-key.ts';

interface Vector {
  readonly id: string;
  readonly isValid: boolean;
  readonly fields: readonly string[];
}

const lines = readFileSync(new URL('fixtures/wycheproof.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

function vectors(what: string): Vector[] {
  return lines
    .map((line) => line.split(' '))
    .filter(([name]) => name === what)
    .map(([, id, result, ...fields]) => ({ id: `${what} ${id!}`, isValid: result === 'valid', fields }));
}

const bytes = (hex = '-'): Buffer => Buffer.from(hex === '-' ? '' : hex, 'hex');

function opened(fields: readonly string[]): Buffer | undefined {
  const [key, nonce, aad, , ciphertext, tag] = fields.map(bytes);
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key!), nonce!, { authTagLength: 16 });
  decipher.setAAD(aad!);
  try {
    decipher.setAuthTag(tag!);
    const plain = decipher.update(ciphertext!);
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

describe('Wycheproof', () => {
  it('AES-256-GCM opens what is valid, and nothing else', () => {
    const all = vectors('gcm');
    assert.ok(all.length > 60 && all.some(({ isValid }) => !isValid));
    for (const { id, isValid, fields } of all)
      assert.deepEqual(opened(fields)?.toString('hex'), isValid ? bytes(fields[3]).toString('hex') : undefined, id);
  });

  it('HKDF-SHA-256 derives what is listed', () => {
    const all = vectors('hkdf');
    assert.ok(all.length > 40);
    for (const { id, fields } of all) {
      const [ikm, salt, info, size, okm] = fields;
      const derived = hkdfSync('sha256', createSecretKey(bytes(ikm)), bytes(salt), bytes(info), Number(size));
      assert.equal(Buffer.from(derived).toString('hex'), bytes(okm).toString('hex'), id);
    }
  });

  it('Ed25519 verifies what is valid, and nothing else', () => {
    const all = vectors('ed25519');
    assert.ok(all.length > 140 && all.some(({ isValid }) => !isValid));
    for (const { id, isValid, fields } of all) {
      const [point, message, signature] = fields.map(bytes);
      const { key } = importKey({ kid: 'k', alg: 'ed25519', publicKey: point!.toString('base64url') });
      assert.equal(verify(null, message!, key, signature!), isValid, id);
    }
  });
});
