/**
 * Looks into a header block that `checkHeaderBlock` has passed without decoding it: one header, or the part that is signed. With
 * header-block.ts and packet.ts the only code that knows the layout.
 */
import { asBuffer } from './header-block.ts';
import type { HeaderValue } from './header-block.ts';
import { BYTES_VALUE_BIT, SIGNATURE_ID } from './packet-layout.ts';

/**
 * The value of one well-known header of a block that `checkHeaderBlock` has passed. Most messages are asked for one or two
 * headers, mostly absent ones: finding that out must not cost a table of all.
 */
export function findHeader(wanted: number, block: Uint8Array, from: number, end: number): HeaderValue | undefined {
  for (let position = from + 1; position < end;) {
    const id = block[position++] ?? 0;
    if (id === 0) position += 1 + (block[position] ?? 0);
    const word = ((block[position] ?? 0) << 8) | (block[position + 1] ?? 0);
    const start = position + 2;
    position = start + (word & ~BYTES_VALUE_BIT);
    if (id !== wanted) continue;
    const bytes = asBuffer(block);
    return word >= BYTES_VALUE_BIT ? bytes.subarray(start, position) : bytes.toString('utf8', start, position);
  }
  return undefined;
}

/** The part of a checked block that a signature or AAD covers: all before the signature, or all of it without one. */
export function unsignedHeaderBlock(block: Uint8Array): Uint8Array {
  for (let position = 1; position < block.length;) {
    const entryAt = position;
    const id = block[position++] ?? 0;
    if (id === SIGNATURE_ID) return block.subarray(0, entryAt);
    if (id === 0) position += 1 + (block[position] ?? 0);
    position += 2 + ((((block[position] ?? 0) << 8) | (block[position + 1] ?? 0)) & ~BYTES_VALUE_BIT);
  }
  return block;
}
