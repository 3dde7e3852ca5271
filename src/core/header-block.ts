/**
 * Header blocks: the kind and the headers of one record, as bytes. Only this file and packet.ts know the layout.
 *
 *     block = kind u8 | entry...
 *     entry = well-known id u8 (1..31), or 0 | name length u8 | name
 *             then value length u16, whose top bit says "bytes, not text" | value
 *
 * Reading happens in two steps: `checkHeaderBlock` walks the block of every record and refuses whatever is not exactly as
 * above, allocating nothing for the usual headers; `decodeHeaderBlock` makes strings of it, when somebody asks for a header.
 * The second can trust the first. The signature, when there is one, is the last entry: what is signed is the block before it.
 */

import { isUtf8 } from 'node:buffer';
import { markAsUntransferable } from 'node:worker_threads';
import { BusError } from './errors.ts';
import { KIND_NUMBERS, KINDS_BY_NUMBER } from './kinds.ts';
import { overLimit, PacketError } from './packet-error.ts';
import {
  BYTES_HEADERS,
  BYTES_VALUE_BIT,
  HEADER_ID_BY_NAME,
  HEADER_NAME_BY_ID,
  HEADER_NAME_PATTERN,
  MAX_HEADER_BLOCK_BYTES,
  SIGNATURE_ID,
} from './packet-layout.ts';
import type { PacketLimits } from './packet-layout.ts';

/** A header's value: text, or bytes. */
export type HeaderValue = string | Uint8Array;

/** Up to here a loop beats the call into native code; checking bytes also saves a view of them. */
const SHORT_TEXT = 24;
const SHORT_BYTES = 64;

const bareBlocks: Buffer[] = [];
for (const kind of Object.values(KIND_NUMBERS)) bareBlocks[kind] = Buffer.from([kind]);

const HALF_SURROGATE_PAIR = /\p{Surrogate}/u;

/** Blocks are built one behind the other in a slab with room for the largest, and never moved: a copy would cost as much as the rest. */
const SLAB_BYTES = 4 * MAX_HEADER_BLOCK_BYTES;
let slab = newSlab();
let free = 0;
/** Where the block in hand has to end. Nothing yields while one is built. */
let limit = MAX_HEADER_BLOCK_BYTES;

/** The block of a record without headers: one shared byte array per kind, never to be written to. */
export function bareHeaderBlock(kind: number): Uint8Array {
  const block = bareBlocks[kind];
  if (block === undefined)
    throw new RangeError(`Expected \`kind\` to be the number of a record kind, got ${String(kind)}`);
  return block;
}

/** Parallel lists, of which the first `count` count. */
export interface HeaderEntries {
  readonly names: readonly string[];
  readonly values: readonly HeaderValue[];
  readonly count: number;
}

/** Encodes names and values; throws INVALID_HEADER when they do not fit. */
export function encodeHeaderEntries(kind: number, { names, values, count }: HeaderEntries): Uint8Array {
  const bare = bareHeaderBlock(kind);
  if (count === 0) return bare;
  if (free + MAX_HEADER_BLOCK_BYTES > SLAB_BYTES) {
    slab = newSlab();
    free = 0;
  }
  limit = free + MAX_HEADER_BLOCK_BYTES;
  let position = free;
  slab[position++] = kind;
  let signature: HeaderValue | undefined;
  for (let index = 0; index < count; index++) {
    const name = names[index] ?? '';
    const value = values[index] ?? '';
    if (name === 'signature') signature = value;
    else position = writeEntry(name, value, position);
  }
  if (signature !== undefined) position = writeEntry('signature', signature, position);
  const block = slab.subarray(free, position);
  free = position;
  return block;
}

/** Whoever gets a block may post it to a worker; handing the memory over with it would take that of all other blocks away. */
function newSlab(): Buffer {
  const fresh = Buffer.allocUnsafeSlow(SLAB_BYTES);
  markAsUntransferable(fresh.buffer);
  return fresh;
}

function writeEntry(name: string, value: HeaderValue, start: number): number {
  const id = HEADER_ID_BY_NAME.get(name);
  let position = start;
  // A name of one's own: two bytes more, and at most 64 of its own; the value's length takes two.
  if (position + (id === undefined ? name.length + 4 : 3) > limit) throw tooLarge(name);
  if (id === undefined) {
    slab[position++] = 0;
    slab[position++] = name.length;
    for (let index = 0; index < name.length; index++) slab[position++] = name.charCodeAt(index);
  } else {
    slab[position++] = id;
  }
  const valueStart = position + 2;
  const valueEnd = typeof value === 'string' ? writeText(name, value, valueStart) : writeBytes(name, value, valueStart);
  const length = (valueEnd - valueStart) | (typeof value === 'string' ? 0 : BYTES_VALUE_BIT);
  slab[position] = length >>> 8;
  slab[position + 1] = length;
  return valueEnd;
}

function writeText(name: string, text: string, start: number): number {
  if (start + text.length > limit) throw tooLarge(name);
  if (text.length <= SHORT_TEXT) {
    let index = 0;
    for (; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) break;
      slab[start + index] = code;
    }
    if (index === text.length) return start + index;
  } else if (start + text.length * 3 <= limit) {
    // As many bytes as characters: all of it is ASCII.
    const written = slab.write(text, start, 'utf8');
    if (written === text.length) return start + written;
  }
  // Half a surrogate pair has no UTF-8: it would arrive as another text than was sent.
  if (HALF_SURROGATE_PAIR.test(text)) {
    throw new BusError('INVALID_HEADER', `The value of header "${name}" holds half a surrogate pair`, {
      hint: 'Pass bytes for what is not text.',
    });
  }
  if (start + Buffer.byteLength(text) > limit) throw tooLarge(name);
  return start + slab.write(text, start, 'utf8');
}

