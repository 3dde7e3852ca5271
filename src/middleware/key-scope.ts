/** Where and when a key may be used, compiled once per key: topics as a trie, dates as numbers. */
import { PATTERN_NUMBERS } from './pae.ts';
import type { MessagePattern } from '../core/kinds.ts';
import { TopicTrie } from '../core/topic-trie.ts';
import type { Key } from './key.ts';
import { wrongKey } from './key.ts';

/** Why a key is not usable now. */
export type KeyFault = 'key_disabled' | 'key_expired';

const STATES: readonly unknown[] = ['pending', 'primary', 'verify', 'disabled'];
const scopes = new WeakMap<Key, Scope>();

/** See the head of this file. */
export class Scope {
  readonly #key: Key;
  readonly #from: number;
  readonly #to: number;
  readonly #topics: TopicTrie<true> | undefined;

  /** @throws TypeError */
  constructor(key: Key) {
    const { kid, state = 'primary', notBefore, notAfter, topics, roles, sender } = key;
    if (!STATES.includes(state)) throw wrongKey(kid, `to have \`state\` ${STATES.join(', ')}`);
    this.#key = key;
    this.#from = timeOf(kid, 'notBefore', notBefore, -Infinity);
    this.#to = timeOf(kid, 'notAfter', notAfter, Infinity);
    if (!isList(roles) || roles?.some((role) => !Object.hasOwn(PATTERN_NUMBERS, role)) === true) {
      throw wrongKey(kid, 'to have `roles` of publish, push, request, reply');
    }
    if (!isList(topics)) throw wrongKey(kid, 'to have `topics` that are patterns');
    if (sender !== undefined && (typeof sender !== 'string' || sender === '')) {
      throw wrongKey(kid, 'to have the name of a service as `sender`');
    }
    if (topics === undefined) return;
    this.#topics = new TopicTrie();
    for (const pattern of topics) this.#topics.add(pattern, true);
  }

  /** Why nothing of this key is accepted at this time, in milliseconds since 1970. */
  fault(now: number): KeyFault | undefined {
    // Read each time: a provider may hand out an object whose state it changes.
    if (this.#key.state === 'disabled') return 'key_disabled';
    return now < this.#from || now >= this.#to ? 'key_expired' : undefined;
  }

  allows(pattern: MessagePattern, topic: string): boolean {
    if (this.#key.roles?.includes(pattern) === false) return false;
    return this.#topics === undefined || this.#topics.match(topic).length > 0;
  }

  /** Whether what is sent may be signed or encrypted with it. */
  mayStart(pattern: MessagePattern, topic: string, now: number): boolean {
    const { state = 'primary', key } = this.#key;
    return state === 'primary' && key.type !== 'public' && this.fault(now) === undefined && this.allows(pattern, topic);
  }
}

/** The scope of a key. @throws TypeError for one that makes no sense */
export function scopeOf(key: Key): Scope {
  let scope = scopes.get(key);
  if (scope === undefined) scopes.set(key, (scope = new Scope(key)));
  return scope;
}

function isList(value: unknown): boolean {
  return (
    value === undefined || (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string'))
  );
}

function timeOf(kid: string, member: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  const time = typeof value === 'string' ? Date.parse(value) : value;
  if (typeof time === 'number' && Number.isFinite(time)) return time;
  throw wrongKey(kid, `to have \`${member}\` in milliseconds since 1970 or as a date`);
}
