/** The first frame of a published packet: the topic and one 0x00, so that libzmq's prefix filter cannot take `ab` for `a`. */

import { isUtf8 } from 'node:buffer';
import { asBuffer } from './header-block.ts';
import { PacketError } from './packet-error.ts';
import { MAX_TOPIC_BYTES, topicFault, TOPIC_TERMINATOR } from './topics.ts';

/** The frame of a valid topic. Worth keeping: it is the same for every packet of the topic. */
export function encodeTopicFrame(topic: string): Uint8Array {
  // Not Buffer.from, which takes a slice of a shared pool: a frame that is kept would keep all of it.
  const frame = Buffer.allocUnsafeSlow(Buffer.byteLength(topic) + 1);
  frame.write(topic + TOPIC_TERMINATOR);
  return frame;
}

/** The topic of a frame, which may be a reserved one; throws PacketError unless the frame is a valid topic and its terminator. */
export function decodeTopicFrame(frame: Uint8Array): string {
  const bytes = asBuffer(frame);
  const end = bytes.length - 1;
  if (end > MAX_TOPIC_BYTES) throw new PacketError('topic', `over ${String(MAX_TOPIC_BYTES)} bytes`, MAX_TOPIC_BYTES);
  if (bytes[end] !== 0) throw new PacketError('topic', 'not ended by 0x00', Math.max(end, 0));
  if (!isUtf8(bytes)) throw new PacketError('topic', 'not UTF-8', 0);
  const topic = bytes.toString('utf8', 0, end);
  const fault = topicFault(topic);
  if (fault !== undefined) throw new PacketError('topic', fault, 0);
  return topic;
}
