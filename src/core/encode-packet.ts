/** Writes packets; the layout is at the head of packet.ts. */
import { expectSafe, writeU32, writeU64 } from './packet-numbers.ts';
import { runsSize, writeRun } from './packet-runs.ts';
import type { OutgoingRun } from './packet-runs.ts';
import {
  EXTRA_FRAME_BIT,
  LARGE_PAYLOAD_BYTES,
  PACKET_HEADER_BYTES,
  PACKET_MAGIC,
  PACKET_VERSION,
  RECORD_OVERHEAD_BYTES,
  RUNS_FLAG,
} from './packet-layout.ts';

/** A UTF-16 unit becomes at most so many bytes. */
const UTF8_BYTES_PER_CHARACTER = 3;

/** Packets with text are built here; holds what fits into one packet (about 32 KB of it) at its largest. */
const SCRATCH_BYTES = 131_072;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** One record to send. Both byte arrays belong to the packet from the call on. */
export interface OutgoingRecord {
  /** The payload as text that is to be encoded into the packet: at most 2,048 characters. Asking for `payload` encodes it elsewhere. */
  readonly text?: string | undefined;
  /** What `encodeHeaderBlock` made. */
  readonly headerBlock: Uint8Array;
  /** At most 2^31 - 1 bytes; over 8192 it travels uncopied. */
  readonly payload: Uint8Array;
}

/** What the records of a packet share. All three are safe integers from 0. */
export interface PacketStamp {
  /** Random per stream: a new one says that sequences begin anew. */
  readonly epoch: number;
  /** The sequence of the first record; the others follow without a gap. 0 where runs have sequences of their own. */
  readonly firstSequence: number;
  /** When the packet was sealed, in microseconds since 1970. */
  readonly sentAtUs: number;
}

/** The bytes that a record adds to the packet itself; a large payload is not among them. */
export function encodedSize(record: OutgoingRecord): number {
  const payloadBytes = record.payload.length;
  return RECORD_OVERHEAD_BYTES + record.headerBlock.length + (payloadBytes > LARGE_PAYLOAD_BYTES ? 0 : payloadBytes);
}

/**
 * Encodes a packet into its frames: the packet, then the payloads with frames of their own. The packet is a fresh buffer each time,
 * never a pooled one, because libzmq refers to it until it has been sent. Throws RangeError for what has no encoding.
 * @param runs of a published packet of several topics: together they have all the records, and `stamp.firstSequence` is 0
 *
 * @example
 * ```ts
 * import { decodePacket, encodePacket } from 'tracebus/core';
 * import type { OutgoingPacket } from 'tracebus/core';
 *
 * // What a transport of your own sends, and what it hands to `onPacket` on the other side.
 * const send = (packet: OutgoingPacket) => encodePacket(packet.records, packet.stamp);
 * const receive = (topic: string | undefined, frames: Uint8Array[]) => ({ topic, packet: decodePacket(frames) });
 * ```
 */
export function encodePacket(
  records: readonly OutgoingRecord[],
  stamp: PacketStamp,
  runs?: readonly OutgoingRun[],
): Uint8Array[] {
  const count = records.length;
  if (count < 1 || count > 0xffff) throw new RangeError(`Expected 1 to 65535 records, got ${String(count)}`);
  expectSafe('epoch', stamp.epoch, 0);
  expectSafe('firstSequence', stamp.firstSequence, runs === undefined ? count - 1 : Number.MAX_SAFE_INTEGER);
  expectSafe('sentAtUs', stamp.sentAtUs, 0);
  let size = PACKET_HEADER_BYTES + (runs === undefined ? 0 : runsSize(runs, count));
  let hasText = false;
  for (const record of records) {
    const { text } = record;
    if (text === undefined) size += encodedSize(record);
    else {
      hasText = true;
      size += RECORD_OVERHEAD_BYTES + record.headerBlock.length + text.length * UTF8_BYTES_PER_CHARACTER;
    }
  }
  // How many bytes text becomes is known when it is written: then the packet is copied out at its size.
  const packet = hasText ? scratchOf(size) : Buffer.allocUnsafeSlow(size);
  const extra: Uint8Array[] = [];
  writeHead(packet, count, stamp, runs === undefined ? 0 : RUNS_FLAG);
  let position = PACKET_HEADER_BYTES;
  if (runs === undefined) for (const record of records) position = writeRecord(packet, position, record, extra);
  else position = writeRuns(packet, records, runs, extra);
  return [hasText ? copyOf(packet, position) : packet, ...extra];
}

function writeRuns(
  packet: Buffer,
  records: readonly OutgoingRecord[],
  runs: readonly OutgoingRun[],
  extra: Uint8Array[],
): number {
  let position = PACKET_HEADER_BYTES;
  let index = 0;
  for (const run of runs) {
    position = writeRun(packet, position, run);
    for (const end = index + run.count; index < end; index++) {
      const record = records[index];
      if (record !== undefined) position = writeRecord(packet, position, record, extra);
    }
  }
  return position;
}

/** The first {@link PACKET_HEADER_BYTES} bytes of a packet. */
export function writeHead(packet: Buffer, count: number, stamp: PacketStamp, flags: number): void {
  packet.writeUInt16BE(PACKET_MAGIC, 0);
  packet[2] = PACKET_VERSION;
  packet[3] = flags;
  packet.writeUInt16BE(count, 4);
  writeU64(packet, stamp.epoch, 6);
  writeU64(packet, stamp.firstSequence, 14);
  writeU64(packet, stamp.sentAtUs, 22);
}

function scratchOf(size: number): Buffer {
  return size <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafeSlow(size);
}

function copyOf(packet: Buffer, size: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(size);
  packet.copy(copy, 0, 0, size);
  return copy;
}

function writeRecord(packet: Buffer, start: number, record: OutgoingRecord, extra: Uint8Array[]): number {
  const { text } = record;
  const position = writeHeaders(packet, start, record.headerBlock);
  if (text !== undefined) {
    const bytes = packet.write(text, position + 4, 'utf8');
    writeU32(packet, bytes, position);
    return position + 4 + bytes;
  }
  const { payload } = record;
  const payloadBytes = payload.length;
  if (payloadBytes > 0x7fff_ffff) throw new RangeError(`A payload of ${String(payloadBytes)} bytes has no encoding`);
  const isLarge = payloadBytes > LARGE_PAYLOAD_BYTES;
  writeU32(packet, isLarge ? payloadBytes + EXTRA_FRAME_BIT : payloadBytes, position);
  if (isLarge) {
    extra.push(payload);
    return position + 4;
  }
  packet.set(payload, position + 4);
  return position + 4 + payloadBytes;
}

/** The header block with its length; answers where it ends. */
export function writeHeaders(packet: Buffer, start: number, headerBlock: Uint8Array): number {
  const headerBytes = headerBlock.length;
  if (headerBytes < 1 || headerBytes > 0xffff) {
    throw new RangeError(`A header block of ${String(headerBytes)} bytes has no encoding`);
  }
  let position = start;
  packet[position++] = headerBytes >>> 8;
  packet[position++] = headerBytes;
  // Most blocks are the kind alone, and set() is a call into the runtime.
  if (headerBytes === 1) packet[position] = headerBlock[0] ?? 0;
  else packet.set(headerBlock, position);
  return position + headerBytes;
}
