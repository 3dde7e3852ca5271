/**
 * One session of encryption: a key derived from a root key and a random salt, and a counter that makes each nonce unique.
 *
 *     okm = HKDF-SHA-256(root, salt, "msgbus-enc-v1" 00 "aes-256-gcm" 00 kid, 64)          (RFC 5869)
 *     key = the first 32 bytes, commitment = the last 32
 *     nonce = 4 zero bytes | counter u64, from 0
 *     AAD = PAE("msgbus-enc-v1", [suite, kid, salt, bus, pattern, topic, headers, sender])
 *
 * AES-GCM (NIST SP 800-38D) breaks when a nonce is used twice with a key, hence a salt per session instead of a nonce by chance; and it does
 * not commit to its key, so one ciphertext could be made to open under two: hence the commitment, compared before anything is decrypted.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { MessagePattern } from '../core/kinds.ts';
import { writeU64 } from '../core/packet-numbers.ts';
import { paeHead, paePiece, PaeWriter } from './pae.ts';
import type { TopicPieces } from './pae.ts';
import { COMMITMENT_BYTES, SALT_BYTES, sealedHead, SUITE, TAG_BYTES } from './sealed-payload.ts';

const DOMAIN = 'msgbus-enc-v1';
const CIPHER = 'aes-256-gcm';
const PIECES = 8;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG = { authTagLength: TAG_BYTES };

/** What is authenticated beside the payload. */
export interface Associated {
  readonly pattern: MessagePattern;
  readonly topic: string;
  /** The header block before the signature, as it travels. */
  readonly headers: Uint8Array;
  /** The header `sender`. */
  readonly sender: string;
}

/** Shared by all sessions: the text is used in the turn in which it is put together. */
const writer = new PaeWriter();
const nonce = Buffer.alloc(NONCE_BYTES);

/** See the head of this file. */
export class SealSession {
  readonly #head: Buffer;
  readonly #key: KeyObject;
  readonly #commitment: Buffer;
  readonly #aadHead: Buffer;
  readonly #topics: TopicPieces;

  constructor(root: KeyObject, kid: string, salt: Buffer, topics: TopicPieces) {
    const info = Buffer.from(`${DOMAIN}\0${CIPHER}\0${kid}`);
    const okm = Buffer.from(hkdfSync('sha256', root, salt, info, KEY_BYTES + COMMITMENT_BYTES));
    this.#key = createSecretKey(okm.subarray(0, KEY_BYTES));
    this.#commitment = Buffer.from(okm.subarray(KEY_BYTES));
    okm.fill(0);
    this.#head = sealedHead(kid, salt, this.#commitment);
    this.#topics = topics;
    const saltPiece = paePiece(salt.subarray(0, SALT_BYTES));
    this.#aadHead = Buffer.concat([paeHead(DOMAIN, PIECES), paePiece(Buffer.from([SUITE])), paePiece(kid), saltPiece]);
  }

  /** Whether a payload says that it was made with this very key; in constant time. */
  commitsTo(commitment: Buffer): boolean {
    return commitment.length === COMMITMENT_BYTES && timingSafeEqual(commitment, this.#commitment);
  }

  /** An encrypted payload. The caller never gives a counter twice. */
  seal(counter: number, payload: Uint8Array, associated: Associated): Buffer {
    const head = this.#head;
    const sealed = Buffer.allocUnsafe(head.length + 8 + payload.length + TAG_BYTES);
    sealed.set(head);
    const ciphertextAt = writeU64(sealed, counter, head.length);
    const cipher = createCipheriv(CIPHER, this.#key, nonceOf(counter), TAG);
    cipher.setAAD(this.#aad(associated));
    sealed.set(cipher.update(payload), ciphertextAt);
    cipher.final();
    sealed.set(cipher.getAuthTag(), ciphertextAt + payload.length);
    return sealed;
  }

  /** The plain payload, or undefined when it is not authentic; nothing of it is given out before that is known. */
  open(counter: number, ciphertext: Buffer, tag: Buffer, associated: Associated): Buffer | undefined {
    // Without the length Node 20 takes tags of 4 bytes, which can be guessed.
    const decipher = createDecipheriv(CIPHER, this.#key, nonceOf(counter), TAG);
    decipher.setAAD(this.#aad(associated));
    try {
      decipher.setAuthTag(tag);
      const payload = decipher.update(ciphertext);
      decipher.final();
      return payload;
    } catch {
      return undefined;
    }
  }

  #aad({ pattern, topic, headers, sender }: Associated): Buffer {
    return writer.begin().raw(this.#aadHead).raw(this.#topics.get(pattern, topic)).piece(headers).text(sender).done();
  }
}

function nonceOf(counter: number): Buffer {
  writeU64(nonce, counter, NONCE_BYTES - 8);
  return nonce;
}
