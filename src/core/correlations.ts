/**
 * Correlation ids: by them a reply finds its call. Random, because a number that counts would be that of another requester's call too, and whoever
 * answers some of a requester's calls could tell the others': a reply to one that was not signed is bound to nothing else.
 */
import { randomFillSync } from 'node:crypto';

/** 72 bits, 12 characters of base64url: none comes twice. */
const BYTES = 9;

/** Asking the system for each id would cost more than the rest of it. */
const POOL_IDS = 512;

/** The ids of one bus. */
export class Correlations {
  readonly #pool: Buffer = Buffer.alloc(BYTES * POOL_IDS);
  #at = this.#pool.length;

  next(): string {
    if (this.#at === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    return this.#pool.toString('base64url', this.#at, (this.#at += BYTES));
  }
}
