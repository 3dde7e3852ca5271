import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodecError } from '../../src/middleware/codec.ts';
import { jsonCodec } from '../../src/middleware/json-codec.ts';

const codec = jsonCodec();
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const refusal = (what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CodecError);
  assert.match(error.message, what);
  assert.notEqual(error.hint, '');
  return true;
};
const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const objects = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

test('what it decodes and encodes is what JSON itself does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      fc.pre(!text.includes('__proto__'));
      assert.equal(codec.encode(value), text);
      assert.deepEqual(codec.decode(bytes(text)), JSON.parse(text));
      assert.deepEqual(codec.decode(bytes(JSON.stringify(value, undefined, 2))), JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

test('plain byte arrays and views into larger buffers decode as well', () => {
  const packet = bytes('xx{"a":"é"}yy');
  assert.deepEqual(codec.decode(packet.subarray(2, packet.length - 2)), { a: 'é' });
  assert.deepEqual(codec.decode(new Uint8Array(packet).subarray(2, packet.length - 2)), { a: 'é' });
});

test('a key __proto__ is refused, however it is escaped and wherever it stands', () => {
  const keys = ['__proto__', '\\u005f_proto__', '\\u005F\\u005f\\u0070roto__', '__pro\\u0074o__'];
  for (const key of keys) {
    for (const text of [`{"${key}":{"x":1}}`, `[1,{"a":{"b":[{"${key}":1}]}}]`]) {
      assert.throws(() => codec.decode(bytes(text)), refusal(/key "__proto__"/), text);
    }
  }
});

test('constructor.prototype is refused, escaped or not', () => {
  for (const text of ['{"constructor":{"prototype":{}}}', '{"\\u0063onstructor":{"\\u0070rototype":{}}}']) {
    assert.throws(() => codec.decode(bytes(text)), refusal(/"constructor"/), text);
  }
});

test('the words as values, or as parts of other keys, are data', () => {
  const text =
    '{"__proto":1,"key":"__proto__","constructor":"Ferrari","prototype":{"a":1},"quoted":"\\"__proto__\\":"}';
  assert.deepEqual(codec.decode(bytes(text)), JSON.parse(text));
  assert.equal(codec.encode(JSON.parse(text)), text);
});

test('an own key __proto__ is refused when encoding too, because no receiver would read it', () => {
  assert.throws(() => codec.encode(JSON.parse('{"a":{"__proto__":1}}')), refusal(/key "__proto__"/));
});

test('sixty-four levels pass in both directions, sixty-five do not', () => {
  for (const make of [arrays, objects]) {
    assert.equal(codec.encode(codec.decode(bytes(make(64)))), make(64));
    assert.throws(() => codec.decode(bytes(make(65))), refusal(/deeper than 64 levels/));
    assert.throws(() => codec.encode(JSON.parse(make(65))), refusal(/deeper than 64 levels/));
  }
});

test('maxDepth moves the limit', () => {
  const flat = jsonCodec({ maxDepth: 1 });
  assert.deepEqual(flat.decode(bytes('{"a":1}')), { a: 1 });
  assert.throws(() => flat.decode(bytes('{"a":[]}')), refusal(/deeper than 1 levels/));
  assert.throws(() => flat.encode([[]]), refusal(/deeper than 1 levels/));
  assert.throws(() => jsonCodec({ maxDepth: 0 }), RangeError);
});

test('a million levels are refused without overflowing the stack, in both directions', () => {
  assert.throws(() => codec.decode(bytes(arrays(1_000_000))), refusal(/deeper than 64 levels/));
  assert.throws(() => codec.encode(JSON.parse(arrays(1_000_000))), refusal(/Maximum call stack|deeper/));
});

test('brackets in text, many flat objects and escaped quotes do not count as depth', () => {
  const values = [
    '[{'.repeat(500),
    `\\"[[[${'"'.repeat(99)}`,
    Array.from({ length: 500 }, (_, index) => ({ index, nested: [{ a: '}]' }] })),
    { '[': ['\\'.repeat(99), '[['.repeat(99)] },
  ];
  for (const value of values) assert.deepEqual(codec.decode(bytes(codec.encode(value) as string)), value);
});

test('the depth that is found is the depth of the value', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  const limited = jsonCodec({ maxDepth: 3 });
  const key = fc.constantFrom('a', '[', '{"', '\\', '"');
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(1, null, '[[[[', '"}', '\\"', '{'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (any) => {
      const text = JSON.stringify(any);
      if (depthOf(any) <= 3) assert.deepEqual(limited.decode(bytes(text)), any);
      else assert.throws(() => limited.decode(bytes(text)), refusal(/deeper than 3/));
    }),
    { numRuns: 500 },
  );
});

test('bad UTF-8, a byte order mark, and text that is not JSON are refused', () => {
  for (const bad of [
    [0x22, 0xff, 0x22],
    [0x22, 0xc3, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
  ]) {
    assert.throws(() => codec.decode(Uint8Array.from(bad)), refusal(/not UTF-8/));
  }
  for (const bad of [
    '\ufeff{}',
    '{',
    '{"a":1}x',
    'NaN',
    "{'a':1}",
    '[1,]',
    '"',
    '['.repeat(60),
    `"${'['.repeat(200)}`,
  ]) {
    assert.throws(() => codec.decode(bytes(bad)), refusal(/./), bad);
  }
});

test('a cycle, a BigInt, a function, a symbol and a toJSON that throws are refused with a hint and a one-line message', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = { cycle };
  const throwing = {
    toJSON() {
      throw new Error('no form today');
    },
  };
  const bodies: [unknown, RegExp][] = [
    [cycle, /circular/],
    [{ n: 1n }, /BigInt/],
    [() => 1, /a function has no JSON form/],
    [Symbol('s'), /a symbol has no JSON form/],
    [throwing, /no form today/],
  ];
  for (const [body, what] of bodies) {
    assert.throws(
      () => codec.encode(body),
      (error: unknown) => refusal(what)(error) && !(error as Error).message.includes('\n'),
    );
  }
});

test('random bytes either decode as JSON does or are refused with a CodecError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (random) => {
      try {
        codec.decode(random);
      } catch (error) {
        assert.ok(error instanceof CodecError);
      }
    }),
    { numRuns: 500 },
  );
});
