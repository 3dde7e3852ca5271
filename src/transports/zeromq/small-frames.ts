/**
 * The frames of a packet as the binding takes them best.
 *
 * It copies Buffers of up to 128 bytes at once. For a larger one it makes a reference, and its I/O thread wakes the event loop to drop it,
 * before the message has left: that took a fifth of the time of a lone request. Text it copies at any length.
 */
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';

/** What the binding copies (`zero_copy_threshold` in its outgoing_msg.cc). */
const COPIED_BYTES = 128;

/** A frame of a message. */
export type Frame = string | Uint8Array;

/** The frames of a native packet, see the head of this file. */
export function smallFrames(packet: OutgoingPacket): Frame[] {
  return packet.framesWithText(COPIED_BYTES);
}

/** How long a frame is on the wire, or at least: text of a few characters is not measured. */
export function frameBytes(frame: Frame): number {
  return typeof frame === 'string' ? Buffer.byteLength(frame, 'utf8') : frame.byteLength;
}
