import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cachedKeys } from '../../src/middleware/cached-keys.ts';
import type { KeySource } from '../../src/middleware/cached-keys.ts';
import type { Key } from '../../src/middleware/key.ts';
import { turns } from '../support/fake-clock.ts';
import { hmacKey } from './keys-for-tests.ts';

function rig(): { source: KeySource; asked: string[]; down: (is: boolean) => void; keys: Map<string, Key> } {
  const asked: string[] = [];
  const keys = new Map([['a', hmacKey({ kid: 'a' })]]);
  let isDown = false;
  const answer = async (question: string): Promise<Key | undefined> => {
    asked.push(question);
    if (isDown) throw new Error('down');
    return keys.get(question);
  };
  const source = { get: answer, current: async (topic: string) => answer(topic.slice(0, 1)) };
  return { source, asked, down: (is) => void (isDown = is), keys };
}

describe('cachedKeys', () => {
  it('asks once, however many messages wait, and then answers at once', async () => {
    const { source, asked, keys } = rig();
    const cached = cachedKeys(source);
    const waiting = [cached.get('a'), cached.get('a'), cached.current('a.b', 'push')];
    const answers = await Promise.all(waiting.map((answer) => Promise.resolve(answer)));
    assert.deepEqual(new Set(answers), new Set([keys.get('a')]));
    assert.deepEqual(asked, ['a', 'a'], 'one for the id, one for the topic');
    assert.equal(cached.get('a'), keys.get('a'));
    assert.equal(cached.current('a.b', 'push'), keys.get('a'));
    assert.equal(asked.length, 2);
  });

  it('goes on with an old answer while it asks again, until that is too old', async () => {
    let now = 0;
    const { source, asked, down, keys } = rig();
    const cached = cachedKeys(source, { refreshMs: 1000, maxStaleMs: 5000, now: () => now });
    const first = await cached.get('a');
    const second = hmacKey({ kid: 'a' });
    keys.set('a', second);
    now = 1001;
    assert.equal(cached.get('a'), first);
    await turns();
    assert.equal(cached.get('a'), second);
    down(true);
    now = 6001;
    assert.equal(cached.get('a'), second);
    await turns();
    now = 6002;
    await assert.rejects(Promise.resolve(cached.get('a')), /down/);
    down(false);
    assert.equal(await cached.get('a'), second);
    assert.ok(asked.length >= 4);
  });

  it('remembers what is not there, keeps a bounded number of answers, and asks for a few at once', async () => {
    const { source, asked, keys } = rig();
    const cached = cachedKeys(source);
    await cached.get('a');
    assert.equal(await cached.get('x'), undefined);
    assert.equal(cached.get('x'), undefined);
    assert.deepEqual(asked, ['a', 'x']);
    const flood = await Promise.allSettled(Array.from({ length: 40 }, async (_, n) => cached.get(`made-up-${n}`)));
    assert.equal(flood.filter(({ status }) => status === 'rejected').length, 8);
    for (let n = 0; n < 1500; n++) await cached.get(`later-${n}`);
    assert.equal(cached.get('a'), keys.get('a'), 'what is not there is forgotten before what is');
  });

  it('gives up a question that hangs, and its place among the questions', async () => {
    const key = hmacKey({ kid: 'a' });
    const hanging = new Promise<undefined>(() => undefined);
    const source = { get: (kid: string) => (kid === 'a' ? Promise.resolve(key) : hanging), current: () => hanging };
    const cached = cachedKeys(source, { timeoutMs: 20 });
    const flood = await Promise.allSettled(Array.from({ length: 32 }, async (_, n) => cached.get(`made-up-${n}`)));
    assert.ok(flood.every((one) => one.status === 'rejected' && /no key within 20 ms/.test(String(one.reason))));
    assert.equal(await cached.get('a'), key);
    await assert.rejects(Promise.resolve(cached.current('a', 'push')), /no key within 20 ms/);
  });

  it('takes a source that throws as one that rejects, and refuses wrong options', async () => {
    const broken = cachedKeys({
      get: () => {
        throw new Error('broken');
      },
      current: async () => undefined,
    });
    await assert.rejects(Promise.resolve(broken.get('a')), /broken/);
    assert.throws(() => cachedKeys(rig().source, { refreshMs: -1 }), RangeError);
    assert.throws(() => cachedKeys(rig().source, { maxStaleMs: NaN }), RangeError);
    assert.throws(() => cachedKeys(rig().source, { timeoutMs: 0 }), RangeError);
  });
});
