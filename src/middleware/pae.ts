/**
 * PAE, pre-authentication encoding: several pieces as one text for a MAC or as additional data, so that no byte can move from one
 * piece into its neighbour unseen (the idea is PASETO's, https://github.com/paseto-standard/paseto-spec).
 *
 *     PAE(domain, pieces) = u32 length, domain, u32 count, then for each piece: u32 length, piece        (big-endian)
 *
 * On the hot path the pieces that repeat are encoded once and kept; what is left is a few copies into one scratch buffer.
 */
import type { MessagePattern } from '../core/kinds.ts';
import { writeU32, writeU64 } from '../core/packet-numbers.ts';

/** The numbers of the patterns in signatures and additional data. A cancel is a request's, an error reply a reply. */
export const PATTERN_NUMBERS: Readonly<Record<MessagePattern, number>> = { publish: 1, push: 2, request: 3, reply: 4 };

/** Topics whose pieces are kept. When there are more, keeping starts anew: no flood of topics makes it grow. */
const MAX_TOPICS = 1000;

/** Two header blocks at their largest fit. A payload up to here is copied in: cheaper than another call into the runtime. */
const SCRATCH_BYTES = 160 * 1024;

/** One piece: its length, and itself. */
export function paePiece(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes as string, 'utf8');
  const piece = Buffer.allocUnsafe(4 + content.length);
  piece.writeUInt32BE(content.length);
  piece.set(content, 4);
  return piece;
}

/** What stands before the pieces. */
export function paeHead(domain: string, count: number): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(count);
  return Buffer.concat([paePiece(domain), head]);
}

/** The encoding as it is defined; the hot path puts the same bytes together from kept parts. */
export function pae(domain: string, pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat([paeHead(domain, pieces.length), ...pieces.map((piece) => paePiece(piece))]);
}

/** The pieces "bus, pattern, topic", which both formats have one after the other, by pattern and topic. */
export class TopicPieces {
  readonly #bus: Buffer;
  readonly #byPattern: readonly Map<string, Buffer>[] = [new Map(), new Map(), new Map(), new Map(), new Map()];

  /** `audience`: the bus's option, the piece `bus`. */
  constructor(audience: string) {
    this.#bus = paePiece(audience);
  }

  get(pattern: MessagePattern, topic: string): Buffer {
    const number = PATTERN_NUMBERS[pattern];
    const kept = this.#byPattern[number] as Map<string, Buffer>;
    let pieces = kept.get(topic);
    if (pieces === undefined) {
      pieces = Buffer.concat([this.#bus, paePiece(Buffer.from([number])), paePiece(topic)]);
      if (kept.size >= MAX_TOPICS) kept.clear();
      kept.set(topic, pieces);
    }
    return pieces;
  }
}

/** Puts a text together in a buffer that is used again: what it answers is valid until the next `begin`. */
export class PaeWriter {
  readonly #scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #length = 0;

  begin(): this {
    this.#length = 0;
    return this;
  }

  /** Bytes that are encoded already. */
  raw(bytes: Uint8Array): this {
    this.#scratch.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  piece(bytes: Uint8Array): this {
    return this.length(bytes.length).raw(bytes);
  }

  text(text: string): this {
    const start = this.#length + 4;
    const written = this.#scratch.write(text, start, 'utf8');
    writeU32(this.#scratch, written, this.#length);
    this.#length = start + written;
    return this;
  }

  u64(value: number): this {
    this.#length = writeU64(this.#scratch, value, this.#length);
    return this;
  }

  /** Whether so many bytes more fit. */
  fits(bytes: number): boolean {
    return this.#length + 4 + bytes <= SCRATCH_BYTES;
  }

  /** The length of a piece alone. */
  length(bytes: number): this {
    writeU32(this.#scratch, bytes, this.#length);
    this.#length += 4;
    return this;
  }

  done(): Buffer {
    return this.#scratch.subarray(0, this.#length);
  }
}

/** Eight bytes as a number, or undefined over 2^53 - 1. */
export function readU64(bytes: Buffer, at: number): number | undefined {
  const high = bytes.readUInt32BE(at);
  return high > 0x1f_ffff ? undefined : high * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}
