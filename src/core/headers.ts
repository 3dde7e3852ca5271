/**
 * The headers of one message: a small ordered table of lower-case names.
 *
 * Two parallel lists, created with the first header and with room for a handful, because most messages have none or so many: a Map
 * per message would cost more than everything else in the packet code, and an empty list makes room for seventeen at its first push.
 * What arrived stays encoded until somebody asks for a header.
 * Headers freeze when they have been authenticated (encrypt, sign): from then on only the signature itself may be set.
 */

import { BusError } from './errors.ts';
import { bareHeaderBlock, decodeHeaderBlock, encodeHeaderEntries } from './header-block.ts';
import type { HeaderValue } from './header-block.ts';
import { expectHeader, invalidHeader } from './header-rules.ts';
import { findHeader, unsignedHeaderBlock } from './header-scan.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { Kind } from './kinds.ts';
import { HEADER_ID_BY_NAME, MAX_HEADERS } from './packet-layout.ts';

export type { HeaderValue } from './header-block.ts';

const NO_VALUES: HeaderValue[] = [];

/** What headers can be made of: a plain object of names and values, or other headers. */
export type HeadersInit = Readonly<Record<string, HeaderValue>> | MessageHeaders;

/**
 * Headers by name, in the order in which they were first set. Names are lower case, 1 to 64 of `a-z 0-9 . _ -`, beginning
 * with a letter or digit; values are text, or bytes (read-only by convention: they are not copied). At most 64 headers and
 * 16 KiB encoded. What breaks a rule throws INVALID_HEADER; setting on frozen headers throws HEADERS_FROZEN.
 */
export class MessageHeaders {
  #names: string[] | undefined = undefined;
  #values: HeaderValue[] = NO_VALUES;
  /** How many of both there are; what stands behind is room. */
  #count = 0;
  /** Encoded headers, `#block[#start, #end)`; once `#names` is there they have been decoded. */
  #block: Uint8Array | undefined = undefined;
  #start = 0;
  #end = 0;
  #frozen = false;
  /** They came in this very block, and are no copy. */
  #arrived = false;

  /** Headers from a plain object's own properties, or a copy of other headers; none from undefined. */
  static from(init: HeadersInit | undefined): MessageHeaders {
    if (isHeaders(init)) return init.clone();
    const headers = noHeaders();
    if (init === undefined) return headers;
    for (const name of Object.keys(init)) headers.set(name, init[name] as HeaderValue);
    return headers;
  }

  /** Headers from the block in `bytes[start, end)`, which the packet decoder has checked; decoded at the first access. */
  static fromBlock(bytes: Uint8Array, start = 0, end: number = bytes.length): MessageHeaders {
    const headers = noHeaders();
    if (end - start > 1) {
      headers.#block = bytes;
      headers.#start = start;
      headers.#end = end;
      headers.#arrived = true;
    }
    return headers;
  }

  /** The number of headers. */
  get size(): number {
    this.#decoded();
    return this.#count;
  }

