/** One record of a packet that arrived. What it says stays encoded until somebody asks. */
import { MessageHeaders } from './headers.ts';

/** One record that arrived. Its bytes are views into what was received: read-only by convention. */
export class DecodedRecord {
  /** The wire number of its kind, see kinds.ts; one that exists. */
  readonly kind: number;
  /** A Buffer, so that text is decoded without a detour. */
  readonly payload: Buffer;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #headers: MessageHeaders | undefined = undefined;

  /** The header block is `bytes[start, end)`: a view of it is made when somebody asks. */
  constructor(payload: Buffer, bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.kind = bytes[start] ?? 0;
    this.payload = payload;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** The bytes that a signature covers, as they travelled. */
  get headerBlock(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** The headers, decoded at the first access. */
  get headers(): MessageHeaders {
    return (this.#headers ??= MessageHeaders.fromBlock(this.#bytes, this.#start, this.#end));
  }
}
