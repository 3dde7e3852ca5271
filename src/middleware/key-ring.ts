/** The keys of one step: asks the provider, and keeps what the step has made of each key (its MAC, its sessions). */
import { BusError } from '../core/errors.ts';
import { expectOption, whole } from '../core/option-checks.ts';
import type { SendContext } from '../core/send-context.ts';
import type { Key, KeyAlgorithm } from './key.ts';
import type { KeyAnswer, KeyProvider } from './key-provider.ts';
import { inTime, KEY_TIMEOUT_MS } from './in-time.ts';
import { expectKey } from './import-key.ts';
import { scopeOf } from './key-scope.ts';

/** See the head of this file. */
export class KeyRing<T extends object> {
  readonly provider: KeyProvider;
  readonly #algorithms: readonly KeyAlgorithm[];
  readonly #make: (key: Key) => T;
  readonly #timeoutMs: number;
  readonly #made = new WeakMap<Key, T>();

  /** `make`: called once for each key, which is of one of these algorithms. */
  constructor(provider: KeyProvider, algorithms: readonly KeyAlgorithm[], make: (key: Key) => T) {
    this.provider = provider;
    this.#timeoutMs = provider.timeoutMs ?? KEY_TIMEOUT_MS;
    expectOption('keys.timeoutMs', this.#timeoutMs, whole(1));
    this.#algorithms = algorithms;
    this.#make = make;
  }

  /** What was made of the key; undefined where there is none, or one that does something else. */
  get(kid: string): T | undefined | Promise<T | undefined> {
    const answer = this.provider.get(kid);
    return answer instanceof Promise
      ? this.#inTime(answer).then((key) => this.#named(kid, key))
      : this.#named(kid, answer);
  }

  /** The same of the key for an outgoing message. @throws BusError REJECTED where there is none, or it cannot be had */
  current(ctx: SendContext, now: number): T | Promise<T> {
    const chosen = (key: Key | undefined): T => {
      const made = key !== undefined && scopeOf(key).mayStart(ctx.pattern, ctx.topic, now) ? this.#of(key) : undefined;
      if (made !== undefined) return made;
      throw new BusError('REJECTED', `there is no key for ${this.#algorithms.join(' or ')} to send this with`, {
        topic: ctx.topic,
        hint: 'Give the step a primary key whose topics, roles and dates fit.',
      });
    };
    // Its message may name what no peer should see: as the cause it stays here, where the failed send is told.
    const unavailable = (cause: unknown): never => {
      throw new BusError('REJECTED', 'the key to send this with could not be had', { topic: ctx.topic, cause });
    };
    let answer: KeyAnswer;
    try {
      answer = this.provider.current(ctx.topic, ctx.pattern);
    } catch (error) {
      return unavailable(error);
    }
    return answer instanceof Promise ? this.#inTime(answer).catch(unavailable).then(chosen) : chosen(answer);
  }

  #inTime(answer: Promise<Key | undefined>): Promise<Key | undefined> {
    return inTime(() => answer, this.#timeoutMs);
  }

  /** A key under another name is none: the name that travels would not be the one that is signed, and a message could come again under each. */
  #named(kid: string, key: Key | undefined): T | undefined {
    const made = key === undefined ? undefined : this.#of(key);
    return key?.kid === kid ? made : undefined;
  }

  #of(key: Key): T | undefined {
    let made = this.#made.get(key);
    if (made === undefined) {
      expectKey(key);
      if (!this.#algorithms.includes(key.alg)) return undefined;
      this.#made.set(key, (made = this.#make(key)));
    }
    return made;
  }
}
