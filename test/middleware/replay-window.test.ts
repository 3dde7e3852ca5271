import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReplayWindows } from '../../src/middleware/replay-window.ts';
import type { Numbered } from '../../src/middleware/replay-window.ts';

const from = (kid: string, stream: string, created: number): Numbered => ({ kid, stream, created });
const windows = (maxStreams = 4, maxAgeMs = 1000): ReplayWindows => new ReplayWindows(maxStreams, maxAgeMs);

describe('ReplayWindows', () => {
  it('accepts each number once, in any order within the window, and nothing behind it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 300 }), (numbers) => {
        const [under, seen] = [windows(), new Set<number>()];
        let highest = -1;
        for (const number of numbers) {
          const verdict = under.accept(from('k', 's', 1), number, 1);
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
      assert.equal(under.accept(from('k', 's', 1), number, 1), undefined);
    for (const number of [0, 65_536 * 3 + 5, 2 ** 53 - 1, 2 ** 53 - 65_537]) {
      assert.equal(under.accept(from('k', 's', 1), number, 1), 'replayed');
    }
    assert.equal(under.accept(from('k', 's', 1), 2 ** 53 - 2, 1), undefined);
  });

  it('keeps streams apart, and refuses new ones at the cap until one is too old', () => {
    const under = windows(2);
    assert.equal(under.accept(from('k', 'a', 0), 7, 0), undefined);
    assert.equal(under.accept(from('k', 'b', 500), 7, 500), undefined);
    assert.equal(under.accept(from('k', 'c', 1000), 7, 1000), 'streams_full');
    assert.equal(under.accept(from('k', 'a', 900), 8, 1000), undefined, 'a known stream goes on');
    assert.equal(under.accept(from('k', 'c', 1500), 7, 1500), 'streams_full');
    assert.equal(under.accept(from('k', 'c', 1501), 7, 1501), undefined, 'the place of b');
    assert.equal(under.accept(from('k', 'b', 500), 7, 1501), 'replayed', 'and b cannot come back with what it sent');
    assert.equal(under.size, 2);
  });

  it('gives up old streams without being full', () => {
    const under = windows(1000);
    for (let stream = 0; stream < 100; stream++) under.accept(from('k', String(stream), stream), 0, stream);
    under.accept(from('k', 'later', 5000), 0, 5000);
    assert.equal(under.size, 1);
  });

  it('takes the place of the key that has the most streams, so that one sender shuts out no other, and lets nothing in twice', () => {
    const under = windows(4, 1_000_000);
    for (const stream of ['a', 'b', 'c', 'd'])
      assert.equal(under.accept(from('greedy', stream, 100), 7, 100), undefined);
    assert.equal(under.accept(from('greedy', 'e', 101), 7, 101), 'streams_full', 'not from itself');
    assert.equal(under.accept(from('honest', 'x', 101), 7, 101), undefined);
    assert.equal(under.accept(from('honest', 'y', 101), 7, 101), undefined);
    assert.equal(under.accept(from('honest', 'z', 101), 7, 101), 'streams_full', 'they have as many each');
    assert.equal(under.size, 4);
    for (const stream of ['a', 'b', 'c', 'd']) {
      assert.equal(under.accept(from('greedy', stream, 100), 7, 102), 'replayed', stream);
    }
    assert.equal(under.accept(from('honest', 'x', 101), 7, 102), 'replayed');
    assert.equal(
      under.accept(from('third', 'x', 1), 7, 102),
      undefined,
      'the dates of one key are not those of another',
    );
    assert.equal(under.accept(from('greedy', 'd', 103), 8, 103), undefined, 'a stream that was not given up goes on');
  });

  it('lets no message in twice, whatever comes from how many keys and streams', () => {
    const message = fc.record({
      kid: fc.constantFrom('k', 'l', 'm'),
      stream: fc.constantFrom('a', 'b', 'c', 'd'),
      number: fc.nat(3),
      created: fc.nat(20),
      pass: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 200 }), (messages) => {
        const [under, accepted] = [windows(5, 10), new Set<string>()];
        let now = 0;
        for (const { kid, stream, number, created, pass } of messages) {
          now += pass;
          // The verifier's own checks, before this one.
          if (Math.abs(now - created) > 10 || under.accept(from(kid, stream, created), number, now) !== undefined)
            continue;
          const name = JSON.stringify([kid, stream, number, created]);
          assert.ok(!accepted.has(name), name);
          accepted.add(name);
        }
        assert.ok(under.size <= 5);
      }),
      { numRuns: 2000 },
    );
  });
});
