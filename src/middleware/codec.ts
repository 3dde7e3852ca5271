/**
 * The contract between the serialize step and what knows a format: `jsonCodec`, `msgpack(module)`, or a codec of your own.
 *
 * A codec is pure and synchronous: bytes leave in the order of the calls only because no step in between waits. What it
 * writes it must be able to read, and what it reads comes from outside: it refuses, by throwing, whatever is not plain data.
 */

/** Turns bodies into bytes and back. */
export interface Codec {
  /** The value of the header `content-type`, for instance `application/json`. */
  readonly contentType: string;
  /**
   * Bytes, or text that the bus writes as UTF-8 (which spares a copy). The bytes belong to the bus from then on. Throws for a
   * value that the format cannot hold. Never called with undefined: such a body travels as an empty payload.
   */
  encode(value: unknown): Uint8Array | string;
  /** The value. The bytes are a read-only view of the packet: copy what is kept. Never called without bytes. */
  decode(bytes: Uint8Array): unknown;
}

/** Why a codec refuses a value, and what to do about it. Any other error that a codec throws is reported without a hint. */
export class CodecError extends Error {
  override readonly name: string = 'CodecError';
  /** What to do, as a sentence. */
  readonly hint: string;

  constructor(what: string, hint: string, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause });
    this.hint = hint;
  }
}
