/**
 * HMAC-SHA-256 (RFC 2104) of one key from two one-shot hashes: SHA-256(outer pad, SHA-256(inner pad, text)). createHmac() makes a native object and
 * two Buffers for each message and takes more than twice as long for a short one. A text that does not come in one piece goes there.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const BLOCK_BYTES = 64;
export const HMAC_BYTES = 32;
const INNER = 0x36;
const OUTER = 0x5c;

/** What a verified signature is compared with: used within one turn. */
const expected: Buffer = Buffer.allocUnsafeSlow(HMAC_BYTES);

/** See the head of this file. */
export class HmacSha256 {
  /** Stands before every text: 64 bytes. */
  readonly innerPad: Buffer;
  /** The outer pad, and room for the inner hash. */
  readonly #outer: Buffer;
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
    const secret = key.export();
    const block = Buffer.alloc(BLOCK_BYTES);
    if (secret.length > BLOCK_BYTES) block.write(hash('sha256', secret, 'binary'), 'binary');
    else block.set(secret);
    this.innerPad = block.map((byte) => byte ^ INNER) as Buffer;
    this.#outer = Buffer.concat([block.map((byte) => byte ^ OUTER), Buffer.alloc(HMAC_BYTES)]);
    secret.fill(0);
    block.fill(0);
  }

  /** `padded`: the inner pad and the text; `rest`: what comes after it. Its bytes are those of latin1 (`binary`), which costs no Buffer. */
  digest(padded: Buffer, rest: Uint8Array | undefined): string {
    if (rest !== undefined) {
      const whole = createHmac('sha256', this.#key).update(padded.subarray(BLOCK_BYTES)).update(rest);
      return whole.digest('binary');
    }
    this.#outer.write(hash('sha256', padded, 'binary'), BLOCK_BYTES, 'binary');
    return hash('sha256', this.#outer, 'binary');
  }

  /** Compares in constant time. */
  verify(padded: Buffer, rest: Uint8Array | undefined, mac: Buffer): boolean {
    if (mac.length !== HMAC_BYTES) return false;
    expected.write(this.digest(padded, rest), 'binary');
    return timingSafeEqual(expected, mac);
  }
}
