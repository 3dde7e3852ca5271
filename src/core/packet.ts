/**
 * Packets: what crosses the wire in one message of the transport. 1..n records, one stamp for all of them.
 *
 *     packet = 'TB' | version u8 | flags u8 | record count u16 | epoch u64 | first sequence u64 | sent time u64 | record...
 *     record = header block length u16 | header block | payload length u32 | payload
 *
 * Everything is big-endian. When the top bit of the payload length is set, the payload is not in the packet: it is the next
 * extra frame, uncopied, and the rest of the length is that frame's. This file and header-block.ts alone know the layout,
 * docs/wire-format.md describes it to the byte.
 *
 * Decoding trusts nothing: it throws PacketError and nothing else, whatever the input, and checks every count and length
 * against the input before it allocates. Payloads are views: what is kept beyond the handler keeps its packet alive.
 */

import { DecodedRecord } from './decoded-record.ts';
import { asBuffer, checkHeaderBlock } from './header-block.ts';
import { overLimit, PacketError } from './packet-error.ts';
import { expectSafe, readU64, writeU32, writeU64 } from './packet-numbers.ts';
import {
  DEFAULT_PACKET_LIMITS,
  EXTRA_FRAME_BIT,
  LARGE_PAYLOAD_BYTES,
  MIN_RECORD_BYTES,
  PACKET_HEADER_BYTES,
  PACKET_MAGIC,
  PACKET_VERSION,
  RECORD_OVERHEAD_BYTES,
} from './packet-layout.ts';
import type { PacketLimits } from './packet-layout.ts';

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
  /** The sequence of the first record; the others follow without a gap. */
  readonly firstSequence: number;
  /** When the packet was sealed, in microseconds since 1970. */
  readonly sentAtUs: number;
}

export { DecodedRecord };

/** A packet that arrived. */
export interface DecodedPacket extends PacketStamp {
  readonly records: DecodedRecord[];
}

/** The bytes that a record adds to the packet itself; a large payload is not among them. */
export function encodedSize(record: OutgoingRecord): number {
  const payloadBytes = record.payload.length;
  return RECORD_OVERHEAD_BYTES + record.headerBlock.length + (payloadBytes > LARGE_PAYLOAD_BYTES ? 0 : payloadBytes);
}

