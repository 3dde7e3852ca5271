import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as messagePack from '@msgpack/msgpack';
import { BusError } from '../../src/core/errors.ts';
import type { Codec } from '../../src/middleware/codec.ts';
import { jsonCodec } from '../../src/middleware/json-codec.ts';
import { msgpack } from '../../src/middleware/msgpack.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { memoryBus, until } from './memory-bus.ts';

const json = serialize();
const packed = serialize(msgpack(messagePack));
const rejection = (code: string, what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BusError);
  assert.equal(error.code, code);
  assert.equal(error.retryable, false);
  assert.match(error.message, what);
  assert.match(error.message, /topic "price.tick"/);
  return true;
};

test('a body leaves as JSON, without the header content-type', async () => {
  const ctx = sendContext({ body: { price: 1 } });
  await json.send?.(ctx, done);
  assert.equal(Buffer.from(ctx.payload).toString(), '{"price":1}');
  assert.equal(ctx.headers.size, 0);
});

test('a payload arrives as its value before the next step runs', async () => {
  const ctx = receiveContext({ payload: Buffer.from('{"price":1}') });
  const seen: unknown[] = [];
  await json.receive?.(ctx, async () => {
    seen.push(ctx.body);
  });
  assert.deepEqual(seen, [{ price: 1 }]);
});

test('a step that fails after it is heard of', async () => {
  const fail = (): Promise<void> => Promise.reject(new Error('later'));
  await assert.rejects(async () => json.send?.(sendContext(), fail), /later/);
  await assert.rejects(async () => json.receive?.(receiveContext(), fail), /later/);
});

test('another codec says so in content-type, and reads what says so', async () => {
  const out = sendContext({ body: { price: 1 } });
  await packed.send?.(out, done);
  assert.equal(out.headers.get('content-type'), 'application/vnd.msgpack');
  const into = receiveContext({ payload: out.payload, headers: { 'content-type': 'application/vnd.msgpack' } });
  await packed.receive?.(into, done);
  assert.deepEqual(into.body, { price: 1 });
});

test('a content-type copied from another message is corrected', async () => {
  const ctx = sendContext({ body: 1, headers: { 'content-type': 'application/vnd.msgpack', kept: 'yes' } });
  await json.send?.(ctx, done);
  assert.deepEqual([...ctx.headers], [['kept', 'yes']]);
});

test('an undefined body is an empty payload and comes back undefined, in every codec', async () => {
  for (const middleware of [json, packed]) {
    const out = sendContext({ body: undefined });
    out.payload = Buffer.from('left over');
    await middleware.send?.(out, done);
    assert.equal(out.payload.length, 0);
    const into = receiveContext({ payload: out.payload, body: 'left over' });
    await middleware.receive?.(into, done);
    assert.equal(into.body, undefined);
  }
});

test('null, false, 0 and empty text survive', async () => {
  for (const body of [null, false, 0, '']) {
    const out = sendContext({ body });
    await json.send?.(out, done);
    const into = receiveContext({ payload: out.payload });
    await json.receive?.(into, done);
    assert.equal(into.body, body);
  }
});

test('a body without a form in JSON is SERIALIZE_FAILED and the next step does not run', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const next = (): Promise<void> => assert.fail('must not run');
  for (const body of [cycle, 1n, () => 1]) {
    assert.throws(() => json.send?.(sendContext({ body }), next), rejection('SERIALIZE_FAILED', /Send plain data/));
  }
});

test('a payload that is not JSON is DESERIALIZE_FAILED and the next step does not run', () => {
  const next = (): Promise<void> => assert.fail('must not run');
  for (const text of ['{', '{"__proto__":1}', '\xff']) {
    const ctx = receiveContext({ payload: Buffer.from(text, 'latin1') });
    assert.throws(() => json.receive?.(ctx, next), rejection('DESERIALIZE_FAILED', /is not application\/json: /));
  }
});

test('two buses with different codecs tell each other so, in both directions', () => {
  const fromMsgpack = receiveContext({
    payload: Uint8Array.of(1),
    headers: { 'content-type': 'application/vnd.msgpack' },
  });
  assert.throws(
    () => json.receive?.(fromMsgpack, done),
    rejection('DESERIALIZE_FAILED', /this bus reads application\/json/),
  );
  // 0x31 is the number 1 in JSON and the number 49 in MessagePack.
  const fromJson = receiveContext({ payload: Uint8Array.of(0x31) });
  assert.throws(
    () => packed.receive?.(fromJson, done),
    rejection('DESERIALIZE_FAILED', /is application\/json, and this bus/),
  );
});

test('plain peers have no headers, so their payload is read with the codec of the bus', async () => {
  const ctx = receiveContext({ payload: Uint8Array.of(0x31), epoch: 0 });
  await packed.receive?.(ctx, done);
  assert.equal(ctx.body, 49);
});

