/**
 * Packets: what crosses the wire in one message of the transport. 1..n records, one stamp for all of them.
 *
 *     packet = 'TB' | version u8 | flags u8 | record count u16 | epoch u64 | first sequence u64 | sent time u64 | record...
 *     record = header block length u16 | header block | payload length u32 | payload
 *
 * With flag bit 0, which only published packets may have, the records come in runs (packet-runs.ts), each with its topic and its
 * first sequence; that of the head is 0 then.
 *
 * Everything is big-endian. When the top bit of the payload length is set, the payload is not in the packet: it is the next
 * extra frame, uncopied, and the rest of the length is that frame's. This file, encode-packet.ts, packet-runs.ts and header-block.ts alone know the
 * layout, docs/wire-format.md describes it to the byte.
 *
 * Decoding trusts nothing: it throws PacketError and nothing else, whatever the input, and checks every count and length
 * against the input before it allocates. Payloads are views: what is kept beyond the handler keeps its packet alive.
 */

import { DecodedRecord } from './decoded-record.ts';
import { asBuffer, checkHeaderBlock } from './header-block.ts';
import { overLimit, PacketError } from './packet-error.ts';
import type { PacketStamp } from './encode-packet.ts';
import { readU64 } from './packet-numbers.ts';
import { readRun, runBytes } from './packet-runs.ts';
import type { PacketRun } from './packet-runs.ts';
import {
  DEFAULT_PACKET_LIMITS,
  EXTRA_FRAME_BIT,
  MIN_RECORD_BYTES,
  PACKET_HEADER_BYTES,
  PACKET_MAGIC,
  PACKET_VERSION,
  RUNS_FLAG,
} from './packet-layout.ts';
import type { PacketLimits } from './packet-layout.ts';

export { encodedSize, encodePacket } from './encode-packet.ts';
export type { OutgoingRecord, PacketStamp } from './encode-packet.ts';
export type { OutgoingRun, PacketRun } from './packet-runs.ts';
export { DecodedRecord };

/** A packet that arrived. */
export interface DecodedPacket extends PacketStamp {
  readonly records: DecodedRecord[];
  /** Of a published packet of several topics: which records are about what, in order. Undefined in every other packet. */
  readonly runs?: readonly PacketRun[] | undefined;
}

/**
 * Decodes `[packet, ...large payloads]`; throws PacketError for anything but exactly that. A packet of several topics, which
 * only publishers send, is refused: {@link decodePublishedPacket} reads it.
 */
export function decodePacket(
  frames: readonly Uint8Array[],
  limits: PacketLimits = DEFAULT_PACKET_LIMITS,
): DecodedPacket {
  return decode(frames, limits, 0);
}

/** The same for a published packet, which may be one of several topics. */
export function decodePublishedPacket(
  frames: readonly Uint8Array[],
  limits: PacketLimits = DEFAULT_PACKET_LIMITS,
): DecodedPacket {
  return decode(frames, limits, RUNS_FLAG);
}

/** Whether a packet says that it is one of several topics. */
export function hasRuns(packet: Uint8Array | undefined): boolean {
  return packet?.[3] === RUNS_FLAG;
}

function decode(frames: readonly Uint8Array[], limits: PacketLimits, knownFlags: number): DecodedPacket {
  const first = frames[0];
  if (first === undefined) throw new PacketError('frames', 'no frame', 0);
  if (frames.length > limits.maxFrames) throw overLimit('frames', 'frames', limits.maxFrames, 0);
  const packet = asBuffer(first);
  const count = readRecordCount(packet, limits, knownFlags);
  const runs: PacketRun[] | undefined = hasRuns(packet) ? [] : undefined;
  const epoch = readU64(packet, 6);
  const firstSequence = readU64(packet, 14);
  const sentAtUs = readU64(packet, 22);
  // Subtracted, not added: the sum could round down to the limit.
  if (firstSequence > Number.MAX_SAFE_INTEGER - (count - 1)) {
    throw new PacketError('unsafe-integer', 'the sequence of the last record is over 2^53 - 1', 14);
  }
  if (runs !== undefined && firstSequence !== 0) throw new PacketError('runs', 'a first sequence before the runs', 14);
  const records: DecodedRecord[] = [];
  let position = PACKET_HEADER_BYTES;
  let framesUsed = 1;
  let runEnd = 0;
  for (let index = 0; index < count; index++) {
    if (runs !== undefined && index === runEnd) {
      const run = readRun(packet, position, count - index);
      runs.push(run);
      runEnd += run.count;
      position += runBytes(packet, position);
    }
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
  const decoded = { epoch, firstSequence, sentAtUs, records };
  return runs === undefined ? decoded : { ...decoded, runs };
}

function readRecordCount(packet: Buffer, limits: PacketLimits, knownFlags: number): number {
  if (packet.length < 3) throw truncated(0, 'the head');
  if (packet.readUInt16BE(0) !== PACKET_MAGIC) throw new PacketError('magic', 'not a packet', 0);
  if (packet[2] !== PACKET_VERSION) throw new PacketError('version', `version ${String(packet[2])}, not 1`, 2);
  if (packet.length < PACKET_HEADER_BYTES) throw truncated(packet.length, 'the head');
  if (((packet[3] ?? 0) & ~knownFlags) !== 0) throw new PacketError('flags', `unknown flags ${String(packet[3])}`, 3);
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
