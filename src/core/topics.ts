/**
 * Topics and patterns: what they may look like and which fit which.
 *
 * A topic is dot-separated words, `price.tick.btc`. In a pattern `*` is exactly one word and `>`, only as the last word, one
 * or more. Topics under `_tb.` are the bus's own: users neither publish them nor see them through a wildcard.
 * What may not be published is refused on arrival too, so a handler never sees another kind of topic.
 */

import { BusError } from './errors.ts';

/** The longest topic or pattern, in bytes of UTF-8. With its terminator it fits 256 bytes, and one length byte elsewhere. */
export const MAX_TOPIC_BYTES = 255;

/** What reserved topics begin with. */
export const RESERVED_PREFIX = '_tb.';

/** What ends the topic on the wire, which makes a prefix filter exact. */
export const TOPIC_TERMINATOR = '\0';

/** Valid topics remembered. When there are more, remembering starts anew: no flood of topics makes it grow. */
const REMEMBERED_TOPICS = 4096;

const CONTROL_CHARACTER = /\p{Cc}/u;
const HALF_SURROGATE_PAIR = /\p{Surrogate}/u;

const validTopics = new Set<string>();

/** Whether users may name it. */
export interface TopicRules {
  /** Reserved topics pass: for the bus itself. @default false */
  readonly allowReserved?: boolean;
}

/** For topics of users; one object, because every message is checked. */
const NO_RULES: TopicRules = Object.freeze({});

/** True for the bus's own topics, under `_tb.`. */
export function isReserved(topic: string): boolean {
  return topic.startsWith(RESERVED_PREFIX);
}

/** Throws INVALID_TOPIC unless the topic can be published. Cheap for topics seen before. */
export function assertTopic(topic: string, rules: TopicRules = NO_RULES): void {
  if (validTopics.has(topic)) return;
  const fault = topicFault(topic);
  if (fault !== undefined) throw invalid('topic', topic, fault);
  if (isReserved(topic)) {
    if (rules.allowReserved === true) return;
    throw reserved('topic', topic);
  }
  if (validTopics.size >= REMEMBERED_TOPICS) validTopics.clear();
  validTopics.add(topic);
}

/** Throws INVALID_TOPIC unless the pattern can be subscribed to. */
export function assertPattern(pattern: string, rules: TopicRules = NO_RULES): void {
  const fault = textFault(pattern) ?? patternFault(pattern);
  if (fault !== undefined) throw invalid('pattern', pattern, fault);
  if (isReserved(pattern) && rules.allowReserved !== true) throw reserved('pattern', pattern);
}

/** What is wrong with a topic, as a phrase, or undefined. Reserved topics are in order here. */
export function topicFault(topic: string): string | undefined {
  return textFault(topic) ?? (/[*>]/.test(topic) ? '`*` and `>` belong in patterns only' : undefined);
}

/** What is wrong with the topic that a push or request came with: the bus's own are only ever published. */
export function messageTopicFault(topic: string): string | undefined {
  return topicFault(topic) ?? (isReserved(topic) ? 'it is reserved for the bus itself' : undefined);
}

function textFault(text: string): string | undefined {
  if (typeof text !== 'string') return `expected text, got ${typeof text}`;
  if (text === '') return 'it is empty';
  if (text.length > MAX_TOPIC_BYTES || Buffer.byteLength(text) > MAX_TOPIC_BYTES) {
    return `it is longer than ${String(MAX_TOPIC_BYTES)} bytes`;
  }
  if (text.startsWith('.') || text.endsWith('.') || text.includes('..')) return 'it has an empty word';
  if (CONTROL_CHARACTER.test(text)) return 'it has a control character';
  if (HALF_SURROGATE_PAIR.test(text)) return 'it has half a surrogate pair';
  return undefined;
}

function patternFault(pattern: string): string | undefined {
  const words = pattern.split('.');
  for (const [index, word] of words.entries()) {
    if (word === '>' && index < words.length - 1) return '`>` is only allowed as the last word';
    if (word.length > 1 && /[*>]/.test(word)) return '`*` and `>` stand for whole words';
  }
  return undefined;
}

function invalid(what: 'topic' | 'pattern', text: string, fault: string): BusError {
  const shown = typeof text === 'string' ? JSON.stringify(text.slice(0, MAX_TOPIC_BYTES)) : String(text);
  const hint =
    what === 'topic'
      ? 'Use words separated by single dots, for instance "price.tick".'
      : 'Use words separated by single dots, "*" for one word and a last ">" for the rest, for instance "price.>".';
  return new BusError('INVALID_TOPIC', `The ${what} ${shown} is not allowed: ${fault}`, { hint });
}

function reserved(what: 'topic' | 'pattern', text: string): BusError {
  return new BusError('INVALID_TOPIC', `The ${what} ${JSON.stringify(text)} is reserved for the bus itself`, {
    hint: `Choose one that does not begin with "${RESERVED_PREFIX}".`,
  });
}

/** Whether a valid pattern matches a valid topic. A wildcard in the first word never matches a reserved topic. */
export function matchesPattern(pattern: string, topic: string): boolean {
  if (pattern === topic) return true;
  if (isReserved(topic) && !isReserved(pattern)) return false;
  let patternAt = 0;
  let topicAt = 0;
  for (;;) {
    const patternEnd = wordEnd(pattern, patternAt);
    const topicEnd = wordEnd(topic, topicAt);
    const isOneCharacter = patternEnd - patternAt === 1;
    if (isOneCharacter && pattern[patternAt] === '>') return true;
    if (!(isOneCharacter && pattern[patternAt] === '*')) {
      if (patternEnd - patternAt !== topicEnd - topicAt) return false;
      if (!topic.startsWith(pattern.slice(patternAt, patternEnd), topicAt)) return false;
    }
    const patternDone = patternEnd === pattern.length;
    const topicDone = topicEnd === topic.length;
    if (patternDone || topicDone) return patternDone && topicDone;
    patternAt = patternEnd + 1;
    topicAt = topicEnd + 1;
  }
}

function wordEnd(text: string, from: number): number {
  const dot = text.indexOf('.', from);
  return dot < 0 ? text.length : dot;
}

/**
 * What a transport that filters by prefix must ask for: the topic with its terminator when the pattern has no wildcard, else
 * what stands before the first one (`price.*.x` asks for `price.`). It may bring more than the pattern matches, never less.
 */
export function patternPrefix(pattern: string): string {
  const wildcard = pattern.search(/[*>]/);
  return wildcard < 0 ? pattern + TOPIC_TERMINATOR : pattern.slice(0, wildcard);
}
