/**
 * The value of the header `signature`, version 1; docs/wire-format.md shows it to the byte.
 *
 *     block = 01 | alg u8 | kid length u8 | kid | created u64 | nonce 16 | signature 32 or 64
 *
 * The nonce is 8 random bytes of the sender's stream and a u64 that counts its messages. Everything is big-endian. Nothing here is
 * trusted until the signature has been verified; reading allocates nothing that a length in the block could make large.
 */
import { writeU64 } from '../core/packet-numbers.ts';
import { KID_PATTERN } from './key.ts';
import type { KeyAlgorithm } from './key.ts';
import { readU64 } from './pae.ts';

const VERSION = 1;
export const NONCE_BYTES = 16;
const BEFORE_KID = 3;
const CREATED_AND_NONCE = 8 + NONCE_BYTES;

/** The algorithms by their number, with the length of what they make. */
const ALGORITHMS: readonly ({ readonly alg: KeyAlgorithm; readonly bytes: number } | undefined)[] = [
  undefined,
  { alg: 'hmac-sha256', bytes: 32 },
  { alg: 'ed25519', bytes: 64 },
];

/** What a block says. */
export interface SignatureBlock {
  readonly alg: KeyAlgorithm;
  readonly kid: string;
  /** When it was signed, in milliseconds since 1970. */
  readonly created: number;
  /** 16 bytes: a view of the block. */
  readonly nonce: Buffer;
  /** The first 8 bytes of the nonce, as a text that is a key of a Map. */
  readonly stream: string;
  /** The number after them; undefined over 2^53 - 1, which no sender reaches and no window takes. */
  readonly number: number | undefined;
  readonly signature: Buffer;
}

/** The number of a signing algorithm. */
export function algorithmNumber(alg: KeyAlgorithm): number {
  return ALGORITHMS.findIndex((one) => one?.alg === alg);
}

/** Reads a block; undefined for anything but exactly one. */
export function readSignatureBlock(bytes: Uint8Array): SignatureBlock | undefined {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const algorithm = ALGORITHMS[block[1] ?? 0];
  const kidBytes = block[2] ?? 0;
  const at = BEFORE_KID + kidBytes;
  if (block[0] !== VERSION || algorithm === undefined || block.length !== at + CREATED_AND_NONCE + algorithm.bytes) {
    return undefined;
  }
  const kid = block.toString('latin1', BEFORE_KID, at);
  if (!KID_PATTERN.test(kid)) return undefined;
  const created = readU64(block, at);
  if (created === undefined) return undefined;
  return {
    alg: algorithm.alg,
    kid,
    created,
    nonce: block.subarray(at + 8, at + CREATED_AND_NONCE),
    stream: block.toString('latin1', at + 8, at + 16),
    number: readU64(block, at + 16),
    signature: block.subarray(at + CREATED_AND_NONCE),
  };
}

/** What stands before `created` in every block of a key. */
export function blockHead(alg: KeyAlgorithm, kid: string): Buffer {
  return Buffer.concat([Buffer.from([VERSION, algorithmNumber(alg), kid.length]), Buffer.from(kid, 'latin1')]);
}

/** A block; a signature that is text has its bytes as latin1. */
export function encodeSignatureBlock(head: Buffer, created: number, nonce: Buffer, signature: Buffer | string): Buffer {
  const block = Buffer.allocUnsafe(head.length + CREATED_AND_NONCE + signature.length);
  block.set(head);
  const at = writeU64(block, created, head.length);
  block.set(nonce, at);
  if (typeof signature === 'string') block.write(signature, at + NONCE_BYTES, 'latin1');
  else block.set(signature, at + NONCE_BYTES);
  return block;
}