function writeBytes(name: string, bytes: Uint8Array, start: number): number {
  if (start + bytes.length > limit) throw tooLarge(name);
  slab.set(bytes, start);
  return start + bytes.length;
}

function tooLarge(name: string): BusError {
  return new BusError(
    'INVALID_HEADER',
    `With header "${name}" the headers of this message exceed ${String(MAX_HEADER_BLOCK_BYTES)} bytes`,
    { hint: 'Put what is large into the body.' },
  );
}

/** Checks the block in `bytes[start, end)`; throws PacketError for anything but a well-formed one. */
export function checkHeaderBlock(bytes: Buffer, start: number, end: number, limits: PacketLimits): void {
  if (end <= start) throw new PacketError('header-length', 'a header block holds at least the kind', start);
  const kind = bytes[start] ?? 0;
  if (KINDS_BY_NUMBER[kind] === undefined) throw new PacketError('header-kind', `unknown kind ${String(kind)}`, start);
  let position = start + 1;
  if (position === end) return;
  let seenIds = 0;
  let seenNames: Set<string> | undefined;
  for (let count = 1; position < end; count++) {
    if (count > limits.maxHeaders) {
      throw overLimit('header-count', 'headers', limits.maxHeaders, position);
    }
    if ((seenIds & (1 << SIGNATURE_ID)) !== 0) {
      throw new PacketError('header-order', 'a header after the signature, which is the last', position);
    }
    const keyAt = position;
    const id = bytes[position++] ?? 0;
    let takesBytes: boolean | undefined;
    if (id === 0) {
      const name = readName(bytes, position, end);
      seenNames ??= new Set();
      if (seenNames.has(name)) throw new PacketError('header-duplicate', `"${name}" twice`, keyAt);
      seenNames.add(name);
      position += 1 + name.length;
    } else {
      const name = HEADER_NAME_BY_ID[id];
      if (name === undefined) throw new PacketError('header-key', `unknown header id ${String(id)}`, keyAt);
      if ((seenIds & (1 << id)) !== 0) throw new PacketError('header-duplicate', `"${name}" twice`, keyAt);
      seenIds |= 1 << id;
      takesBytes = BYTES_HEADERS.has(name);
    }
    position = checkValue(bytes, position, end, takesBytes);
  }
}

function readName(bytes: Buffer, position: number, end: number): string {
  const length = bytes[position] ?? 0;
  if (position + 1 + length > end) throw new PacketError('truncated', 'a header name beyond its block', position);
  const name = bytes.toString('latin1', position + 1, position + 1 + length);
  if (!HEADER_NAME_PATTERN.test(name)) throw new PacketError('header-key', 'not a header name', position);
  if (HEADER_ID_BY_NAME.has(name)) throw new PacketError('header-key', `"${name}" must travel as its id`, position);
  return name;
}

function checkValue(bytes: Buffer, position: number, end: number, takesBytes: boolean | undefined): number {
  if (position + 2 > end) throw new PacketError('truncated', 'a header without its value', position);
  const word = ((bytes[position] ?? 0) << 8) | (bytes[position + 1] ?? 0);
  const isBytes = word >= BYTES_VALUE_BIT;
  const valueStart = position + 2;
  const valueEnd = valueStart + (word & ~BYTES_VALUE_BIT);
  if (valueEnd > end) throw new PacketError('truncated', 'a header value beyond its block', position);
  if (takesBytes !== undefined && takesBytes !== isBytes) {
    throw new PacketError(
      'header-value',
      takesBytes ? 'text where bytes belong' : 'bytes where text belongs',
      position,
    );
  }
  if (!isBytes && !isText(bytes, valueStart, valueEnd)) {
    throw new PacketError('header-value', 'text that is not UTF-8', valueStart);
  }
  return valueEnd;
}

function isText(bytes: Buffer, start: number, end: number): boolean {
  if (end - start <= SHORT_BYTES) {
    let index = start;
    while (index < end && (bytes[index] ?? 0) < 0x80) index++;
    if (index === end) return true;
  }
  return isUtf8(bytes.subarray(start, end));
}

/** Appends the headers of a block that `checkHeaderBlock` has passed; bytes are views into it. */
export function decodeHeaderBlock(block: Uint8Array, names: string[], values: HeaderValue[]): void {
  const bytes = asBuffer(block);
  for (let position = 1; position < bytes.length;) {
    const id = bytes[position++] ?? 0;
    let name = HEADER_NAME_BY_ID[id];
    if (name === undefined) {
      const length = bytes[position++] ?? 0;
      name = bytes.toString('latin1', position, position + length);
      position += length;
    }
    const word = bytes.readUInt16BE(position);
    const start = position + 2;
    position = start + (word & ~BYTES_VALUE_BIT);
    names.push(name);
    values.push(word >= BYTES_VALUE_BIT ? bytes.subarray(start, position) : bytes.toString('utf8', start, position));
  }
}

/** The same memory as a Buffer, whose methods decode text without a detour. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