/**
 * Encodes a packet into its frames: the packet, then the large payloads. The packet is a fresh buffer each time, never a
 * pooled one, because libzmq refers to it until it has been sent. Throws RangeError for what has no encoding.
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
export function encodePacket(records: readonly OutgoingRecord[], stamp: PacketStamp): Uint8Array[] {
  const count = records.length;
  if (count < 1 || count > 0xffff) throw new RangeError(`Expected 1 to 65535 records, got ${String(count)}`);
  expectSafe('epoch', stamp.epoch, 0);
  expectSafe('firstSequence', stamp.firstSequence, count - 1);
  expectSafe('sentAtUs', stamp.sentAtUs, 0);
  let size = PACKET_HEADER_BYTES;
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
  packet.writeUInt16BE(PACKET_MAGIC, 0);
  packet[2] = PACKET_VERSION;
  packet[3] = 0;
  packet.writeUInt16BE(count, 4);
  writeU64(packet, stamp.epoch, 6);
  writeU64(packet, stamp.firstSequence, 14);
  writeU64(packet, stamp.sentAtUs, 22);
  let position = PACKET_HEADER_BYTES;
  for (const record of records) position = writeRecord(packet, position, record, extra);
  return [hasText ? copyOf(packet, position) : packet, ...extra];
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

function writeHeaders(packet: Buffer, start: number, headerBlock: Uint8Array): number {
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

/** Decodes `[packet, ...large payloads]`; throws PacketError for anything but exactly that. */
export function decodePacket(
  frames: readonly Uint8Array[],
  limits: PacketLimits = DEFAULT_PACKET_LIMITS,
): DecodedPacket {
  const first = frames[0];
  if (first === undefined) throw new PacketError('frames', 'no frame', 0);
  if (frames.length > limits.maxFrames) throw overLimit('frames', 'frames', limits.maxFrames, 0);
  const packet = asBuffer(first);
  const count = readRecordCount(packet, limits);
  const epoch = readU64(packet, 6);
  const firstSequence = readU64(packet, 14);
  const sentAtUs = readU64(packet, 22);
  // Subtracted, not added: the sum could round down to the limit.
  if (firstSequence > Number.MAX_SAFE_INTEGER - (count - 1)) {
    throw new PacketError('unsafe-integer', 'the sequence of the last record is over 2^53 - 1', 14);
  }
  const records: DecodedRecord[] = [];
  let position = PACKET_HEADER_BYTES;
  let framesUsed = 1;
  for (let index = 0; index < count; index++) {
    const headerStart = position + 2;
    if (headerStart > packet.length) throw truncated(position, 'a record');
    const headerEnd = headerStart + (((packet[position] ?? 0) << 8) | (packet[position + 1] ?? 0));
    if (headerEnd - headerStart > limits.maxHeaderBytes) {
      throw overLimit('header-length', 'bytes of headers', limits.maxHeaderBytes, position);
    }
    const payloadStart = headerEnd + 4;
    if (payloadStart > packet.length) throw truncated(position, 'a header block');
    checkHeaderBlock(packet, headerStart, headerEnd, limits);
    const lengthWord = packet.readUInt32BE(headerEnd);
    const isExtra = lengthWord >= EXTRA_FRAME_BIT;
    const payloadBytes = isExtra ? lengthWord - EXTRA_FRAME_BIT : lengthWord;
    if (payloadBytes > limits.maxPayloadBytes) {
      throw overLimit('payload-length', 'bytes of payload', limits.maxPayloadBytes, headerEnd);
    }
    let payload: Buffer;
    if (isExtra) {
      payload = extraFrame(frames[framesUsed++], payloadBytes, headerEnd);
      position = payloadStart;
    } else {
      position = payloadStart + payloadBytes;
      if (position > packet.length) throw truncated(headerEnd, 'a payload');
      payload = packet.subarray(payloadStart, position);
    }
    records.push(new DecodedRecord(payload, packet, headerStart, headerEnd));
  }
  if (position !== packet.length) throw new PacketError('trailing-bytes', 'bytes after the last record', position);
  if (framesUsed !== frames.length) {
    throw new PacketError(
      'extra-frames',
      `${String(frames.length - framesUsed)} frames that no record asks for`,
      position,
    );
  }
  return { epoch, firstSequence, sentAtUs, records };
}

function readRecordCount(packet: Buffer, limits: PacketLimits): number {
  if (packet.length < 3) throw truncated(0, 'the head');
  if (packet.readUInt16BE(0) !== PACKET_MAGIC) throw new PacketError('magic', 'not a packet', 0);
  if (packet[2] !== PACKET_VERSION) throw new PacketError('version', `version ${String(packet[2])}, not 1`, 2);
  if (packet.length < PACKET_HEADER_BYTES) throw truncated(packet.length, 'the head');
  if (packet[3] !== 0) throw new PacketError('flags', `unknown flags ${String(packet[3])}`, 3);
  const count = packet.readUInt16BE(4);
  if (count > limits.maxRecords) throw overLimit('record-count', 'records', limits.maxRecords, 4);
  if (count < 1) throw new PacketError('record-count', 'no records', 4);
  // Refused before the first record is made of a packet that could never hold so many.
  if (count * MIN_RECORD_BYTES > packet.length - PACKET_HEADER_BYTES)
    throw truncated(4, `a packet of ${String(count)} records`);
  return count;
}

function extraFrame(frame: Uint8Array | undefined, payloadBytes: number, at: number): Buffer {
  if (frame === undefined) throw new PacketError('extra-frames', 'the frame of a large payload is missing', at);
  if (frame.length !== payloadBytes) {
    const lengths = `${String(frame.length)} bytes, declared ${String(payloadBytes)}`;
    throw new PacketError('extra-frames', `the frame of a large payload has ${lengths}`, at);
  }
  return asBuffer(frame);
}

function truncated(at: number, what: string): PacketError {
  return new PacketError('truncated', `${what} beyond the end`, at);
}
