import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Release } from '../../src/core/middleware.ts';
import { limitConcurrency } from '../../src/middleware/limit-concurrency.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { receiveContext } from './contexts.ts';
import { memoryBus, until } from './memory-bus.ts';

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

test('on a bus, all subscriptions together stay within the limit, and every message is handled', async () => {
  const { bus, errors } = memoryBus([limitConcurrency(3), serialize()]);
  let running = 0;
  let most = 0;
  let handled = 0;
  const handler = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    handled++;
  };
  for (const topic of ['a', 'b']) bus.subscribe(topic, handler, { ownSocket: true });
  await bus.ready();
  for (let message = 0; message < 100; message++) await bus.publish(message % 2 === 0 ? 'a' : 'b', message);
  await until(() => handled === 100);
  assert.deepEqual([most, running, errors], [3, 0, []]);
  await bus.close();
});

test('on a bus, a handler at the limit may itself request and push, and a failing one gives its place back', async () => {
  const { bus, errors } = memoryBus([limitConcurrency(1), serialize()]);
  const seen: unknown[] = [];
  bus.respond('double', ({ body }) => (body as number) * 2);
  bus.pull('task', ({ body }) => void seen.push(body));
  bus.subscribe('event', async ({ body }) => {
    await bus.push('task', await bus.request('double', body));
    if (body === 1) throw new Error('boom');
  });
  await bus.push('task', 0);
  await bus.ready();
  for (const body of [1, 2, 3]) await bus.publish('event', body);
  await until(() => seen.length === 4);
  assert.deepEqual([seen, errors], [[0, 2, 4, 6], ['boom']]);
  await bus.close();
});
