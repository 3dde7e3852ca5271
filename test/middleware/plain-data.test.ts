import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCodecOptions, isDeeperThan, unsafeKeyFault } from '../../src/middleware/plain-data.ts';

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { inner: value };
  return value;
}

const plain = [
  undefined,
  null,
  1,
  'text',
  true,
  [],
  {},
  { a: [{ b: 1 }] },
  new Date(0),
  new Uint8Array(3),
  Object.create(null),
];

test('plain values are neither deep nor unsafe', () => {
  for (const value of plain) {
    assert.equal(isDeeperThan(value, 3), false);
    assert.equal(unsafeKeyFault(value), undefined);
  }
});

test('a value as deep as the limit passes and one level more does not', () => {
  assert.equal(isDeeperThan(nested(64), 64), false);
  assert.equal(isDeeperThan(nested(65), 64), true);
  assert.equal(isDeeperThan([1, 'a', { wide: nested(63) }], 64), true);
});

test('depth inside of class instances counts', () => {
  class Box {
    readonly inner = nested(2);
  }
  assert.deepEqual([isDeeperThan(new Box(), 3), isDeeperThan(new Box(), 2)], [false, true]);
});

test('a million levels and a cycle do not overflow the stack', () => {
  assert.equal(isDeeperThan(nested(1_000_000), 64), true);
  assert.equal(isDeeperThan(nested(1_000_000), 2_000_000), false);
  assert.equal(unsafeKeyFault(nested(1_000_000)), undefined);
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assert.equal(isDeeperThan(cycle, 64), true);
});

test('an own key __proto__ is found at any place', () => {
  for (const text of ['{"__proto__":1}', '[1,{"a":{"__proto__":null}}]']) {
    assert.match(unsafeKeyFault(JSON.parse(text)) ?? '', /key "__proto__"/, text);
  }
});

test('a prototype that was assigned from data is found, also when it has a key constructor', () => {
  for (const data of [{ polluted: true }, { constructor: 'text' }]) {
    const value: unknown = Object.setPrototypeOf({}, data);
    assert.match(unsafeKeyFault([value]) ?? '', /changed a prototype/);
  }
});

test('constructor.prototype is found, and a constructor that holds anything else is a key like any other', () => {
  assert.match(unsafeKeyFault(JSON.parse('{"constructor":{"prototype":{}}}')) ?? '', /"constructor"/);
  for (const text of [
    '{"constructor":"Ferrari"}',
    '{"constructor":null}',
    '{"constructor":{"name":1}}',
    '{"prototype":1}',
  ]) {
    assert.equal(unsafeKeyFault(JSON.parse(text)), undefined, text);
  }
});

test('a depth that is not an integer from 1 is refused', () => {
  for (const maxDepth of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(
      () => checkCodecOptions({ maxDepth }),
      /RangeError: Expected `maxDepth` to be an integer from 1, got/,
    );
  }
});
