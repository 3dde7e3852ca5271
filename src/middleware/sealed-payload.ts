/**
 * The layout of an encrypted payload, `msgbus-enc-v1`; docs/wire-format.md shows it to the byte.
 *
 *     payload = 01 | suite 01 | kid length u8 | kid | salt 16 | commitment 32 | counter u64 | ciphertext | tag 16
 */
import { KID_PATTERN } from './key.ts';
import { readU64 } from './pae.ts';

const VERSION = 1;
/** AES-256-GCM with HKDF-SHA-256. */
export const SUITE = 1;
export const SALT_BYTES = 16;
export const COMMITMENT_BYTES = 32;
export const TAG_BYTES = 16;
const BEFORE_KID = 3;

/** An encrypted payload, taken apart: all views. */
export interface SealedPayload {
  readonly kid: string;
  readonly salt: Buffer;
  readonly commitment: Buffer;
  /** Kid, salt and commitment as a text that is a key of a Map. */
  readonly session: string;
  readonly counter: number;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** Takes a payload apart; undefined for anything but exactly one of this layout. */
export function readSealedPayload(bytes: Uint8Array): SealedPayload | undefined {
  const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const saltAt = BEFORE_KID + (payload[2] ?? 0);
  const commitmentAt = saltAt + SALT_BYTES;
  const counterAt = commitmentAt + COMMITMENT_BYTES;
  const ciphertextAt = counterAt + 8;
  const tagAt = payload.length - TAG_BYTES;
  if (payload[0] !== VERSION || payload[1] !== SUITE || tagAt < ciphertextAt) return undefined;
  const kid = payload.toString('latin1', BEFORE_KID, saltAt);
  const counter = readU64(payload, counterAt);
  if (!KID_PATTERN.test(kid) || counter === undefined) return undefined;
  return {
    kid,
    salt: payload.subarray(saltAt, commitmentAt),
    commitment: payload.subarray(commitmentAt, counterAt),
    session: payload.toString('latin1', BEFORE_KID, counterAt),
    counter,
    ciphertext: payload.subarray(ciphertextAt, tagAt),
    tag: payload.subarray(tagAt),
  };
}

/** What stands before the counter in every payload of a session. */
export function sealedHead(kid: string, salt: Buffer, commitment: Buffer): Buffer {
  return Buffer.concat([Buffer.from([VERSION, SUITE, kid.length]), Buffer.from(kid, 'latin1'), salt, commitment]);
}
