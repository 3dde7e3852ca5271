/**
 * CURVE keys: 32 bytes as 40 characters of Z85 text (ZeroMQ RFC 32), and pairs of them. No error of this file shows a key,
 * a public one as little as a secret one: what is wrong with it is told by its length and the place of the fault.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { curveKeyPair as makePair } from 'zeromq';

/** A long-term key pair. */
export interface CurveKeyPair {
  /** 40 characters of Z85: may be given to everybody who is to connect. */
  readonly publicKey: string;
  /** 40 characters of Z85: never leaves its owner. */
  readonly secretKey: string;
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
const KEY_CHARACTERS = 40;
/** Bytes of a key. */
export const KEY_BYTES = 32;

/** What stands before the 32 bytes of an X25519 secret in PKCS 8. */
const X25519_PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/**
 * Makes a key pair for one side of a CURVE connection.
 *
 * @example
 * ```ts
 * import { curveKeyPair } from 'tracebus/zeromq';
 *
 * const { publicKey, secretKey } = curveKeyPair();
 * console.log(publicKey.length, secretKey.length); // 40 40
 * ```
 */
export function curveKeyPair(): CurveKeyPair {
  const { publicKey, secretKey } = makePair();
  return { publicKey, secretKey };
}

/** The Z85 text of 32 bytes. */
export function encodeKey(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < KEY_BYTES; at += 4) {
    let word = bytes.readUInt32BE(at);
    let group = '';
    for (let digit = 0; digit < 5; digit += 1) {
      group = (ALPHABET[word % 85] ?? '') + group;
      word = Math.floor(word / 85);
    }
    text += group;
  }
  return text;
}

/** The bytes of a key. @throws TypeError, which does not show it, for anything but 40 characters of Z85 */
export function decodeKey(name: string, key: unknown): Buffer {
  if (typeof key !== 'string') throw wrongKey(name, `a value of type ${typeof key}`);
  if (key.length !== KEY_CHARACTERS) throw wrongKey(name, `${String(key.length)} characters`);
  const bytes = Buffer.alloc(KEY_BYTES);
  for (let group = 0; group < KEY_CHARACTERS / 5; group += 1) {
    let word = 0;
    for (let at = group * 5; at < group * 5 + 5; at += 1) {
      const value = ALPHABET.indexOf(key.charAt(at));
      if (value < 0) throw wrongKey(name, `a character at ${String(at)} that is not of Z85`);
      word = word * 85 + value;
    }
    // Five characters can say a little more than four bytes hold.
    if (word > 0xffff_ffff) throw wrongKey(name, `a group at ${String(group * 5)} that is no number of 4 bytes`);
    bytes.writeUInt32BE(word, group * 4);
  }
  return bytes;
}

/** Checks both keys, and that they belong together: else every handshake would fail without a reason. @throws TypeError */
export function expectKeyPair(name: string, { publicKey, secretKey }: CurveKeyPair): void {
  const wanted = decodeKey(`${name}.publicKey`, publicKey);
  const secret = decodeKey(`${name}.secretKey`, secretKey);
  const key = createPrivateKey({ key: Buffer.concat([X25519_PKCS8, secret]), format: 'der', type: 'pkcs8' });
  const derived = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
  if (derived.equals(wanted)) return;
  throw new TypeError(`Expected \`${name}.publicKey\` to belong to \`${name}.secretKey\`, they are not of one pair`);
}

function wrongKey(name: string, got: string): TypeError {
  return new TypeError(`Expected \`${name}\` to be a CURVE key of 40 characters of Z85, got ${got}`);
}
