import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { Limiter } from '../../src/core/limiter.ts';
import { codeOf } from '../support/memory-bus.ts';
import { turns } from '../support/fake-clock.ts';

/** Whether a promise is settled, without waiting for it. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  await turns(1);
  return (await Promise.race([promise.catch(() => undefined), Promise.resolve(pending)])) === pending;
}

test('up to `concurrency` start at once, the others in the order in which they came', async () => {
  const limiter = new Limiter(2, 10, 'block');
  assert.equal(limiter.start('t'), undefined);
  assert.equal(limiter.start('t'), undefined);
  const log: number[] = [];
  const waits = [3, 4].map((number) => limiter.start('t')!.then(() => log.push(number)));
  assert.deepEqual(log, []);
  limiter.end();
  await waits[0];
  assert.deepEqual(log, [3]);
  limiter.end();
  await waits[1];
  limiter.end();
  limiter.end();
  assert.equal(limiter.start('t'), undefined, 'all places are free again');
});

test('block: as many enter as may run and wait, then the receive loop waits for one to leave', async () => {
  const limiter = new Limiter(1, 2, 'block');
  for (let index = 0; index < 3; index++) assert.equal(limiter.enter(), undefined);
  const fourth = limiter.enter()!;
  const fifth = limiter.enter()!;
  assert.ok(await isPending(fourth));
  limiter.leave();
  await fourth;
  assert.ok(await isPending(fifth), 'the place went to the first that waited');
  limiter.leave();
  await fifth;
});

test('block with no queue at all: the loop waits while one runs', () => {
  const limiter = new Limiter(1, 0, 'block');
  assert.equal(limiter.enter(), undefined);
  assert.ok(limiter.enter() instanceof Promise);
});

test('drop-oldest: everything enters, and the oldest that waits is given up for the newest', async () => {
  const limiter = new Limiter(1, 2, 'drop-oldest');
  for (let index = 0; index < 5; index++) assert.equal(limiter.enter(), undefined);
  assert.equal(limiter.start('price.tick'), undefined);
  const [second, third, fourth] = [
    limiter.start('price.tick')!,
    limiter.start('price.tick')!,
    limiter.start('price.tick')!,
  ];
  await assert.rejects(second, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'OVERFLOW');
    assert.equal(error.topic, 'price.tick');
    assert.match(error.message, /Raise `concurrency` or `maxQueued`/);
    return true;
  });
  const fifth = limiter.start('price.tick')!;
  assert.equal(await codeOf(third), 'OVERFLOW');
  limiter.end();
  await fourth;
  limiter.end();
  await fifth;
});

test('drop-oldest with no queue at all: the newcomer is given up', async () => {
  const limiter = new Limiter(1, 0, 'drop-oldest');
  assert.equal(limiter.start('t'), undefined);
  assert.equal(await codeOf(limiter.start('t')!), 'OVERFLOW');
  limiter.end();
  assert.equal(limiter.start('t'), undefined);
});

test('tryEnter says whether there is room, and never waits', () => {
  const limiter = new Limiter(1, 1, 'block');
  assert.deepEqual([limiter.tryEnter(), limiter.tryEnter(), limiter.tryEnter()], [true, true, false]);
  limiter.leave();
  assert.equal(limiter.tryEnter(), true);
});

test('a wait that is taken back rejects and leaves the queue; a place that was given stays', async () => {
  const limiter = new Limiter(1, 10, 'block');
  const [a, b] = [{}, {}];
  assert.equal(limiter.start('t', a), undefined);
  const waiting = limiter.start('t', b)!;
  const next = limiter.start('t', {})!;
  limiter.giveUp(a, new Error('it runs already'));
  limiter.giveUp(b, new Error('no longer wanted'));
  await assert.rejects(waiting, /no longer wanted/);
  limiter.end();
  await next;
  limiter.end();
  assert.equal(limiter.start('t'), undefined);
});
