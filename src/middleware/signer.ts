/**
 * What one key signs and verifies: `msgbus-sig-v1` over the bytes that travel.
 *
 *     signed = PAE("msgbus-sig-v1", [alg, kid, created, nonce, bus, pattern, topic, headers, bind, payload])
 *
 * HMAC-SHA-256 is RFC 2104, Ed25519 RFC 8032. `bind` is empty except in a reply, where it is the nonce of the request: no reply can be
 * taken for that of another request.
 */
import { createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { MessagePattern } from '../core/kinds.ts';
import { HmacSha256 } from './hmac-sha256.ts';
import type { Key } from './key.ts';
import { paeHead, paePiece, PaeWriter } from './pae.ts';
import type { TopicPieces } from './pae.ts';
import { algorithmNumber, blockHead, encodeSignatureBlock } from './signature-block.ts';

const DOMAIN = 'msgbus-sig-v1';
const PIECES = 10;
/** The length of `created`, as a piece has it. */
const EIGHT: Buffer = Buffer.from([0, 0, 0, 8]);
const NOTHING: Buffer = Buffer.alloc(0);

/** The message, as a signature sees it. */
export interface Signed {
  readonly created: number;
  readonly nonce: Buffer;
  readonly pattern: MessagePattern;
  readonly topic: string;
  /** The header block before the signature, as it travels. */
  readonly headers: Uint8Array;
  readonly bind: Uint8Array;
  readonly payload: Uint8Array;
}

/** Shared by all keys: a text is put together and used within one turn. */
const writer = new PaeWriter();

/** See the head of this file. */
export class Signer {
  readonly key: Key;
  readonly #topics: TopicPieces;
  readonly #head: Buffer;
  readonly #blockHead: Buffer;
  /** Undefined for Ed25519. */
  readonly #hmac: HmacSha256 | undefined;
  readonly #public: KeyObject;

  constructor(key: Key, topics: TopicPieces) {
    const { alg, kid, key: object } = key;
    this.key = key;
    this.#topics = topics;
    this.#hmac = alg === 'hmac-sha256' ? new HmacSha256(object) : undefined;
    this.#head = Buffer.concat([
      this.#hmac?.innerPad ?? NOTHING,
      paeHead(DOMAIN, PIECES),
      paePiece(Buffer.from([algorithmNumber(alg)])),
      paePiece(kid),
      EIGHT,
    ]);
    this.#blockHead = blockHead(alg, kid);
    this.#public = object.type === 'private' ? createPublicKey(object) : object;
  }

  /** The value of the header `signature`. */
  sign(message: Signed): Buffer {
    const rest = this.#begin(message);
    const signature = this.#hmac?.digest(writer.done(), rest) ?? sign(null, joined(rest), this.key.key);
    return encodeSignatureBlock(this.#blockHead, message.created, message.nonce, signature);
  }

  verify(message: Signed, signature: Buffer): boolean {
    const rest = this.#begin(message);
    return this.#hmac?.verify(writer.done(), rest, signature) ?? verify(null, joined(rest), this.#public, signature);
  }

  /** Puts the text into the writer; answers the payload where it was too large for that. */
  #begin({ created, nonce, pattern, topic, headers, bind, payload }: Signed): Uint8Array | undefined {
    writer
      .begin()
      .raw(this.#head)
      .u64(created)
      .piece(nonce)
      .raw(this.#topics.get(pattern, topic))
      .piece(headers)
      .piece(bind);
    if (writer.fits(payload.length)) {
      writer.piece(payload);
      return undefined;
    }
    writer.length(payload.length);
    return payload;
  }
}

/** Ed25519 wants the whole text in one piece. */
function joined(rest: Uint8Array | undefined): Buffer {
  return rest === undefined ? writer.done() : Buffer.concat([writer.done(), rest]);
}
