import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { describe, it } from 'node:test';
import { compress } from '../../src/middleware/compress.ts';
import type { CompressOptions } from '../../src/middleware/compress.ts';
import { encrypt } from '../../src/middleware/encrypt.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { sign } from '../../src/middleware/sign.ts';
import { aesKey, hmacKey } from './keys-for-tests.ts';
import { memoryBus, until } from './memory-bus.ts';
import { arrived, outgoing, received, sent, started, verdict, withHeaders } from './over-the-wire.ts';
import type { Travelling } from './over-the-wire.ts';

const HAS_ZSTD = 'zstdCompressSync' in zlib;
const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'abcdefghij, ');

async function roundTrip(options: CompressOptions, payload: Buffer): Promise<Travelling> {
  const step = compress(options);
  const message = await sent([step], outgoing({ payload }));
  const got = await received([compress()], arrived(message));
  assert.deepEqual(Buffer.from(got.payload), payload);
  assert.equal(got.headers.has('content-encoding'), false, 'whoever passes the headers on sends another payload');
  return message;
}

const encodingOf = (message: Travelling): unknown => arrived(message).headers.get('content-encoding');

describe('compress', () => {
  it('sends large payloads smaller, at once and in the pool, with each algorithm, and any of them is read', async () => {
    const encodings = [];
    for (const algorithm of ['gzip', 'brotli', ...(HAS_ZSTD ? (['zstd'] as const) : [])] as const) {
      for (const bytes of [1024, 16_384, 16_385, 1_000_000]) {
        const message = await roundTrip({ algorithm }, text(bytes));
        assert.ok(message.payload.length < bytes / 5);
        encodings.push(encodingOf(message));
      }
    }
    assert.deepEqual([...new Set(encodings)], ['gzip', 'br', ...(HAS_ZSTD ? ['zstd'] : [])]);
  });

  it('leaves alone what is small, what does not get smaller, what may not be expanded, and what is encoded already', async () => {
    const cases: readonly (readonly [CompressOptions, Buffer])[] = [
      [{}, text(1023)],
      [{ threshold: 5000 }, text(4999)],
      [{}, randomBytes(2000)],
      [{}, randomBytes(20_000)],
      [{ maxOutputBytes: 2000 }, text(2001)],
    ];
    for (const [options, payload] of cases) {
      const message = await roundTrip(options, payload);
      assert.deepEqual([message.payload, encodingOf(message)], [payload, undefined]);
    }
    const packed = zlib.gzipSync(text(9000));
    const message = await sent(
      [compress({ threshold: 0 })],
      outgoing({ payload: packed, headers: { 'content-encoding': 'gzip' } }),
    );
    assert.deepEqual(message.payload, packed);
    assert.deepEqual(Buffer.from((await received([compress()], arrived(message))).payload), text(9000));
  });

  it('expands no bomb beyond its limit, whatever the algorithm', async () => {
    const bomb = Buffer.alloc(64 * 1024 * 1024);
    for (const [encoding, payload] of [
      ['gzip', zlib.gzipSync(bomb)],
      ['br', zlib.brotliCompressSync(bomb, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } })],
    ] as const) {
      const message = await sent([], outgoing({ payload, headers: { 'content-encoding': encoding } }));
      for (const maxOutputBytes of [1000, 1024 * 1024]) {
        const before = process.memoryUsage().arrayBuffers;
        assert.equal(await verdict([compress({ maxOutputBytes })], message), 'MESSAGE_TOO_LARGE');
        assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
      }
      const many = compress({ maxOutputBytes: 1024 * 1024 });
      const verdicts = await Promise.all(Array.from({ length: 20 }, () => verdict([many], message)));
      assert.deepEqual(new Set(verdicts), new Set(['MESSAGE_TOO_LARGE']), 'those that wait get their turn');
    }
  });

  it('refuses what cannot be expanded', async () => {
    const message = await sent([compress()], outgoing({ payload: text(2000) }));
    const broken: Travelling[] = [
      { ...message, payload: message.payload.subarray(0, -9) },
      { ...message, payload: randomBytes(40) },
      { ...message, payload: randomBytes(40_000) },
      { ...message, payload: Buffer.alloc(0) },
      {
        ...message,
        headerBlock: withHeaders(message.headerBlock, (headers) => headers.set('content-encoding', 'lzma')),
      },
      { ...message, headerBlock: withHeaders(message.headerBlock, (headers) => headers.set('content-encoding', 'br')) },
    ];
    for (const one of broken) assert.equal(await verdict([compress()], one), 'DESERIALIZE_FAILED');
  });

  it('keeps the order of the calls though large payloads take longer', async (t) => {
    const { bus } = memoryBus([serialize(), compress()]);
    t.after(() => bus.close());
    const got: number[] = [];
    bus.subscribe('a', ({ body }) => void got.push((body as { n: number }).n));
    await bus.ready();
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => bus.publish('a', { n, text: 'x'.repeat(n % 3 === 0 ? 200_000 : 10) })),
    );
    await until(() => got.length === 30);
    assert.deepEqual(
      got,
      Array.from({ length: 30 }, (_, n) => n),
    );
  });

  it('does not stand beside encrypt unless it is allowed, and is undone after it then', async (t) => {
    const secure = encrypt({ keys: [aesKey()] });
    for (const stack of [
      [compress(), secure],
      [secure, compress()],
    ]) {
      assert.throws(() => memoryBus(stack), { code: 'INVALID_PIPELINE', message: /allowWithEncrypt/ });
    }
    const { bus, errors } = memoryBus(
      [sign({ keys: [hmacKey()] }), secure, compress({ allowWithEncrypt: true }), serialize()],
      { audience: 'test' },
    );
    t.after(() => bus.close());
    assert.deepEqual(bus.describe().send, ['serialize', '(headers)', 'compress', 'encrypt', 'sign']);
    assert.deepEqual(bus.describe().receive, ['(admit)', 'sign', 'encrypt', 'compress', 'serialize']);
    bus.respond('echo', ({ body }) => body);
    assert.equal(await bus.request('echo', 'x'.repeat(50_000)), 'x'.repeat(50_000));
    assert.deepEqual(errors, []);
  });

  it('refuses wrong options and a plain wire', () => {
    const wrong: readonly (readonly [RegExp, object])[] = [
      [/`threshold`/, { threshold: -1 }],
      [/`maxOutputBytes`/, { maxOutputBytes: 0 }],
      [/`maxExpandedBytes`/, { maxExpandedBytes: 16 * 1024 * 1024 - 1 }],
      [/`maxExpandedBytes`/, { maxOutputBytes: 100, maxExpandedBytes: 99 }],
      [/`algorithm`/, { algorithm: 'lzma' }],
      [/`allowWithEncrypt`/, { allowWithEncrypt: 1 }],
    ];
    for (const [says, options] of wrong) assert.throws(() => compress(options), { message: says });
    if (HAS_ZSTD) compress({ algorithm: 'zstd' });
    else assert.throws(() => compress({ algorithm: 'zstd' }), RangeError);
    assert.throws(() => started(compress(), { wire: 'plain' }), { code: 'INVALID_PIPELINE' });
  });
});
