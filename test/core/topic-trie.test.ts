import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import picomatch from 'picomatch';
import { matchesPattern } from '../../src/core/topics.ts';
import { TopicTrie } from '../../src/core/topic-trie.ts';

/** The same question put to picomatch: words are directories. Without `strictSlashes`, `a/**` would match `a` too. */
function picomatches(pattern: string, topic: string): boolean {
  const path = pattern.replaceAll('.', '/').replace(/>$/, '**');
  return picomatch.isMatch(topic.replaceAll('.', '/'), path, { dot: true, strictSlashes: true });
}

const word = fc.constantFrom('a', 'b', 'ab', 'c1', 'x-y', '__proto__', 'constructor');
const topics = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('.'));
const patterns = fc
  .tuple(fc.array(fc.oneof({ weight: 3, arbitrary: word }, fc.constant('*')), { maxLength: 3 }), fc.boolean())
  .filter(([words, open]) => open || words.length > 0)
  .map(([words, open]) => (open ? [...words, '>'] : words).join('.'));

describe('TopicTrie', () => {
  it('agrees with picomatch, and so does matchesPattern', () => {
    fc.assert(
      fc.property(fc.uniqueArray(patterns, { maxLength: 12 }), topics, (added, topic) => {
        const trie = new TopicTrie<string>();
        for (const pattern of added) trie.add(pattern, pattern);
        const expected = added.filter((pattern) => picomatches(pattern, topic));
        assert.deepEqual(trie.match(topic), expected);
        assert.deepEqual(added.filter((pattern) => matchesPattern(pattern, topic)), expected); // prettier-ignore
      }),
      { numRuns: 1000 },
    );
  });

  it('agrees with a list through any sequence of add, delete and match', () => {
    const step = fc.tuple(fc.constantFrom('add', 'delete', 'match'), patterns, fc.nat({ max: 3 }), topics);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const trie = new TopicTrie<number>();
        const list: { readonly pattern: string; readonly value: number }[] = [];
        for (const [action, pattern, value, topic] of steps) {
          if (action === 'add') {
            trie.add(pattern, value);
            list.push({ pattern, value });
          } else if (action === 'delete') {
            const index = list.findIndex((entry) => entry.pattern === pattern && entry.value === value);
            assert.equal(trie.delete(pattern, value), index >= 0);
            if (index >= 0) list.splice(index, 1);
          }
          const expected = list.filter((entry) => picomatches(entry.pattern, topic)).map((entry) => entry.value);
          assert.deepEqual(trie.match(topic), expected);
          assert.equal(trie.size, list.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('gives the values in the order in which they were added, however specific their patterns are', () => {
    const trie = new TopicTrie<number>();
    ['>', 'price.tick', 'price.*', '*.tick', 'price.>', 'price.tick'].forEach((pattern, index) => {
      trie.add(pattern, index);
    });
    assert.deepEqual(trie.match('price.tick'), [0, 1, 2, 3, 4, 5]);
    assert.equal(trie.size, 6);
  });

  it('gives a value as often as it was added, and deletes it once at a time', () => {
    const trie = new TopicTrie<string>();
    trie.add('a', 'x');
    trie.add('a', 'x');
    trie.add('a', 'y');
    assert.deepEqual(trie.match('a'), ['x', 'x', 'y']);
    assert.equal(trie.delete('a', 'x'), true);
    assert.deepEqual(trie.match('a'), ['x', 'y']);
    assert.equal(trie.delete('a', 'z'), false);
    assert.equal(trie.delete('a.b', 'x'), false);
    assert.equal(trie.delete('*', 'x'), false);
    assert.equal(trie.delete('>', 'x'), false);
  });

  it('answers from its cache until something is added or deleted, and never changes an answer it gave', () => {
    const trie = new TopicTrie<number>();
    trie.add('a.*', 1);
    const first = trie.match('a.b');
    assert.equal(trie.match('a.b'), first);
    trie.add('a.b', 2);
    assert.deepEqual([first, trie.match('a.b')], [[1], [1, 2]]);
    trie.delete('a.*', 1);
    assert.deepEqual(trie.match('a.b'), [2]);
  });

  it('stays right when more topics come than it remembers', () => {
    const trie = new TopicTrie<number>();
    trie.add('flood.>', 1);
    for (let index = 0; index < 10_000; index++) assert.deepEqual(trie.match(`flood.${String(index)}`), [1]);
  });

  it('keeps reserved topics from wildcards in the first word', () => {
    const trie = new TopicTrie<string>();
    for (const pattern of ['>', '*.heartbeat', '*.>', '_tb.heartbeat', '_tb.>', '_tb.*']) trie.add(pattern, pattern);
    assert.deepEqual(trie.match('_tb.heartbeat'), ['_tb.heartbeat', '_tb.>', '_tb.*']);
    assert.deepEqual(trie.match('x.heartbeat'), ['>', '*.heartbeat', '*.>']);
    assert.deepEqual(new TopicTrie().match('_tb.heartbeat'), []);
  });

  it('takes words that objects inherit for words like any other', () => {
    const trie = new TopicTrie<number>();
    for (const topic of ['__proto__', 'constructor.prototype', 'toString']) assert.deepEqual(trie.match(topic), []);
    trie.add('__proto__.polluted', 1);
    assert.deepEqual(trie.match('__proto__.polluted'), [1]);
    assert.equal((Object.prototype as { polluted?: unknown }).polluted, undefined);
  });

  it('refuses what is no pattern', () => {
    assert.throws(() => { new TopicTrie().add('a..b', 1); }, /INVALID_TOPIC/); // prettier-ignore
  });

  it('takes any number of values for one pattern', () => {
    const trie = new TopicTrie<number>();
    for (let index = 0; index < 200_000; index++) trie.add('a', index);
    assert.equal(trie.match('a').length, 200_000);
  });
});
