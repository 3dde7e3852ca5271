/**
 * Runs: what a packet of several topics has in front of each stretch of records of one topic.
 *
 *     run = topic length u8 | topic | first sequence u64 | count u16, then as many records
 *
 * A feed that takes its topics in turn has one run for each record, so what repeats is kept: the bytes of a topic at the sender
 * (streams.ts), its text at the receiver (topic-names.ts).
 */
import { PacketError } from './packet-error.ts';
import { expectSafe, readU64, writeU64 } from './packet-numbers.ts';
import { RUN_OVERHEAD_BYTES } from './packet-layout.ts';
import { MAX_TOPIC_BYTES } from './topics.ts';
import { topicNameAt } from './topic-names.ts';

/** Records of one topic that follow each other in a packet of several topics. */
export interface PacketRun {
  /** One that users may publish to. */
  readonly topic: string;
  /** The sequence of the first record; the others follow without a gap. */
  readonly firstSequence: number;
  /** How many records, from 1. */
  readonly count: number;
}

/** A run to send. */
export interface OutgoingRun extends PacketRun {
  /** The topic in UTF-8, 1 to 255 bytes. */
  readonly topicBytes: Uint8Array;
}

/** The bytes that all runs add. Throws RangeError unless together they have `count` records, and each has an encoding. */
export function runsSize(runs: readonly OutgoingRun[], count: number): number {
  let size = 0;
  let left = count;
  for (const run of runs) {
    const topicBytes = run.topicBytes.length;
    if (topicBytes < 1 || topicBytes > MAX_TOPIC_BYTES) {
      throw new RangeError(`A topic of ${String(topicBytes)} bytes has no encoding`);
    }
    if (run.count < 1 || run.count > left) {
      throw new RangeError(`A run of ${String(run.count)} records where ${String(left)} are left`);
    }
    expectSafe('firstSequence', run.firstSequence, run.count - 1);
    left -= run.count;
    size += RUN_OVERHEAD_BYTES + topicBytes;
  }
  if (left > 0) throw new RangeError(`${String(left)} records that belong to no run`);
  return size;
}

/** Writes the head of a run; answers where its first record goes. */
export function writeRun(packet: Buffer, start: number, { topicBytes, firstSequence, count }: OutgoingRun): number {
  const length = topicBytes.length;
  let position = start;
  packet[position++] = length;
  // Topics are short, and set() is a call into the runtime.
  for (let index = 0; index < length; index++) packet[position++] = topicBytes[index] ?? 0;
  position = writeU64(packet, firstSequence, position);
  packet[position++] = count >>> 8;
  packet[position++] = count;
  return position;
}

/** Reads the head of a run; it is as long as {@link runBytes} says. Throws PacketError for more than `left` records. */
export function readRun(packet: Buffer, start: number, left: number): PacketRun {
  const topicEnd = start + 1 + (packet[start] ?? 0);
  if (topicEnd + 10 > packet.length) throw new PacketError('truncated', 'a run beyond the end', start);
  const topic = topicNameAt(packet, start + 1, topicEnd);
  const firstSequence = readU64(packet, topicEnd);
  const count = ((packet[topicEnd + 8] ?? 0) << 8) | (packet[topicEnd + 9] ?? 0);
  if (count < 1 || count > left) {
    throw new PacketError('runs', `a run of ${String(count)} records where ${String(left)} are left`, topicEnd + 8);
  }
  // Subtracted, not added: the sum could round down to the limit.
  if (firstSequence > Number.MAX_SAFE_INTEGER - (count - 1)) {
    throw new PacketError('unsafe-integer', 'the sequence of the last record is over 2^53 - 1', topicEnd);
  }
  return { topic, firstSequence, count };
}

/** How long the head of a run is that was read. */
export function runBytes(packet: Buffer, start: number): number {
  return RUN_OVERHEAD_BYTES + (packet[start] ?? 0);
}
