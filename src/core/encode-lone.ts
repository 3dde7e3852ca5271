/**
 * Writes the packet of one record whose payload is text as two frames: a small packet, and the text as it is. Sockets copy what is small at once; a
 * larger buffer they keep, and tell the event loop when they are done with it, which wakes a process that waits for its next message.
 */
import { writeHead, writeHeaders } from './encode-packet.ts';
import type { OutgoingRecord, PacketStamp } from './encode-packet.ts';
import { EXTRA_FRAME_BIT, PACKET_HEADER_BYTES, RECORD_OVERHEAD_BYTES } from './packet-layout.ts';
import { writeU32 } from './packet-numbers.ts';

/** `[packet, text]`; undefined where the packet alone would have more than `mostBytes`, or packet and text together no more. */
export function encodeLone(
  { headerBlock }: OutgoingRecord,
  text: string,
  stamp: PacketStamp,
  mostBytes: number,
): [packet: Uint8Array, text: string] | undefined {
  const size = PACKET_HEADER_BYTES + RECORD_OVERHEAD_BYTES + headerBlock.length;
  if (size > mostBytes) return undefined;
  const textBytes = Buffer.byteLength(text, 'utf8');
  if (size + textBytes <= mostBytes) return undefined;
  const packet = Buffer.allocUnsafe(size);
  writeHead(packet, 1, stamp);
  writeU32(packet, textBytes + EXTRA_FRAME_BIT, writeHeaders(packet, PACKET_HEADER_BYTES, headerBlock));
  return [packet, text];
}
