import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Gap } from '../../src/core/gap-detector.ts';
import { GapDetector } from '../../src/core/gap-detector.ts';

function watch(max?: number): { detector: GapDetector; gaps: Gap[]; told: () => string[] } {
  const gaps: Gap[] = [];
  const detector = new GapDetector('memory://events', (gap) => gaps.push(gap), max);
  const told = (): string[] =>
    gaps.splice(0).map(({ topic, epoch, from, to, count }) => {
      assert.equal(count, to - from + 1);
      return `${topic}/${String(epoch)} ${String(from)}-${String(to)}`;
    });
  return { detector, gaps, told };
}

test('the first packet is the base line: what was before it was not missed', () => {
  const { detector, told } = watch();
  detector.observe('a', 1, 100, 105);
  detector.observe('a', 1, 106, 106);
  assert.deepEqual(told(), []);
});

test('a hole is told once, with the first and the last that are missing, and where', () => {
  const { detector, gaps } = watch();
  detector.observe('a', 1, 1, 3);
  detector.observe('a', 1, 7, 8);
  assert.deepEqual(gaps, [{ topic: 'a', epoch: 1, endpoint: 'memory://events', from: 4, to: 6, count: 3 }]);
});

test('repeats, late ones and overlaps change nothing', () => {
  const { detector, told } = watch();
  detector.observe('a', 1, 1, 5);
  detector.observe('a', 1, 1, 5);
  detector.observe('a', 1, 2, 3);
  detector.observe('a', 1, 4, 8);
  detector.observe('a', 1, 9, 9);
  assert.deepEqual(told(), []);
});

test('topics and epochs are watched apart', () => {
  const { detector, told } = watch();
  detector.observe('a', 1, 1, 1);
  detector.observe('b', 1, 50, 50);
  detector.observe('a', 2, 9, 9);
  detector.observe('a', 1, 3, 3);
  detector.observe('a', 2, 10, 10);
  detector.observe('b', 1, 52, 52);
  assert.deepEqual(told(), ['a/1 2-2', 'b/1 51-51']);
});

test('a heartbeat finds a lost tail, and what it has told is not told again', () => {
  const { detector, told } = watch();
  detector.observe('a', 1, 1, 3);
  detector.heartbeat('a', 1, 3);
  assert.deepEqual(told(), []);
  detector.heartbeat('a', 1, 5);
  assert.deepEqual(told(), ['a/1 4-5']);
  detector.heartbeat('a', 1, 5);
  detector.observe('a', 1, 6, 6);
  assert.deepEqual(told(), []);
});

test('a packet answers how many are missing just before it, what a heartbeat has told of included, once', () => {
  const { detector } = watch();
  assert.equal(detector.observe('a', 1, 5, 6), 0, 'the base line');
  assert.equal(detector.observe('a', 1, 10, 10), 3);
  assert.equal(detector.observe('a', 1, 10, 12), 0, 'a repeat is not after the gap');
  detector.heartbeat('a', 1, 14);
  assert.equal(detector.observe('a', 1, 3, 4), 0, 'nor is an old one');
  detector.heartbeat('a', 1, 15);
  assert.equal(detector.observe('a', 1, 17, 17), 4);
  assert.equal(detector.observe('a', 1, 18, 18), 0);
  assert.equal(detector.observe('b', 1, 18, 18), 0);
});

test('a heartbeat may be the base line too, once a second one has confirmed it', () => {
  const { detector, told } = watch();
  detector.heartbeat('a', 1, 10);
  detector.heartbeat('a', 1, 10);
  assert.deepEqual(told(), []);
  detector.observe('a', 1, 12, 12);
  assert.deepEqual(told(), ['a/1 11-11']);
});

test('what was published between a first heartbeat and the first packet was not missed: the subscription came in between', () => {
  const { detector, told } = watch();
  detector.heartbeat('a', 1, 10);
  detector.observe('a', 1, 15, 16);
  assert.deepEqual(told(), []);
  detector.observe('a', 1, 18, 18);
  assert.deepEqual(told(), ['a/1 17-17']);
});

test('what was published between two heartbeats, with no packet at all, was missed', () => {
  const { detector, told } = watch();
  detector.heartbeat('a', 1, 10);
  detector.heartbeat('a', 1, 12);
  assert.deepEqual(told(), ['a/1 11-12']);
});

test('an old heartbeat changes nothing', () => {
  const { detector, told } = watch();
  detector.observe('a', 1, 1, 9);
  detector.heartbeat('a', 1, 4);
  detector.observe('a', 1, 10, 10);
  assert.deepEqual(told(), []);
});

