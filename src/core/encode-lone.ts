/**
 * Writes the packet of one record whose payload is text as two frames: a small packet, and the text as it is. Sockets copy what is small at once; a
 * larger buffer they keep, and tell the event loop when they are done with it, which wakes a process that waits for its next message.
 */
import { writeHead, writeHeaders } from './encode-packet.ts';
import type { OutgoingRecord, PacketStamp } from './encode-packet.ts';
import { EXTRA_FRAME_BIT, PACKET_HEADER_BYTES, RECORD_OVERHEAD_BYTES, RUNS_FLAG } from './packet-layout.ts';
import { writeU32 } from './packet-numbers.ts';
import { runsSize, writeRun } from './packet-runs.ts';
import type { OutgoingRun } from './packet-runs.ts';

/**
 * `[packet, text]`; undefined where the payload is no text, where the packet alone would have more than `mostBytes`, or packet and text
 * together no more. `runs` as for `encodePacket`.
 */
export function encodeLone(
  { headerBlock, text }: OutgoingRecord,
  mostBytes: number,
  stamp: PacketStamp,
  runs?: readonly OutgoingRun[],
): [packet: Uint8Array, text: string] | undefined {
  if (text === undefined) return undefined;
  const runBytes = runs === undefined ? 0 : runsSize(runs, 1);
  const size = PACKET_HEADER_BYTES + runBytes + RECORD_OVERHEAD_BYTES + headerBlock.length;
  if (size > mostBytes) return undefined;
  const textBytes = Buffer.byteLength(text, 'utf8');
  if (size + textBytes <= mostBytes) return undefined;
  const packet = Buffer.allocUnsafe(size);
  writeHead(packet, 1, stamp, runs === undefined ? 0 : RUNS_FLAG);
  let position = PACKET_HEADER_BYTES;
  for (const run of runs ?? []) position = writeRun(packet, position, run);
  writeU32(packet, textBytes + EXTRA_FRAME_BIT, writeHeaders(packet, position, headerBlock));
  return [packet, text];
}
