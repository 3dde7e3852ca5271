import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bucket, Expirable } from '../../src/core/deadlines.ts';
import { Deadlines, TICK_MS } from '../../src/core/deadlines.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';

class Entry implements Expirable {
  bucket: Bucket | undefined = undefined;
  place = 0;
  expiredAt: number | undefined = undefined;
  readonly #clock: FakeClock;
  readonly #onExpire: () => void;

  constructor(clock: FakeClock, onExpire: () => void = () => {}) {
    this.#clock = clock;
    this.#onExpire = onExpire;
  }

  expire(): void {
    assert.equal(this.expiredAt, undefined, 'an entry expires once');
    this.expiredAt = this.#clock.now();
    this.#onExpire();
  }
}

test('an entry expires when its time has passed, up to one tick late and never early', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const entry = new Entry(clock);
  deadlines.add(entry, clock.now() + 12);
  await clock.pass(11, 1);
  assert.equal(entry.expiredAt, undefined);
  await clock.pass(TICK_MS + 1, 1);
  assert.ok(entry.expiredAt! >= 1012 && entry.expiredAt! <= 1012 + TICK_MS, String(entry.expiredAt));
});

test('one timer serves any number of entries', () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  for (let index = 0; index < 1000; index++) deadlines.add(new Entry(clock), clock.now() + 100 + index);
  assert.equal(clock.pending, 1);
});

test('an earlier entry brings the timer forward', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const [late, early] = [new Entry(clock), new Entry(clock)];
  deadlines.add(late, clock.now() + 500);
  deadlines.add(early, clock.now() + 20);
  assert.equal(clock.pending, 1);
  await clock.pass(30);
  assert.notEqual(early.expiredAt, undefined);
  assert.equal(late.expiredAt, undefined);
  await clock.pass(480);
  assert.notEqual(late.expiredAt, undefined);
});

test('what was removed does not expire, and removing twice is nothing', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const entry = new Entry(clock);
  deadlines.add(entry, clock.now() + 10);
  deadlines.remove(entry);
  deadlines.remove(entry);
  await clock.pass(50);
  assert.equal(entry.expiredAt, undefined);
  assert.equal(clock.pending, 0, 'no timer is left for nothing');
});

test('adding an entry again moves its deadline', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const entry = new Entry(clock);
  deadlines.add(entry, clock.now() + 10);
  deadlines.add(entry, clock.now() + 100);
  await clock.pass(50);
  assert.equal(entry.expiredAt, undefined);
  await clock.pass(60);
  assert.notEqual(entry.expiredAt, undefined);
});

test('a deadline that has passed already expires on a later turn, not in the call', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const entry = new Entry(clock);
  deadlines.add(entry, clock.now() - 100);
  assert.equal(entry.expiredAt, undefined);
  await clock.pass(1);
  assert.notEqual(entry.expiredAt, undefined);
});

test('an entry that another one of the same tick settles does not expire', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const second = new Entry(clock);
  const first = new Entry(clock, () => deadlines.remove(second));
  deadlines.add(first, clock.now() + 10);
  deadlines.add(second, clock.now() + 10);
  await clock.pass(20);
  assert.notEqual(first.expiredAt, undefined);
  assert.equal(second.expiredAt, undefined);
});

test('an entry may add entries when it expires', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const next = new Entry(clock);
  deadlines.add(new Entry(clock, () => deadlines.add(next, clock.now() + 10)), clock.now() + 10);
  await clock.pass(40);
  assert.notEqual(next.expiredAt, undefined);
});

test('close() tells every entry that it will never expire, and leaves no timer', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const entry = new Entry(clock);
  let told = 0;
  deadlines.add(Object.assign(entry, { onClosed: () => told++ }), clock.now() + 10);
  deadlines.close();
  assert.equal(told, 1);
  assert.equal(clock.pending, 0);
  await clock.pass(50);
  assert.equal(entry.expiredAt, undefined);
});

test('no timer is left behind when an entry comes between the timer and its turn', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  deadlines.add(new Entry(clock), clock.now() + 10);
  clock.advance(10);
  // The timer has run, the turn that expires the entry has not come yet.
  deadlines.add(new Entry(clock), clock.now() - 5);
  deadlines.add(new Entry(clock), clock.now() + 1000);
  await turns();
  await clock.pass(10);
  deadlines.close();
  assert.equal(clock.pending, 0);
});

test('a deadline beyond the longest timer, or that never comes, does not fire at once', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const [far, never] = [new Entry(clock), new Entry(clock)];
  deadlines.add(far, clock.now() + 2 ** 40);
  deadlines.add(never, Infinity);
  assert.equal(clock.nextMs, 2 ** 31 - 1, 'what a timer of Node takes');
  clock.advance(2 ** 31);
  await turns();
  assert.equal(far.expiredAt, undefined);
  assert.equal(clock.pending, 1, 'it is armed again');
  assert.equal(never.expiredAt, undefined);
});

test('whatever is added and removed: what remains expires within a tick after its deadline, the rest never', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ after: fc.integer({ min: 0, max: 60 }), removedAt: fc.option(fc.nat(60)) }), {
        maxLength: 20,
      }),
      fc.integer({ min: 0, max: 10_000 }),
      async (plan, start) => {
        const clock = new FakeClock(start);
        const deadlines = new Deadlines(clock);
        const entries = plan.map(() => new Entry(clock));
        plan.forEach(({ after }, index) => deadlines.add(entries[index]!, start + after));
        for (let at = 0; at <= 70; at++) {
          plan.forEach(({ removedAt }, index) => {
            if (removedAt === at) deadlines.remove(entries[index]!);
          });
          await clock.pass(1, 1);
        }
        plan.forEach(({ after, removedAt }, index) => {
          const { expiredAt } = entries[index]!;
          if (expiredAt === undefined) assert.ok(removedAt !== null && removedAt <= after + TICK_MS + 1);
          else assert.ok(expiredAt - start >= after && expiredAt - start <= after + TICK_MS + 1, String(expiredAt));
        });
        assert.equal(clock.pending, 0);
      },
    ),
    { numRuns: 15 },
  );
});

test('deadlines that are far away, each another, leave nothing behind when their entries are removed', () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const kept = new Entry(clock);
  deadlines.add(kept, clock.now() + 1e12);
  for (let index = 0; index < 50_000; index++) {
    const entry = new Entry(clock);
    deadlines.add(entry, clock.now() + 1e12 + index * 1000);
    deadlines.remove(entry);
  }
  assert.ok(deadlines.buckets <= 4096, String(deadlines.buckets));
  assert.ok(kept.bucket?.entries.includes(kept));
});
