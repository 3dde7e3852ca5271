/**
 * Keys of a service over the network (a KMS, a vault): asked once for each key, then kept, and refreshed in the background while messages go on with
 * what is kept. The ids come from strangers too, so what is not there is remembered for a while, and only so many are asked for at once.
 */
import type { MessagePattern } from '../core/kinds.ts';
import { aFunction, amount, expectOption, optionsCheck, whole, withMethods } from '../core/option-checks.ts';
import { inTime, KEY_TIMEOUT_MS } from './in-time.ts';
import type { Key } from './key.ts';
import type { KeyAnswer, KeyProvider } from './key-provider.ts';

/** What is asked, over the network. */
export interface KeySource {
  /** The key of this id; undefined when there is none. */
  get(kid: string): Promise<Key | undefined>;
  /** The key to protect messages of this topic with; undefined when there is none. */
  current(topic: string, role: MessagePattern): Promise<Key | undefined>;
}

/** Options of {@link cachedKeys}. */
export interface CachedKeysOptions {
  /** After this time an answer is asked for again; messages go on with the old one meanwhile. @default 60000 */
  readonly refreshMs?: number;
  /** After this time without a new answer a key is not used any more. @default 3600000 */
  readonly maxStaleMs?: number;
  /** A question that takes longer has failed: the message that waits for it holds up those behind it. @default 5000 */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** Answers kept, and questions under way, at most. */
const MAX_ANSWERS = 1000;
const MAX_QUESTIONS = 32;

const aSource = withMethods('a source of keys', 'get', 'current');
const checkOptions = optionsCheck({ refreshMs: amount, maxStaleMs: amount, timeoutMs: whole(1), now: aFunction });

interface Answer {
  readonly key: Key | undefined;
  readonly at: number;
}

/** Asks the source once for each question at a time, and keeps the answers. */
class AnswerCache {
  readonly #answers = new Map<string, Answer>();
  readonly #questions = new Map<string, Promise<Key | undefined>>();
  readonly #options: Required<CachedKeysOptions>;

  constructor(options: Required<CachedKeysOptions>) {
    this.#options = options;
  }

  ask(question: string, load: () => Promise<Key | undefined>): KeyAnswer {
    const { refreshMs, maxStaleMs, now } = this.#options;
    const answer = this.#answers.get(question);
    const age = answer === undefined ? Infinity : Math.abs(now() - answer.at);
    if (answer === undefined || age > maxStaleMs) return this.#load(question, load);
    // One that is not there costs a question each time it is refreshed, and nobody waits for it.
    if (age > refreshMs) this.#load(question, load).catch(keepOld);
    return answer.key;
  }

  #load(question: string, load: () => Promise<Key | undefined>): Promise<Key | undefined> {
    const asked = this.#questions.get(question);
    if (asked !== undefined) return asked;
    if (this.#questions.size >= MAX_QUESTIONS) {
      return Promise.reject(new Error(`${String(MAX_QUESTIONS)} keys are being asked for already`));
    }
    // One that hangs must neither keep a message for ever nor its place here.
    const loading = inTime(load, this.#options.timeoutMs)
      .then((key) => {
        this.#answers.delete(question);
        if (this.#answers.size >= MAX_ANSWERS) this.#forgetOne();
        this.#answers.set(question, { key, at: this.#options.now() });
        return key;
      })
      .finally(() => this.#questions.delete(question));
    this.#questions.set(question, loading);
    return loading;
  }

  /** The oldest answer that was "none"; else the oldest. */
  #forgetOne(): void {
    let victim: string | undefined;
    for (const [question, { key }] of this.#answers) {
      victim ??= question;
      if (key !== undefined) continue;
      victim = question;
      break;
    }
    if (victim !== undefined) this.#answers.delete(victim);
  }
}

/**
 * Puts a cache before a source of keys, so that messages do not wait for the network.
 *
 * @example
 * ```ts
 * import { cachedKeys, importKey, sign } from 'tracebus/middleware';
 *
 * const keys = cachedKeys({
 *   get: async (kid) => importKey(await kms.read(kid)),
 *   current: async (topic) => importKey(await kms.read(await kms.primaryFor(topic))),
 * });
 * bus.use(sign({ keys }));
 * ```
 */
export function cachedKeys(source: KeySource, options: CachedKeysOptions = {}): KeyProvider {
  expectOption('source', source, aSource);
  checkOptions(options);
  const { refreshMs = 60_000, maxStaleMs = 3_600_000, timeoutMs = KEY_TIMEOUT_MS, now = Date.now } = options;
  const byKid = new AnswerCache({ refreshMs, maxStaleMs, timeoutMs, now });
  const byTopic = new AnswerCache({ refreshMs, maxStaleMs, timeoutMs, now });
  return {
    timeoutMs,
    get: (kid) => byKid.ask(kid, () => source.get(kid)),
    current: (topic, role) => byTopic.ask(`${role} ${topic}`, () => source.current(topic, role)),
  };
}

function keepOld(): void {
  // The old answer serves until `maxStaleMs`; from then on the failure refuses messages and is told there.
}
