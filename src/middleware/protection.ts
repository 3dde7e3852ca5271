/** What `sign` and `encrypt` have in common: which topics they protect, in which direction, and what they need of a bus. */
import { BusError } from '../core/errors.ts';
import type { MiddlewareHost } from '../core/middleware.ts';
import { oneOf } from '../core/option-checks.ts';
import type { Check } from '../core/option-checks.ts';
import { TopicTrie } from '../core/topic-trie.ts';

/** In which direction a step works. */
export type ProtectDirection = 'both' | 'send' | 'receive';

/** A {@link ProtectDirection}. */
export const aDirection: Check = oneOf('both', 'send', 'receive');

/** Answers whether a topic is protected. @throws TypeError, or INVALID_TOPIC for what is no pattern */
export function protectedTopics(patterns: readonly string[]): (topic: string) => boolean {
  if (!Array.isArray(patterns) || patterns.length === 0) {
    throw new TypeError('Expected `protect` to be a list of topic patterns');
  }
  const topics = new TopicTrie<true>();
  for (const pattern of patterns as readonly string[]) topics.add(pattern, true);
  if (patterns.includes('>')) return () => true;
  return (topic) => topics.match(topic).length > 0;
}

/** What goes into every signature and every seal. @throws BusError INVALID_PIPELINE on a bus that cannot have this step */
export function audienceOf(step: string, { audience, wire }: MiddlewareHost): string {
  if (wire === 'plain') throw needsNative(step);
  if (audience !== undefined) return audience;
  throw new BusError('INVALID_PIPELINE', `"${step}" needs the bus's option \`audience\``, {
    hint: 'Give all services of one bus the same `audience`, for instance its name and stage: "orders.production".',
  });
}

/** Plain peers have no headers and take JSON. */
export function needsNative(step: string): BusError {
  return new BusError('INVALID_PIPELINE', `"${step}" cannot run on a plain wire`, {
    hint: 'Plain peers know no headers: leave the step out, or use the native wire on both sides.',
  });
}
