import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lane } from '../../src/core/lane.ts';
import { Slot } from '../../src/core/slot.ts';

const slot = (topic: string): Slot => new Slot(topic, () => {});

test('slots come out in the order in which they went in', () => {
  const lane = new Lane();
  const [a, b, c] = [slot('a'), slot('b'), slot('c')];
  for (const one of [a, b, c]) lane.push(one);
  assert.equal(lane.length, 3);
  assert.equal(lane.at(0), a);
  lane.drop(1);
  assert.equal(lane.at(0), b);
  assert.equal(lane.at(1), c);
  assert.equal(lane.at(2), undefined);
  lane.drop(2);
  assert.equal(lane.length, 0);
  assert.equal(lane.first(), undefined);
});

test('first() drops what was given up in front, and only there', () => {
  const lane = new Lane();
  const slots = ['a', 'b', 'c', 'd'].map(slot);
  for (const one of slots) lane.push(one);
  for (const index of [0, 1, 3]) slots[index]!.state = 'void';
  assert.equal(lane.first(), slots[2]);
  assert.equal(lane.length, 2);
});

test('a lane behaves like a plain list, however long it gets', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(3000), fc.constant('drop' as const)), { maxLength: 30 }), (steps) => {
      const lane = new Lane();
      const list: Slot[] = [];
      for (const step of steps) {
        if (step === 'drop') {
          const count = Math.ceil(list.length * 0.7);
          lane.drop(count);
          list.splice(0, count);
        } else {
          for (let index = 0; index < step; index++) {
            const one = slot('t');
            lane.push(one);
            list.push(one);
          }
        }
        assert.equal(lane.length, list.length);
        assert.equal(lane.at(0), list[0]);
        assert.equal(lane.at(list.length - 1), list.at(-1));
      }
    }),
    { numRuns: 50 },
  );
});

test('what is given up behind one that is stuck does not pile up, and the rest keeps its order', () => {
  const lane = new Lane();
  const kept: Slot[] = [];
  for (let index = 0; index < 100_000; index++) {
    const one = slot(String(index));
    lane.push(one);
    if (index % 1000 === 0) kept.push(one);
    else {
      one.state = 'void';
      lane.forget();
    }
  }
  assert.ok(lane.length < 5000, String(lane.length));
  assert.deepEqual(
    lane.all().filter(({ state }) => state !== 'void'),
    kept,
  );
});

test('group() brings together what is queued in front of all others, each kind in its order, and looks at each slot once', () => {
  const lane = new Lane();
  const slots = ['a1', 'b1', 'a2', 'c1', 'b2', 'a3', 'b3'].map(slot);
  for (const one of slots) {
    one.state = 'queued';
    lane.push(one);
  }
  slots[3]!.state = 'void';
  slots[5]!.state = 'reserved';
  const asked: string[] = [];
  const byLetter = ({ topic }: Slot): unknown => {
    asked.push(topic);
    return topic[0];
  };
  const order = (): string => Array.from(lane.all(), ({ topic }) => topic).join(' ');
  lane.group(byLetter);
  assert.equal(order(), 'a1 a2 b1 b2 c1 a3 b3');
  slots[5]!.state = 'queued';
  lane.drop(4);
  lane.group(byLetter);
  assert.deepEqual(asked, ['a1', 'b1', 'a2', 'c1', 'b2'], 'not before the batch has left');
  lane.drop(1);
  lane.push(slot('a4'));
  lane.at(2)!.state = 'queued';
  lane.group(byLetter);
  assert.equal(order(), 'a3 a4 b3');
});

test('group() takes any number of slots, and begins anew once others were taken out', () => {
  const lane = new Lane();
  const push = (topic: string): void => {
    const one = slot(topic);
    one.state = 'queued';
    lane.push(one);
  };
  for (let n = 0; n < 200_000; n++) push(n % 2 === 0 ? 'a' : 'b');
  const byTopic = ({ topic }: Slot): string => topic;
  lane.group(byTopic);
  assert.deepEqual([lane.at(99_999)!.topic, lane.at(100_000)!.topic], ['a', 'b']);
  lane.take(({ topic }) => topic === 'b');
  push('c');
  push('a');
  lane.group(byTopic);
  assert.equal(lane.at(lane.length - 1)!.topic, 'c');
});
