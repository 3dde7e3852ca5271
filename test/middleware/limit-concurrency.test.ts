import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Release } from '../../src/core/middleware.ts';
import { limitConcurrency } from '../../src/middleware/limit-concurrency.ts';
import { receiveContext } from './contexts.ts';

test('there is room at once up to the limit, then a promise until somebody leaves', async () => {
  const { admit } = limitConcurrency(2) as Required<ReturnType<typeof limitConcurrency>>;
  const first = admit(receiveContext()) as Release;
  assert.equal(typeof first, 'function');
  assert.equal(typeof admit(receiveContext()), 'function');
  const third = admit(receiveContext());
  assert.ok(third instanceof Promise);
  first();
  assert.equal(typeof (await third), 'function');
});

test('a place is given away once, however often it is released', async () => {
  const { admit } = limitConcurrency(1) as Required<ReturnType<typeof limitConcurrency>>;
  const first = admit(receiveContext()) as Release;
  const order: number[] = [];
  const later = [2, 3].map((number) => Promise.resolve(admit(receiveContext())).then(() => order.push(number)));
  first();
  first();
  first();
  await later[0];
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, [2]);
});

test('a place that nobody waits for can be taken again, and is not counted twice', () => {
  const { admit } = limitConcurrency(1) as Required<ReturnType<typeof limitConcurrency>>;
  for (let round = 0; round < 3; round++) {
    const release = admit(receiveContext()) as Release;
    assert.ok(admit(receiveContext({ pattern: 'push' })) === undefined);
    release();
    release();
  }
  assert.equal(typeof admit(receiveContext()), 'function');
  assert.ok(admit(receiveContext()) instanceof Promise);
});

test('pushed messages and requests are not limited', () => {
  const { admit } = limitConcurrency(1) as Required<ReturnType<typeof limitConcurrency>>;
  void admit(receiveContext());
  for (const pattern of ['push', 'request'] as const) assert.equal(admit(receiveContext({ pattern })), undefined);
});

test('undefined and Infinity set no limit', () => {
  for (const limit of [undefined, Infinity]) {
    const middleware = limitConcurrency(limit);
    assert.deepEqual([middleware.name, 'admit' in middleware], ['limit-concurrency', false]);
  }
});

test('whatever comes and goes, the limit holds, nobody is forgotten, and it is first come, first served', async () => {
  const steps = fc.array(fc.constantFrom('come', 'come', 'go', 'go twice'), { maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, fc.infiniteStream(fc.nat()), async (limit, walk, picks) => {
      const { admit } = limitConcurrency(limit) as Required<ReturnType<typeof limitConcurrency>>;
      const running: Release[] = [];
      const started: number[] = [];
      let came = 0;
      let left = 0;
      const start = (number: number, release: Release): void => {
        started.push(number);
        running.push(release);
        assert.ok(running.length <= limit);
      };
      const go = async (times: number): Promise<void> => {
        const [release] = running.splice(picks.next().value % Math.max(1, running.length), 1);
        if (release === undefined) return;
        left++;
        for (let time = 0; time < times; time++) release();
        await Promise.resolve();
      };
      for (const step of walk) {
        if (step === 'come') {
          const number = came++;
          const admission = admit(receiveContext()) as Release | Promise<Release>;
          if (admission instanceof Promise) void admission.then((release) => start(number, release));
          else start(number, admission);
        } else await go(step === 'go' ? 1 : 2);
        assert.equal(running.length, Math.min(limit, came - left));
      }
      while (running.length > 0) await go(1);
      assert.deepEqual(
        started,
        Array.from({ length: came }, (_, number) => number),
      );
    }),
    { numRuns: 300 },
  );
});

test('a limit that is not an integer from 1 is refused at once', () => {
  for (const limit of [0, -1, 1.5, NaN]) {
    assert.throws(() => limitConcurrency(limit), /RangeError: Expected `limit` to be an integer from 1, got/);
  }
});