  /** Whether the headers are frozen. */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** The value, text or bytes, or undefined. */
  get(name: string): HeaderValue | undefined {
    if (this.#block !== undefined && this.#names === undefined) {
      const id = HEADER_ID_BY_NAME.get(name);
      if (id !== undefined) return findHeader(id, this.#block, this.#start, this.#end);
    }
    const index = this.#indexOf(name);
    return index < 0 ? undefined : this.#values[index];
  }

  /** The value when it is text, else undefined. */
  getText(name: string): string | undefined {
    const value = this.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  /** Whether there is a header of this name. */
  has(name: string): boolean {
    if (this.#names === undefined && this.#block !== undefined && HEADER_ID_BY_NAME.has(name))
      return this.get(name) !== undefined;
    return this.#indexOf(name) >= 0;
  }

  /** Sets a header, in its old place if it was there. */
  set(name: string, value: HeaderValue): this {
    this.#expectMutable(name);
    expectHeader(name, value);
    const names = this.#decoded() ?? this.#makeRoom();
    const index = this.#indexOf(name);
    if (index >= 0) {
      this.#values[index] = value;
      return this;
    }
    if (this.#count >= MAX_HEADERS) {
      throw invalidHeader(
        `Header "${name}" would be number ${String(MAX_HEADERS + 1)}`,
        'Put what is large into the body.',
      );
    }
    names[this.#count] = name;
    this.#values[this.#count] = value;
    this.#count++;
    return this;
  }

  /** Removes a header; false if it was not there. */
  delete(name: string): boolean {
    this.#expectMutable(name);
    const index = this.#indexOf(name);
    if (index < 0) return false;
    this.#names?.splice(index, 1);
    this.#values.splice(index, 1);
    this.#count--;
    return true;
  }

  /** From now on only `signature` may be set or deleted. */
  freeze(): this {
    this.#frozen = true;
    return this;
  }

  /** Names and values in the order in which they were first set. */
  *entries(): IterableIterator<[name: string, value: HeaderValue]> {
    const names = this.#decoded() ?? [];
    for (let index = 0; index < this.#count; index++) yield [names[index] ?? '', this.#values[index] ?? ''];
  }

  /** The same as `entries()`. */
  [Symbol.iterator](): IterableIterator<[name: string, value: HeaderValue]> {
    return this.entries();
  }

  /** A plain object without a prototype, so that no name can mean anything else. */
  toObject(): Record<string, HeaderValue> {
    const object = Object.create(null) as Record<string, HeaderValue>;
    for (const [name, value] of this.entries()) object[name] = value;
    return object;
  }

  /** A copy that can be changed, also of frozen headers; byte values are shared. */
  clone(): MessageHeaders {
    const copy = noHeaders();
    // What has been decoded needs its block no more, and a copy must not keep a packet alive.
    if (this.#names === undefined) {
      copy.#block = this.#block;
      copy.#start = this.#start;
      copy.#end = this.#end;
    }
    if (this.#names !== undefined) {
      copy.#names = this.#names.slice();
      copy.#values = this.#values.slice();
      copy.#count = this.#count;
    }
    return copy;
  }

  /** The header block of a record of this kind (its wire number), with the signature last; throws INVALID_HEADER over 16 KiB. */
  encode(kind: number): Uint8Array {
    const names = this.#decoded();
    return names === undefined
      ? bareHeaderBlock(kind)
      : encodeHeaderEntries(kind, { names, values: this.#values, count: this.#count });
  }

  /**
   * What a signature covers, and encryption authenticates beside the payload: the header block of a record of this kind up to
   * the signature. Of headers that arrived these are the bytes that travelled, whatever was set or deleted since.
   */
  coveredBlock(kind: Kind): Uint8Array {
    if (!this.#arrived || this.#block === undefined) return unsignedHeaderBlock(this.encode(KIND_NUMBERS[kind]));
    return unsignedHeaderBlock(this.#block.subarray(this.#start, this.#end));
  }

  #decoded(): string[] | undefined {
    if (this.#names !== undefined || this.#block === undefined) return this.#names;
    const names: string[] = [];
    const values: HeaderValue[] = [];
    decodeHeaderBlock(this.#block.subarray(this.#start, this.#end), names, values);
    this.#names = names;
    this.#values = values;
    this.#count = names.length;
    return names;
  }

  #makeRoom(): string[] {
    this.#values = ['', '', '', '', '', ''];
    return (this.#names = ['', '', '', '', '', '']);
  }

  /** Room has the name '', which is none. */
  #indexOf(name: string): number {
    const index = this.#decoded()?.indexOf(name) ?? -1;
    return index < this.#count ? index : -1;
  }

  #expectMutable(name: string): void {
    if (!this.#frozen || name === 'signature') return;
    throw new BusError(
      'HEADERS_FROZEN',
      `Header "${name}" cannot change any more: the headers are encrypted or signed`,
      {
        hint: 'Set headers in a middleware of an earlier stage or rank.',
      },
    );
  }
}

// The class does not name itself: the bundler would give it another name inside, and `console.log` shows that one.

function noHeaders(): MessageHeaders {
  return new MessageHeaders();
}

function isHeaders(init: HeadersInit | undefined): init is MessageHeaders {
  return init instanceof MessageHeaders;
}

/** The header block of a record: a shared byte array when there are no headers, which must not be written to. */
export function encodeHeaderBlock(kind: number, headers: MessageHeaders | undefined): Uint8Array {
  return headers === undefined ? bareHeaderBlock(kind) : headers.encode(kind);
}
