/**
 * Offering the records of a packet as messages of their own, which is what the plain wire needs.
 *
 * When there is no room in the middle of a packet, the same records are offered again later, in whatever packet: those that
 * were taken already are remembered until all of their packet are, so that none is sent twice.
 */
import type { SealedRecord } from '../../core/outgoing-packet.ts';
import { hasPlainForm } from './plain.ts';

/** The records of one sink; see the head of this file. */
export class OneByOne {
  readonly #taken = new Set<SealedRecord>();

  /** True when all records are taken, false when there was no room for the rest. Passes over what has no plain form. */
  async offer(records: readonly SealedRecord[], send: (record: SealedRecord) => Promise<boolean>): Promise<boolean> {
    for (const record of records) {
      if (!hasPlainForm(record) || this.#taken.has(record)) continue;
      if (!(await send(record))) return false;
      this.#taken.add(record);
    }
    this.#taken.clear();
    return true;
  }
}
