/**
 * Where keys come from. The steps ask for a key with each message, so both answers should be at hand: a promise is awaited, and the
 * message keeps its place in the order meanwhile. A provider over the network belongs into {@link cachedKeys}.
 */
import type { MessagePattern } from '../core/kinds.ts';
import type { MiddlewareHost } from '../core/middleware.ts';
import { expectKey } from './import-key.ts';
import type { Key, KeyAlgorithm } from './key.ts';
import { scopeOf } from './key-scope.ts';

/** A key, none, or either later. */
export type KeyAnswer = Key | undefined | Promise<Key | undefined>;

/**
 * Gives keys. Answer the same object as long as a key is the same: what is made of it is kept by the object. A promise that rejects
 * refuses the message; on the way in the reason is `keys_unavailable`.
 */
export interface KeyProvider {
  /** How long a promise may take, in milliseconds; after that it counts as rejected. @default 5000 */
  readonly timeoutMs?: number;
  /** The key of this id, whatever its state. It is asked with ids that strangers have made up. */
  get(kid: string): KeyAnswer;
  /** The key that signs or encrypts what is sent now. */
  current(topic: string, role: MessagePattern): KeyAnswer;
  /** Called when a bus starts; optional. */
  attach?(host: MiddlewareHost): void;
}

/** Keys in memory. What is sent takes the first one in the list that may. */
export class KeyList implements KeyProvider {
  readonly #keys: readonly Key[];
  readonly #byKid: ReadonlyMap<string, Key>;
  readonly #now: () => number;

  constructor(keys: readonly Key[], now: () => number = Date.now) {
    for (const key of keys) expectKey(key);
    this.#keys = keys;
    this.#byKid = new Map(keys.map((key) => [key.kid, key]));
    this.#now = now;
    if (this.#byKid.size < keys.length) throw new TypeError('Expected each key to have a `kid` of its own');
  }

  get(kid: string): Key | undefined {
    return this.#byKid.get(kid);
  }

  current(topic: string, role: MessagePattern): Key | undefined {
    const now = this.#now();
    return this.#keys.find((key) => scopeOf(key).mayStart(role, topic, now));
  }
}

/** What a step was given as `keys`, of the algorithms that it knows. @throws TypeError */
export function keyProvider(
  keys: readonly Key[] | KeyProvider,
  algorithms: readonly KeyAlgorithm[],
  now: () => number,
): KeyProvider {
  if (Array.isArray(keys)) {
    for (const key of keys as readonly Key[]) expectKey(key);
    // One list may serve several steps.
    const known = (keys as readonly Key[]).filter(({ alg }) => algorithms.includes(alg));
    if (known.length > 0) return new KeyList(known, now);
    throw new TypeError(`Expected \`keys\` to hold a key for ${algorithms.join(' or ')}`);
  }
  const { get, current } = Object(keys) as Partial<KeyProvider>;
  if (typeof get === 'function' && typeof current === 'function') return keys as KeyProvider;
  throw new TypeError('Expected `keys` to be a list of keys or a provider with get and current');
}
