/**
 * `order: 'topic'`: who stands apart. Topics share one lane, and so packets, as under `order: 'global'`, except where one must not hold the others
 * up, because a chain of its still runs, or goes in packets of its own, which get fuller the longer it waits. Such a topic has a lane to itself until
 * that is empty.
 */
import type { Lane } from './lane.ts';

/**
 * Takes out of the common lane all slots of the topics that are to stand apart, in their order.
 * @param goesAlone whether a topic goes in packets of its own
 */
export function partTopics(common: Lane, goesAlone: (topic: string) => boolean, laneOf: (topic: string) => Lane): void {
  const apart = new Set<string>();
  for (const { state, topic } of common.all()) {
    if (state === 'void' || state === 'sent' || apart.has(topic)) continue;
    if (state === 'reserved' || goesAlone(topic)) apart.add(topic);
  }
  // With what they have before that place too, which must stay before it.
  for (const slot of common.take(({ topic }) => apart.has(topic))) laneOf(slot.topic).push(slot);
}
