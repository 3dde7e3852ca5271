/**
 * Topics as they stand in packets of several topics: bytes become text. Each record of such a packet may name another one, and
 * decoding and checking costs more than the rest of the record; so what was decoded is kept, found by a hash of its bytes and
 * compared byte by byte.
 */
import { isUtf8 } from 'node:buffer';
import { PacketError } from './packet-error.ts';
import { messageTopicFault } from './topics.ts';

/** Topics kept, for all links of the process. When there are more, keeping starts anew: no flood of topics makes it grow. */
const KEPT_TOPICS = 10_000;

/** FNV-1a: https://datatracker.ietf.org/doc/draft-eastlake-fnv/ */
const FNV_OFFSET = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

interface KnownTopic {
  readonly bytes: Uint8Array;
  readonly topic: string;
}

/** By hash; of two topics with the same one the later is kept. */
const known = new Map<number, KnownTopic>();

/** The topic in `bytes[start, end)`. Throws PacketError unless it is one that users may publish to. */
export function topicNameAt(bytes: Buffer, start: number, end: number): string {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), FNV_PRIME);
  const found = known.get(hash);
  if (found !== undefined && isSame(found.bytes, bytes, start, end)) return found.topic;
  const topic = decodeTopic(bytes.subarray(start, end), start);
  if (known.size >= KEPT_TOPICS) known.clear();
  // A copy: a view would keep the whole packet.
  known.set(hash, { bytes: Uint8Array.prototype.slice.call(bytes, start, end), topic });
  return topic;
}

function isSame(kept: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (kept.length !== end - start) return false;
  for (let at = start; at < end; at++) if (bytes[at] !== kept[at - start]) return false;
  return true;
}

function decodeTopic(bytes: Buffer, at: number): string {
  if (!isUtf8(bytes)) throw new PacketError('topic', 'not UTF-8', at);
  const topic = bytes.toString('utf8');
  const fault = messageTopicFault(topic);
  if (fault !== undefined) throw new PacketError('topic', fault, at);
  return topic;
}
