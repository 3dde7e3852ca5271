import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as messagePack from '@msgpack/msgpack';
import { CodecError } from '../../src/middleware/codec.ts';
import { msgpack } from '../../src/middleware/msgpack.ts';
import type { MsgpackModule } from '../../src/middleware/msgpack.ts';

const codec = msgpack(messagePack);
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
/** A module whose decoder makes what JSON makes, or what `make` makes of it: as careless as a decoder can be. */
const careless = (make: (value: unknown) => unknown = (value) => value): MsgpackModule => ({
  encode: (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes) => make(JSON.parse(Buffer.from(bytes).toString())),
});
const refusal = (what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CodecError);
  assert.match(error.message, what);
  assert.notEqual(error.hint, '');
  return true;
};

test('bodies become plain maps and come back the same', () => {
  const body = { symbol: 'BTC', price: 1.5, tags: ['a', 'é'], nothing: null, inner: { on: true } };
  const bytes = codec.encode(body) as Uint8Array;
  assert.equal(bytes[0], 0x85); // a map of five
  assert.deepEqual(codec.decode(bytes), body);
  assert.equal(codec.contentType, 'application/vnd.msgpack');
});

test('methods of a packer instance keep their this', () => {
  const packer = {
    calls: 0,
    encode(_value: unknown) {
      this.calls++;
      return Uint8Array.of(0xc0);
    },
    decode(_bytes: Uint8Array) {
      this.calls++;
      return null;
    },
  };
  const made = msgpack(packer);
  made.decode(made.encode(null) as Uint8Array);
  assert.equal(packer.calls, 2);
});

test('a key __proto__ is refused, whether the module refuses it, keeps it or lets it change the prototype', () => {
  const hostile = Buffer.concat([
    Buffer.from([0x81, 0xa9]),
    Buffer.from('__proto__'),
    Buffer.from([0x81, 0xa1, 0x78, 0x01]),
  ]);
  assert.throws(() => codec.decode(hostile), refusal(/__proto__/));
  const text = Buffer.from('{"__proto__":{"x":1}}');
  assert.throws(() => msgpack(careless()).decode(text), refusal(/key "__proto__"/));
  const assigning = careless(() => Object.setPrototypeOf({}, { x: 1 }));
  assert.throws(() => msgpack(assigning).decode(text), refusal(/changed a prototype/));
});

test('the word as a value is data', () => {
  assert.deepEqual(codec.decode(codec.encode({ name: '__proto__' }) as Uint8Array), { name: '__proto__' });
});

test('sixty-four levels pass in both directions, sixty-five do not', () => {
  assert.deepEqual(codec.decode(codec.encode(nested(64)) as Uint8Array), nested(64));
  assert.throws(() => codec.encode(nested(65)), refusal(/deeper than 64/));
  assert.throws(() => codec.decode(messagePack.encode(nested(65))), refusal(/deeper than 64/));
});

test('maxDepth moves the limit', () => {
  const flat = msgpack(messagePack, { maxDepth: 1 });
  assert.deepEqual(flat.decode(flat.encode([1]) as Uint8Array), [1]);
  assert.throws(() => flat.encode([[]]), refusal(/deeper than 1/));
  assert.throws(() => msgpack(messagePack, { maxDepth: 0 }), RangeError);
});

test('bytes of text that look like nesting do not count as depth', () => {
  const body = { text: 'ÀÁÂÃ'.repeat(100), numbers: Array.from({ length: 200 }, () => [1]) };
  assert.deepEqual(codec.decode(codec.encode(body) as Uint8Array), body);
});

test('what the module throws is refused with a hint', () => {
  assert.throws(() => codec.encode(() => 1), refusal(/./));
  assert.throws(() => codec.decode(Uint8Array.of(0xc1)), refusal(/./));
  assert.throws(() => codec.decode(Uint8Array.of(0xa5, 0x61)), refusal(/./));
});

test('what is no module is refused at once', () => {
  for (const module of [undefined, null, {}, { encode: () => Uint8Array.of(1) }]) {
    assert.throws(
      () => msgpack(module as unknown as MsgpackModule),
      /TypeError: Expected `module` to have the functions/,
    );
  }
});
