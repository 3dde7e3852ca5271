/** Keys from their text form, which `tracebus keygen` prints and the providers read, and the check of those made otherwise. */
import { createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto';
import type { Key, KeyText } from './key.ts';
import { KID_PATTERN, wrongKey } from './key.ts';
import { scopeOf } from './key-scope.ts';

const SECRET_BYTES = 32;
const ALGORITHMS: readonly unknown[] = ['hmac-sha256', 'ed25519', 'aes-256-gcm'];
// What stands before the 32 bytes in PKCS #8 and SubjectPublicKeyInfo (RFC 8410).
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const SCOPE_MEMBERS = ['state', 'notBefore', 'notAfter', 'topics', 'roles', 'sender'];
const MEMBERS: readonly string[] = ['kid', 'alg', 'secret', 'privateKey', 'publicKey', ...SCOPE_MEMBERS];

/**
 * Makes a key of its text form.
 * @throws TypeError that names the key and what is wrong with it, never the secret
 * @example
 * ```ts
 * import { importKey, sign } from 'tracebus/middleware';
 *
 * const key = importKey({ kid: 'k1', alg: 'hmac-sha256', secret: process.env['SIGNING_SECRET'] });
 * bus.use(sign({ keys: [key] }));
 * ```
 */
export function importKey(text: KeyText): Key {
  if (typeof text !== 'object' || (text as unknown) === null) throw new TypeError('Expected a key to be an object');
  const unknown = Object.keys(text).find((name) => !MEMBERS.includes(name));
  // Its name and not its value: a misspelt `secret` must not be shown.
  if (unknown !== undefined) throw wrongKey(text.kid, `to have no member ${JSON.stringify(unknown.slice(0, 20))}`);
  const { secret: _secret, privateKey: _private, publicKey: _public, ...rest } = text;
  const key: Key = { ...rest, key: material(text) };
  expectKey(key);
  return Object.freeze(key);
}

/** @throws TypeError for what is no usable key */
export function expectKey(key: Key): void {
  if (typeof key !== 'object' || (key as unknown) === null) throw new TypeError('Expected a key to be an object');
  const { kid, alg, key: object } = key;
  if (typeof kid !== 'string' || !KID_PATTERN.test(kid)) {
    throw new TypeError('Expected `kid` of a key to be 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"');
  }
  if (!ALGORITHMS.includes(alg)) throw wrongKey(kid, `to have \`alg\` ${ALGORITHMS.join(', ')}`);
  if (!(object instanceof KeyObject)) throw wrongKey(kid, 'to hold a KeyObject: make it with importKey()');
  if (alg === 'ed25519') {
    if (object.asymmetricKeyType !== 'ed25519') throw wrongKey(kid, 'to hold an Ed25519 key');
  } else if (object.type !== 'secret') throw wrongKey(kid, 'to hold a secret key');
  else if (alg === 'hmac-sha256' ? sizeOf(object) < SECRET_BYTES : sizeOf(object) !== SECRET_BYTES) {
    throw wrongKey(kid, `to have ${alg === 'hmac-sha256' ? 'at least ' : ''}${String(SECRET_BYTES)} bytes`);
  }
  scopeOf(key);
}

function material(text: Partial<KeyText>): KeyObject {
  const { kid, alg, secret, privateKey, publicKey } = text;
  if (alg !== 'ed25519') return createSecretKey(bytesOf(kid, 'secret', secret));
  if (privateKey === undefined) {
    const der = Buffer.concat([SPKI_HEAD, bytesOf(kid, 'publicKey', publicKey, SECRET_BYTES)]);
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  }
  const der = Buffer.concat([PKCS8_HEAD, bytesOf(kid, 'privateKey', privateKey, SECRET_BYTES)]);
  const object = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  if (publicKey !== undefined && createPublicKey(object).export({ format: 'jwk' }).x !== publicKey.replace(/=+$/, '')) {
    throw wrongKey(kid, 'to have the `publicKey` of its `privateKey`');
  }
  return object;
}

/** Strict: Buffer.from would pass over what is no base64url, and a mistyped key would be another key. */
function bytesOf(kid: unknown, member: string, text: unknown, size?: number): Buffer {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+=*$/.test(text))
    throw wrongKey(kid, `to have \`${member}\` in base64url`);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text.replace(/=+$/, ''))
    throw wrongKey(kid, `to have \`${member}\` in base64url`);
  if (size !== undefined && bytes.length !== size)
    throw wrongKey(kid, `to have ${String(size)} bytes in \`${member}\``);
  return bytes;
}

function sizeOf(key: KeyObject): number {
  return key.symmetricKeySize ?? 0;
}
