/** Integers in packets: big-endian, and up to 2^53 - 1 in eight bytes without a BigInt. */
import { PacketError } from './packet-error.ts';

/** @throws RangeError unless the value and `room` more are safe integers */
export function expectSafe(name: string, value: number, room: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER - room) return;
  throw new RangeError(`Expected \`${name}\` to be a safe integer from 0, got ${String(value)}`);
}

/** As two halves: a BigInt would cost an allocation. Answers where the next byte goes. */
export function writeU64(bytes: Buffer, value: number, at: number): number {
  writeU32(bytes, Math.floor(value / 0x1_0000_0000), at);
  writeU32(bytes, value, at + 4);
  return at + 8;
}

/** @throws PacketError over 2^53 - 1 */
export function readU64(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32BE(at);
  if (high > 0x1f_ffff) throw new PacketError('unsafe-integer', 'a number over 2^53 - 1', at);
  return high * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

export function writeU32(packet: Buffer, value: number, at: number): void {
  packet[at] = value >>> 24;
  packet[at + 1] = value >>> 16;
  packet[at + 2] = value >>> 8;
  packet[at + 3] = value;
}
