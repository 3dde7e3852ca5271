/** Which of the messages that wait in a lane make up the next packet. */
import type { Lane } from './lane.ts';
import type { Mix } from './mix.ts';
import type { OutgoingPacket } from './outgoing-packet.ts';
import type { Slot } from './slot.ts';

/** A packet is closed at about this size: larger ones gain nothing, and a subscriber's queue is counted in packets. */
export const PACK_BYTES = 32_768;

/** What a packet may hold. */
export interface PackingOptions {
  /** Most records in one packet. */
  readonly maxRecords: number;
  /** Records of one packet share a topic (published ones), or go by one route where a {@link Mix} says so. */
  readonly byTopic: boolean;
}

/** A packet that is offered to the sink, and what it was made of. */
export interface Offer {
  readonly slots: readonly Slot[];
  readonly packet: OutgoingPacket;
  /** Its topics, where it goes by a route. */
  readonly mix: Mix | undefined;
}

/** The records of the next packet, from the head of the lane on; none where a chain that still runs holds them back. */
export function gather(lane: Lane, mix: Mix | undefined, { byTopic, maxRecords }: PackingOptions): Slot[] {
  const slots: Slot[] = [];
  const first = lane.first();
  if (first === undefined) return slots;
  let bytes = 0;
  for (let index = 0; slots.length < maxRecords && bytes < PACK_BYTES; index++) {
    const slot = lane.at(index);
    if (slot === undefined) break;
    if (slot.state === 'void') continue;
    if (slot.state !== 'queued') break;
    if (slots.length > 0) {
      // Alone, so that the small ones do not share its fate when it turns out to be too large.
      if (slot.size >= PACK_BYTES) break;
      if (mix === undefined ? byTopic && slot.topic !== first.topic : !mix.take(slot.topic)) break;
    }
    slots.push(slot);
    bytes += slot.size + (mix === undefined ? 0 : mix.lastBytes);
  }
  return slots;
}