test('parameters and capitals of a content-type do not matter', async () => {
  const ctx = receiveContext({
    payload: Buffer.from('1'),
    headers: { 'content-type': 'Application/JSON; charset=utf-8' },
  });
  await json.receive?.(ctx, done);
  assert.equal(ctx.body, 1);
});

test('a codec of your own may return text or bytes', async () => {
  const reversed: Codec = {
    contentType: 'text/x-reversed',
    encode: (value) => Buffer.from(String(value)).reverse().toString(),
    decode: (bytes) => Buffer.from(bytes).reverse().toString(),
  };
  const asBytes: Codec = { ...reversed, encode: (value) => Buffer.from(reversed.encode(value)) };
  for (const codec of [reversed, asBytes]) {
    const out = sendContext({ body: 'abc' });
    await serialize(codec).send?.(out, done);
    assert.equal(Buffer.from(out.payload).toString(), 'cba');
    const into = receiveContext({ payload: out.payload, headers: { 'content-type': 'text/x-reversed' } });
    await serialize(codec).receive?.(into, done);
    assert.equal(into.body, 'abc');
  }
});

test('a codec of your own for JSON is the default type, so it needs no header either', async () => {
  const ctx = sendContext({ body: 1 });
  await serialize({ ...jsonCodec(), encode: () => '2' }).send?.(ctx, done);
  assert.deepEqual([Buffer.from(ctx.payload).toString(), ctx.headers.size], ['2', 0]);
});

test('a codec that returns neither text nor bytes is SERIALIZE_FAILED', () => {
  const broken = { ...jsonCodec(), encode: () => Promise.resolve('later') } as unknown as Codec;
  assert.throws(
    () => serialize(broken).send?.(sendContext({ body: 1 }), done),
    rejection('SERIALIZE_FAILED', /neither bytes nor text/),
  );
});

test('an error of a codec is the cause', () => {
  const cause = new Error('no');
  const throwing: Codec = {
    contentType: 'x/y',
    encode() {
      throw cause;
    },
    decode() {
      throw cause;
    },
  };
  const hasCause = (error: unknown): boolean => (error as Error).cause === cause;
  assert.throws(() => serialize(throwing).send?.(sendContext({ body: 1 }), done), hasCause);
  const into = receiveContext({ payload: Uint8Array.of(1), headers: { 'content-type': 'x/y' } });
  assert.throws(() => serialize(throwing).receive?.(into, done), hasCause);
});

test('what is no codec is refused at once', () => {
  for (const codec of ['msgpack', null, {}, { ...jsonCodec(), contentType: '' }, { ...jsonCodec(), decode: 1 }]) {
    assert.throws(() => serialize(codec as Codec), /TypeError: Expected `codec` to be 'json' or an object with/);
  }
});

test('on a bus, events, pushes, requests and replies keep their bodies in either format', async () => {
  for (const middleware of [serialize(), serialize(msgpack(messagePack))]) {
    const { bus, errors } = memoryBus([middleware]);
    const seen: unknown[] = [];
    bus.subscribe('event', ({ body }) => seen.push(body));
    bus.pull('task', ({ body }) => seen.push(body));
    bus.respond('call', ({ body }) => [body, undefined, 'é']);
    await bus.push('task', undefined); // a puller is ready only when somebody has connected
    await bus.ready();
    await bus.publish('event', { a: 1 });
    seen.push(await bus.request('call', null));
    await until(() => seen.length === 3);
    assert.deepEqual(new Set(seen), new Set([{ a: 1 }, undefined, [null, null, 'é']]));
    await bus.close();
    assert.deepEqual(errors, []);
  }
});

test('on a bus, a body that cannot be encoded rejects the call, and an unreadable payload is dropped and told', async () => {
  const transport = memory();
  const { bus, errors } = memoryBus([serialize()], { transport });
  const raw = memoryBus([], { transport, publish: false });
  const seen: unknown[] = [];
  bus.pull('task', ({ body }) => seen.push(body));
  bus.respond('call', () => 1n);
  await assert.rejects(bus.publish('event', 1n), { code: 'SERIALIZE_FAILED' });
  await assert.rejects(bus.request('call', 1), { code: 'SERIALIZE_FAILED' });
  await raw.bus.push('task', Buffer.from('{'));
  await raw.bus.push('task', Buffer.from('"good"'));
  await until(() => seen.length === 1);
  assert.deepEqual(seen, ['good']);
  assert.ok(errors.includes('DESERIALIZE_FAILED'));
  assert.equal(bus.metrics().inbound_dropped, 1);
  await raw.bus.close();
  await bus.close();
});
