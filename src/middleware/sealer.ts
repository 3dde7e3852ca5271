/**
 * What one root key seals and opens. Sealing has one session at a time, with a salt of its own: made anew in each process, worker and bus,
 * after 2^32 messages and after 24 hours. Opening keeps the sessions of those it hears from, the latest used of them.
 */
import { randomBytes } from 'node:crypto';
import type { Key } from './key.ts';
import type { TopicPieces } from './pae.ts';
import type { Associated } from './seal-session.ts';
import { SealSession } from './seal-session.ts';
import { SALT_BYTES } from './sealed-payload.ts';
import type { SealedPayload } from './sealed-payload.ts';

/** With counted nonces far below what GCM allows; one session's keys are worth so much and no more. */
export const MESSAGES_PER_SESSION: number = 2 ** 32;
export const SESSION_MS: number = 24 * 60 * 60 * 1000;

interface Current {
  readonly session: SealSession;
  readonly until: number;
  next: number;
}

/** See the head of this file. */
export class Sealer {
  readonly key: Key;
  readonly #topics: TopicPieces;
  readonly #maxSessions: number;
  readonly #messagesPerSession: number;
  #current: Current | undefined;
  /** In the order of use, the latest last. */
  readonly #opened = new Map<string, SealSession>();
  #recentName = '';
  #recent: SealSession | undefined;

  /** `maxSessions`: of others, kept at once. `messagesPerSession` is given by tests alone. */
  constructor(key: Key, topics: TopicPieces, maxSessions: number, messagesPerSession: number = MESSAGES_PER_SESSION) {
    this.key = key;
    this.#topics = topics;
    this.#maxSessions = maxSessions;
    this.#messagesPerSession = messagesPerSession;
  }

  /** `now`: milliseconds since 1970. */
  seal(payload: Uint8Array, associated: Associated, now: number): Buffer {
    let current = this.#current;
    if (current === undefined || current.next >= this.#messagesPerSession || now >= current.until) {
      const session = this.#derive(randomBytes(SALT_BYTES));
      current = this.#current = { session, until: now + SESSION_MS, next: 0 };
    }
    return current.session.seal(current.next++, payload, associated);
  }

  /** The plain payload, or why there is none. */
  open(sealed: SealedPayload, associated: Associated): Buffer | 'commitment' | 'ciphertext' {
    const session = this.#sessionOf(sealed);
    if (session === undefined) return 'commitment';
    return session.open(sealed.counter, sealed.ciphertext, sealed.tag, associated) ?? 'ciphertext';
  }

  #sessionOf({ session: name, salt, commitment }: SealedPayload): SealSession | undefined {
    if (this.#recentName === name) return this.#recent;
    let session = this.#opened.get(name);
    if (session === undefined) {
      session = this.#derive(Buffer.from(salt));
      // One that strangers have made up is not kept: it would push out the others.
      if (!session.commitsTo(commitment)) return undefined;
      const oldest = this.#opened.size >= this.#maxSessions ? this.#opened.keys().next() : undefined;
      if (oldest?.done === false) this.#opened.delete(oldest.value);
    } else this.#opened.delete(name);
    this.#opened.set(name, session);
    this.#recentName = name;
    this.#recent = session;
    return session;
  }

  #derive(salt: Buffer): SealSession {
    return new SealSession(this.key.key, this.key.kid, salt, this.#topics);
  }
}
