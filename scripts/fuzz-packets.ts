/**
 * Feeds mutated packets to the decoder: `npx tsx scripts/fuzz-packets.ts [--count 1000000] [--seed 1]`.
 *
 * Each round takes a valid packet, of one topic or of several, breaks it (bits flipped, bytes spliced, cut, inserted, lengths overwritten, extra frames
 * dropped, doubled or resized) and decodes it. The decoder may refuse it with a PacketError, or read it: then what it read
 * must survive encoding and decoding once more. The seed is printed, and gives the same packets again.
 */

import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { MessageHeaders, encodeHeaderBlock } from '../src/core/headers.ts';
import type { DecodedPacket, OutgoingRecord, OutgoingRun } from '../src/core/packet.ts';
import { decodePublishedPacket, encodePacket } from '../src/core/packet.ts';
import { PacketError } from '../src/core/packet-error.ts';

/** What a run of {@link fuzzPackets} saw. */
export interface FuzzReport {
  readonly seed: number;
  readonly count: number;
  /** Mutated packets that were still readable. */
  readonly readable: number;
  /** The others, by the reason of their PacketError. */
  readonly refused: Record<string, number>;
}

/** Decodes `count` mutated packets; throws an Error naming seed and round when the decoder misbehaves. */
export function fuzzPackets({ count, seed }: { readonly count: number; readonly seed: number }): FuzzReport {
  const random = mulberry32(seed);
  const refused: Record<string, number> = {};
  let readable = 0;
  for (let round = 0; round < count; round++) {
    const frames = mutate(validFrames(random), random);
    try {
      const packet = decodePublishedPacket(frames);
      readable++;
      const complaint = instability(packet);
      if (complaint !== undefined) throw new Error(complaint);
    } catch (error) {
      if (!(error instanceof PacketError)) {
        const hex = frames.map((frame) => Buffer.from(frame).toString('hex')).join(' ');
        throw new Error(`seed ${String(seed)}, round ${String(round)}: ${String(error)}; frames ${hex}`, {
          cause: error,
        });
      }
      refused[error.reason] = (refused[error.reason] ?? 0) + 1;
    }
  }
  return { seed, count, readable, refused };
}

/** A small random number generator with a seed (mulberry32): 0 <= n < 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const below = (limit: number, random: () => number): number => Math.floor(random() * limit);

function validFrames(random: () => number): Buffer[] {
  const records = Array.from({ length: 1 + below(4, random) }, () => validRecord(random));
  const runs = random() < 0.5 ? validRuns(records.length, random) : undefined;
  const stamp = {
    epoch: below(2 ** 53, random),
    firstSequence: runs === undefined ? below(2 ** 40, random) : 0,
    sentAtUs: below(2 ** 52, random),
  };
  return encodePacket(records, stamp, runs).map((frame) => Buffer.from(frame));
}

const TOPICS = ['a', 'price.tick', 'größe.länge', 'x'.repeat(255)];

function validRuns(records: number, random: () => number): OutgoingRun[] {
  const runs: OutgoingRun[] = [];
  for (let left = records; left > 0; left -= runs.at(-1)?.count ?? left) {
    const topic = TOPICS[below(TOPICS.length, random)] ?? 'a';
    runs.push(asOutgoing({ topic, firstSequence: below(2 ** 40, random), count: 1 + below(left, random) }));
  }
  return runs;
}

function asOutgoing(run: Omit<OutgoingRun, 'topicBytes'>): OutgoingRun {
  return { ...run, topicBytes: Buffer.from(run.topic) };
}

const LARGE = Buffer.alloc(8193, 0x61);

function validRecord(random: () => number): OutgoingRecord {
  const headers = new MessageHeaders();
  if (random() < 0.5) headers.set('topic', 'price.tick');
  if (random() < 0.3) headers.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  if (random() < 0.3) headers.set('x-city', 'Zürich');
  if (random() < 0.2) headers.set('x-bytes', new Uint8Array([0, 255]));
  if (random() < 0.2) headers.set('signature', new Uint8Array(32));
  const payload = random() < 0.1 ? LARGE : Buffer.alloc(below(40, random), 0x7b);
  return { headerBlock: encodeHeaderBlock(1 + below(7, random), headers), payload };
}

const LENGTHS = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

function mutate(frames: Buffer[], random: () => number): Buffer[] {
  const mutated = [...frames];
  for (let left = 1 + below(3, random); left > 0; left--) mutateFrames(mutated, random);
  return mutated;
}

function mutateFrames(frames: Buffer[], random: () => number): void {
  // Nearly always the packet itself: in a payload's frame only its length matters.
  const at = random() < 0.9 ? 0 : below(frames.length, random);
  const frame = frames[at];
  if (frame === undefined) return;
  const position = below(frame.length + 1, random);
  switch (below(8, random)) {
    case 0:
      if (position < frame.length) frame[position] = (frame[position] ?? 0) ^ (1 << below(8, random));
      return;
    case 1:
      if (position < frame.length) frame[position] = below(256, random);
      return;
    case 2:
      frames[at] = frame.subarray(0, position);
      return;
    case 3: {
      const other = below(frame.length + 1, random);
      frames[at] = Buffer.concat([frame.subarray(0, position), frame.subarray(other)]);
      return;
    }
    case 4: {
      const junk = Buffer.from(Array.from({ length: 1 + below(8, random) }, () => below(256, random)));
      frames[at] = Buffer.concat([frame.subarray(0, position), junk, frame.subarray(position)]);
      return;
    }
    case 5:
      if (position + 4 <= frame.length) frame.writeUInt32BE(LENGTHS[below(LENGTHS.length, random)] ?? 0, position);
      return;
    case 6:
      if (position + 2 <= frame.length) {
        frame.writeUInt16BE((LENGTHS[below(LENGTHS.length, random)] ?? 0) & 0xffff, position);
      }
      return;
    default:
      if (random() < 0.5) frames.splice(at, 1);
      else frames.splice(at, 0, frame);
  }
}

/** What is wrong with a packet that was read: encoded again it must be the same. */
function instability(packet: DecodedPacket): string | undefined {
  for (const { kind, headers, headerBlock } of packet.records) {
    const block = encodeHeaderBlock(kind, headers);
    if (Buffer.compare(block, headerBlock) !== 0) return 'another header block when encoded again';
  }
  try {
    const again = decodePublishedPacket(encodePacket(packet.records, packet, packet.runs?.map(asOutgoing)));
    if (describePacket(packet) !== describePacket(again)) return 'another packet when encoded again';
  } catch (error) {
    return `encoded again: ${String(error)}`;
  }
  return undefined;
}

function describePacket({ records, runs }: DecodedPacket): string {
  return `${JSON.stringify(runs)} ${records.map(describe).join()}`;
}

function describe({ kind, headerBlock, payload }: OutgoingRecord & { readonly kind: number }): string {
  return `${String(kind)} ${Buffer.from(headerBlock).toString('hex')} ${Buffer.from(payload).toString('hex')}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed ${String(seed)}`);
  console.log(fuzzPackets({ count: Number(values.count ?? 1_000_000), seed }));
}
