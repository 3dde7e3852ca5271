/**
 * Which values (subscriptions) are interested in a topic: a trie of pattern words, with the answers cached per topic.
 *
 * A busy bus sees few distinct topics and changes its subscriptions seldom, so nearly every `match` is one look-up in the
 * cache; `add` and `delete` empty it. Words are keys of a Map: `__proto__` is a word like any other.
 */

import { assertPattern, isReserved } from './topics.ts';

/** Topics whose answer is remembered. When there are more, remembering starts anew: no flood of topics makes it grow. */
const REMEMBERED_TOPICS = 4096;

interface Entry<T> {
  /** Ascending in the order of `add`. */
  readonly serial: number;
  readonly value: T;
}

class TrieNode<T> {
  /** By word, `*` among them; `>` is no node, as nothing comes after it. */
  readonly children: Map<string, TrieNode<T>> = new Map();
  /** Of patterns that end here. */
  readonly entries: Entry<T>[] = [];
  /** Of patterns that end here with `>`. */
  readonly rest: Entry<T>[] = [];

  get isEmpty(): boolean {
    return this.children.size === 0 && this.entries.length === 0 && this.rest.length === 0;
  }
}

/** Values by pattern. The same value may be added several times, under one pattern too: it is then matched several times. */
export class TopicTrie<T> {
  readonly #root: TrieNode<T> = new TrieNode();
  readonly #answers: Map<string, readonly T[]> = new Map();
  #lastSerial = 0;
  #size = 0;

  /** The number of values. */
  get size(): number {
    return this.#size;
  }

  /** Adds a value under a pattern; throws INVALID_TOPIC for what is no pattern. Reserved ones are in order here. */
  add(pattern: string, value: T): void {
    assertPattern(pattern, { allowReserved: true });
    let node = this.#root;
    const words = pattern.split('.');
    const isOpen = words.at(-1) === '>';
    if (isOpen) words.pop();
    for (const word of words) {
      let child = node.children.get(word);
      if (child === undefined) node.children.set(word, (child = new TrieNode()));
      node = child;
    }
    (isOpen ? node.rest : node.entries).push({ serial: ++this.#lastSerial, value });
    this.#size++;
    this.#answers.clear();
  }

  /** Removes the value that was added first under exactly this pattern; false if there is none. */
  delete(pattern: string, value: T): boolean {
    const words = pattern.split('.');
    const isOpen = words.at(-1) === '>';
    if (isOpen) words.pop();
    const path = [this.#root];
    for (const word of words) {
      const child = path.at(-1)?.children.get(word);
      if (child === undefined) return false;
      path.push(child);
    }
    const last = path.at(-1) ?? this.#root;
    const entries = isOpen ? last.rest : last.entries;
    const index = entries.findIndex((entry) => entry.value === value);
    if (index < 0) return false;
    entries.splice(index, 1);
    // Branches that lead nowhere go, or patterns that come and go would fill the memory.
    for (let depth = words.length; depth > 0 && path[depth]?.isEmpty === true; depth--) {
      path[depth - 1]?.children.delete(words[depth - 1] ?? '');
    }
    this.#size--;
    this.#answers.clear();
    return true;
  }

  /** The values whose pattern matches, in the order of `add`. The array never changes, and must not be changed. */
  match(topic: string): readonly T[] {
    const known = this.#answers.get(topic);
    if (known !== undefined) return known;
    const found: Entry<T>[] = [];
    const words = topic.split('.');
    // No wildcard stands for the first word of a reserved topic, so the search begins one level down.
    const from = isReserved(topic) ? this.#root.children.get(words[0] ?? '') : this.#root;
    if (from !== undefined) collect(from, words, from === this.#root ? 0 : 1, found);
    const answer = found.sort((a, b) => a.serial - b.serial).map((entry) => entry.value);
    if (this.#answers.size >= REMEMBERED_TOPICS) this.#answers.clear();
    this.#answers.set(topic, answer);
    return answer;
  }
}

/** Recursion is at most as deep as the deepest pattern, which the length of a pattern bounds. */
function collect<T>(node: TrieNode<T>, words: readonly string[], depth: number, found: Entry<T>[]): void {
  const word = words[depth];
  if (word === undefined) {
    for (const entry of node.entries) found.push(entry);
    return;
  }
  for (const entry of node.rest) found.push(entry);
  const exact = node.children.get(word);
  if (exact !== undefined) collect(exact, words, depth + 1, found);
  // A valid topic does not hold the word `*`, but one that does must not match twice.
  const wild = word === '*' ? undefined : node.children.get('*');
  if (wild !== undefined) collect(wild, words, depth + 1, found);
}
