/**
 * The numbers of the wire format, version 1: they are for ever. docs/wire-format.md says the same in prose.
 *
 * A change of anything here is a new version of the format. What is in the tables can never be renumbered, because a
 * strict decoder refuses what it does not know. The kinds of records are in kinds.ts.
 */

/** The first two bytes of every packet: 'TB'. */
export const PACKET_MAGIC = 0x5442;

/** The version of the packet layout that this file describes. */
export const PACKET_VERSION = 1;

/** magic 2, version 1, flags 1, record count 2, epoch 8, first sequence 8, sent time 8. */
export const PACKET_HEADER_BYTES = 30;

/** The one flag of this version: the records come in runs, each with a topic of its own. Only published packets have it. */
export const RUNS_FLAG = 1;

/** What a run adds beside its topic: topic length 1, first sequence 8, count 2. */
export const RUN_OVERHEAD_BYTES = 11;

/** What a record adds beside its header block and its payload: their two lengths. */
export const RECORD_OVERHEAD_BYTES = 6;

/** Both lengths, and a header block that holds nothing but the kind. */
export const MIN_RECORD_BYTES: number = RECORD_OVERHEAD_BYTES + 1;

/**
 * Payloads longer than this travel as frames of their own, uncopied. About here the copy into the packet costs as much as one
 * more frame does (about a microsecond each).
 */
export const LARGE_PAYLOAD_BYTES = 8192;

/** The top bit of a payload length: the payload is the next extra frame, and the rest is that frame's length. */
export const EXTRA_FRAME_BIT = 0x8000_0000;

/** The top bit of a header value's length: the value is bytes and not text. */
export const BYTES_VALUE_BIT = 0x8000;

/** At most this many headers on one message. */
export const MAX_HEADERS = 64;

/** At most this many bytes of encoded headers on one message. */
export const MAX_HEADER_BLOCK_BYTES = 16_384;

/** A header name: short enough for one length byte, and ASCII, so that no two names look alike. */
export const HEADER_NAME_PATTERN: RegExp = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Header names that travel as one byte. Numbers stay under 32, because the decoder finds duplicates with a bit mask. */
export const WELL_KNOWN_HEADERS = {
  topic: 1,
  traceparent: 2,
  tracestate: 3,
  baggage: 4,
  'content-type': 5,
  'message-id': 6,
  correlation: 7,
  'timeout-ms': 8,
  ttl: 9,
  'error-code': 10,
  sender: 11,
  signature: 12,
  'content-encoding': 13,
  bind: 14,
  attempt: 15,
} as const;

/** The id of the one header that stands last, outside of what is signed and authenticated. */
export const SIGNATURE_ID: number = WELL_KNOWN_HEADERS.signature;

/** The well-known headers whose value is bytes; that of every other well-known header is text. */
export const BYTES_HEADERS: ReadonlySet<string> = new Set<keyof typeof WELL_KNOWN_HEADERS>(['signature', 'bind']);

const namesById: string[] = [];
for (const [name, id] of Object.entries(WELL_KNOWN_HEADERS)) namesById[id] = name;

/** The name of a well-known header by its id. */
export const HEADER_NAME_BY_ID: readonly (string | undefined)[] = namesById;

/** The id of a well-known header by its name: a Map, so that `constructor` is not one. */
export const HEADER_ID_BY_NAME: ReadonlyMap<string, number> = new Map(Object.entries(WELL_KNOWN_HEADERS));

/** What a receiver accepts at most. All of it is checked before anything is allocated. */
export interface PacketLimits {
  /** Frames of one packet: itself and its large payloads, 1 to 65536. @default 256 */
  readonly maxFrames: number;
  /** Records in one packet, 1 to 65535. @default 8192 */
  readonly maxRecords: number;
  /** Bytes of one record's header block, 1 to 65535. @default 16384 */
  readonly maxHeaderBytes: number;
  /** Headers of one record, from 0. @default 64 */
  readonly maxHeaders: number;
  /** Bytes of one payload, 0 to 2^31 - 1, inline or as a frame of its own. @default 67108864 */
  readonly maxPayloadBytes: number;
}

/** The limits that hold when none are given. */
export const DEFAULT_PACKET_LIMITS: PacketLimits = Object.freeze({
  maxFrames: 256,
  maxRecords: 8192,
  maxHeaderBytes: MAX_HEADER_BLOCK_BYTES,
  maxHeaders: MAX_HEADERS,
  maxPayloadBytes: 64 * 1024 * 1024,
});

/** Completes and checks limits, once, at construction; throws RangeError for a number outside of its range. */
export function packetLimits(options: { readonly [K in keyof PacketLimits]?: number | undefined } = {}): PacketLimits {
  const limits = {
    maxFrames: options.maxFrames ?? DEFAULT_PACKET_LIMITS.maxFrames,
    maxRecords: options.maxRecords ?? DEFAULT_PACKET_LIMITS.maxRecords,
    maxHeaderBytes: options.maxHeaderBytes ?? DEFAULT_PACKET_LIMITS.maxHeaderBytes,
    maxHeaders: options.maxHeaders ?? DEFAULT_PACKET_LIMITS.maxHeaders,
    maxPayloadBytes: options.maxPayloadBytes ?? DEFAULT_PACKET_LIMITS.maxPayloadBytes,
  };
  expectInteger('maxFrames', limits.maxFrames, 1, 0x1_0000);
  expectInteger('maxRecords', limits.maxRecords, 1, 0xffff);
  expectInteger('maxHeaderBytes', limits.maxHeaderBytes, 1, 0xffff);
  expectInteger('maxHeaders', limits.maxHeaders, 0, 0xffff);
  expectInteger('maxPayloadBytes', limits.maxPayloadBytes, 0, 0x7fff_ffff);
  return limits;
}

function expectInteger(name: string, value: number, from: number, to: number): void {
  if (Number.isInteger(value) && value >= from && value <= to) return;
  throw new RangeError(
    `Expected \`${name}\` to be an integer from ${String(from)} to ${String(to)}, got ${String(value)}`,
  );
}