test('reset starts over for the topics it covers, and for no others', () => {
  const { detector, told } = watch();
  detector.observe('a.x', 1, 1, 1);
  detector.observe('b.x', 1, 1, 1);
  detector.reset((topic) => topic.startsWith('a.'));
  detector.observe('a.x', 1, 9, 9);
  detector.observe('b.x', 1, 9, 9);
  assert.deepEqual(told(), ['b.x/1 2-8']);
});

test('the watch is bounded: the topic seen first is forgotten first, and starts over', () => {
  const { detector, told } = watch(3);
  for (const topic of ['a', 'b', 'c', 'd']) detector.observe(topic, 1, 1, 1);
  detector.observe('a', 1, 5, 5);
  detector.observe('d', 1, 5, 5);
  assert.deepEqual(told(), ['d/1 2-4']);
});

test('a topic whose publisher restarts without end stays bounded', () => {
  const { detector, told } = watch(4);
  for (let epoch = 1; epoch <= 100; epoch++) detector.observe('a', epoch, 1, 1);
  // An epoch from long ago was forgotten: it starts over instead of telling a gap.
  detector.observe('a', 3, 50, 50);
  assert.deepEqual(told(), []);
});

/** What may happen to the packets of one stream on their way. */
type Event =
  | { readonly kind: 'packet'; readonly size: number; readonly lost: boolean; readonly again: boolean }
  | { readonly kind: 'heartbeat'; readonly lost: boolean };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('packet' as const),
      size: fc.integer({ min: 1, max: 5 }),
      lost: fc.boolean(),
      again: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), lost: fc.boolean() }) },
);

test('whatever is lost, repeated or told by heartbeats: the gaps are exactly what is missing after the base line', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 2 }), event)), (events) => {
      const { detector, gaps } = watch();
      const published = new Map<string, number>();
      /** What a model that remembers every single sequence says. */
      const model = new Map<string, { base: number; known: number; seen: Set<number>; onTrial: boolean }>();
      for (const [topic, epoch, one] of events) {
        const stream = `${topic}/${String(epoch)}`;
        const last = published.get(stream) ?? 0;
        if (one.kind === 'heartbeat') {
          if (one.lost) continue;
          const known = model.get(stream);
          if (known === undefined) model.set(stream, { base: last, known: last, seen: new Set(), onTrial: true });
          else {
            known.known = Math.max(known.known, last);
            known.onTrial = false;
          }
          detector.heartbeat(topic, epoch, last);
          continue;
        }
        const first = last + 1;
        const end = last + one.size;
        published.set(stream, end);
        if (one.lost) continue;
        const known = model.get(stream) ?? { base: last, known: last, seen: new Set<number>(), onTrial: false };
        if (known.onTrial) Object.assign(known, { base: last, onTrial: false });
        model.set(stream, known);
        known.known = Math.max(known.known, end);
        for (let sequence = first; sequence <= end; sequence++) known.seen.add(sequence);
        for (let times = one.again ? 2 : 1; times > 0; times--) detector.observe(topic, epoch, first, end);
      }
      const missing = [...model].flatMap(([stream, { base, known, seen }]) =>
        Array.from({ length: known - base }, (_, index) => base + 1 + index)
          .filter((sequence) => !seen.has(sequence))
          .map((sequence) => `${stream} ${String(sequence)}`),
      );
      const told = gaps.flatMap(({ topic, epoch, from, to }) =>
        Array.from({ length: to - from + 1 }, (_, index) => `${topic}/${String(epoch)} ${String(from + index)}`),
      );
      assert.deepEqual(told.sort(), missing.sort());
      assert.equal(
        gaps.reduce((sum, { count }) => sum + count, 0),
        missing.length,
      );
    }),
    { numRuns: 500 },
  );
});

test('a heartbeat takes no place of a stream that packets have told of, and invents no gap of one that was evicted', () => {
  const gaps: string[] = [];
  const detector = new GapDetector(
    'e',
    ({ topic, from, to }) => void gaps.push(`${topic} ${String(from)}-${String(to)}`),
    2,
  );
  for (const topic of ['evicted', 'a', 'b']) detector.observe(topic, 1, 1, 2);
  // The first was made before the last record left, the second after it.
  detector.heartbeat('evicted', 1, 1);
  detector.heartbeat('evicted', 1, 2);
  assert.deepEqual(gaps, []);
  detector.observe('a', 1, 4, 4);
  detector.heartbeat('b', 1, 3);
  assert.deepEqual(gaps, ['a 3-3', 'b 3-3']);
});

test('nor of one that was evicted with several epochs, which leaves room', () => {
  const { detector, told } = watch(3);
  for (const epoch of [1, 2]) detector.observe('evicted', epoch, 1, 9);
  for (const topic of ['a', 'b']) detector.observe(topic, 1, 1, 2);
  // Made before the last records left, and after them.
  detector.heartbeat('evicted', 2, 5);
  detector.heartbeat('evicted', 2, 9);
  assert.deepEqual(told(), []);
});
