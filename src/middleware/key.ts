/**
 * What a key is: what it is for, how long and where it may be used. The secret itself is only ever held as a KeyObject of
 * node:crypto, which shows it to no log and no debugger.
 */
import type { KeyObject } from 'node:crypto';
import type { MessagePattern } from '../core/kinds.ts';

/** What a key does: HMAC-SHA-256 (RFC 2104) and Ed25519 (RFC 8032) sign, AES-256-GCM (NIST SP 800-38D) encrypts. */
export type KeyAlgorithm = 'hmac-sha256' | 'ed25519' | 'aes-256-gcm';

/**
 * - `pending`: known everywhere and not used yet: it verifies and decrypts;
 * - `primary`: signs and encrypts too;
 * - `verify`: was replaced, and what was sent with it is still accepted;
 * - `disabled`: refused.
 */
export type KeyState = 'pending' | 'primary' | 'verify' | 'disabled';

/** Where and when a key may be used; nothing given means everywhere and always. */
export interface KeyScope {
  /** @default 'primary' */
  readonly state?: KeyState;
  /** Milliseconds since 1970, or a date as text; before it the key is refused. */
  readonly notBefore?: number | string;
  /** Milliseconds since 1970, or a date as text; from then on the key is refused. */
  readonly notAfter?: number | string;
  /** Patterns of the topics that it may sign or encrypt. @default ['>'] */
  readonly topics?: readonly string[];
  /** What it may sign or encrypt: publish, push, request, reply. @default all */
  readonly roles?: readonly MessagePattern[];
  /** The one service whose messages it may sign or encrypt: their header `sender` must say so. @default any */
  readonly sender?: string;
}

/** One key. Make it with `importKey`, or from a KeyObject of your own. */
export interface Key extends KeyScope {
  /** Names the key in every message: 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly kid: string;
  readonly alg: KeyAlgorithm;
  /** Secret for HMAC (32 bytes or more) and AES (32 bytes); for Ed25519 private, or public where it only verifies. */
  readonly key: KeyObject;
}

/** A key as text: a JSON object. Secrets are base64url. */
export interface KeyText extends KeyScope {
  readonly kid: string;
  readonly alg: KeyAlgorithm;
  /** HMAC and AES: the secret. */
  readonly secret?: string | undefined;
  /** Ed25519: the 32 bytes of the private key. */
  readonly privateKey?: string | undefined;
  /** Ed25519: the 32 bytes of the public key, which is enough to verify. */
  readonly publicKey?: string | undefined;
}

/** What the id of a key may look like: it travels in clear, and in front of every signature. */
export const KID_PATTERN: RegExp = /^[A-Za-z0-9._-]{1,64}$/;

/** An error about a key; `what` never holds its secret. */
export function wrongKey(kid: unknown, what: string): TypeError {
  const name = typeof kid === 'string' && KID_PATTERN.test(kid) ? ` "${kid}"` : '';
  return new TypeError(`Expected the key${name} ${what}`);
}
