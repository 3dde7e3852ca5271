import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReplayWindows } from '../../src/middleware/replay-window.ts';

const windows = (maxStreams = 4, maxAgeMs = 1000): ReplayWindows => new ReplayWindows(maxStreams, maxAgeMs);

describe('ReplayWindows', () => {
  it('accepts each number once, in any order within the window, and nothing behind it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 300 }), (numbers) => {
        const [under, seen] = [windows(), new Set<number>()];
        let highest = -1;
        for (const number of numbers) {
          const verdict = under.accept('s', number, 1, 1);
          // The last word of the window may be given up for the next one.
          const isOld = highest - number >= 65_536 - 32;
          assert.equal(verdict, seen.has(number) || isOld ? 'replayed' : undefined, String(number));
          seen.add(number);
          highest = Math.max(highest, number);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('forgets all numbers when one comes from far ahead, up to the largest that there is', () => {
    const under = windows();
    for (const number of [0, 1, 65_535, 65_536 * 3 + 5, 2 ** 53 - 1])
      assert.equal(under.accept('s', number, 1, 1), undefined);
    for (const number of [0, 65_536 * 3 + 5, 2 ** 53 - 1, 2 ** 53 - 65_537]) {
      assert.equal(under.accept('s', number, 1, 1), 'replayed');
    }
    assert.equal(under.accept('s', 2 ** 53 - 2, 1, 1), undefined);
  });

  it('keeps streams apart, and refuses new ones at the cap until one is too old', () => {
    const under = windows(2);
    assert.equal(under.accept('a', 7, 0, 0), undefined);
    assert.equal(under.accept('b', 7, 500, 500), undefined);
    assert.equal(under.accept('c', 7, 1000, 1000), 'streams_full');
    assert.equal(under.accept('a', 8, 900, 1000), undefined, 'a known stream goes on');
    assert.equal(under.accept('c', 7, 1500, 1500), 'streams_full');
    assert.equal(under.accept('c', 7, 1501, 1501), undefined, 'the place of b');
    assert.equal(under.accept('b', 7, 500, 1501), 'replayed', 'and b cannot come back with what it sent');
    assert.equal(under.size, 2);
  });

  it('gives up old streams without being full', () => {
    const under = windows(1000);
    for (let stream = 0; stream < 100; stream++) under.accept(String(stream), 0, stream, stream);
    under.accept('later', 0, 5000, 5000);
    assert.equal(under.size, 1);
  });
});
