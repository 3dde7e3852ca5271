/**
 * `order: 'topic'`: who stands apart. Topics share one lane, and so packets, as under `order: 'global'`, except where one must not hold the others
 * up, because a chain of its still runs, or goes in packets of its own, which get fuller the longer it waits. Such a topic has a lane to itself until
 * that is empty. Those that stay are brought together by their routes (Lane.group), a batch at a time: only a topic's own order counts.
 */
import type { Lane } from './lane.ts';
import type { PacketRoute } from './outgoing-packet.ts';
import type { PacketSink } from './transport.ts';

/** How topics go just now. */
export interface TopicRoutes {
  /** Those that have the same may share packets. */
  readonly routeOf: (topic: string) => PacketRoute | undefined;
  /** Whether a topic goes in packets of its own. */
  readonly goesAlone: (topic: string) => boolean;
}

/** How they go through this sink, in packets of at most so many records. */
export function topicRoutes(sink: PacketSink, maxRecords: number): TopicRoutes {
  const routeOf = (topic: string): PacketRoute | undefined => sink.routeOf?.(topic);
  return { routeOf, goesAlone: (topic) => maxRecords > 1 && routeOf(topic) === undefined };
}

/** Takes out of the common lane all slots of the topics that are to stand apart, in their order. */
export function partTopics(common: Lane, { goesAlone }: TopicRoutes, laneOf: (topic: string) => Lane): void {
  const apart = new Set<string>();
  for (const { state, topic } of common.all()) {
    if (state === 'void' || state === 'sent' || apart.has(topic)) continue;
    if (state === 'reserved' || goesAlone(topic)) apart.add(topic);
  }
  // With what they have before that place too, which must stay before it.
  for (const slot of common.take(({ topic }) => apart.has(topic))) laneOf(slot.topic).push(slot);
}
