import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fuzzPackets } from '../../scripts/fuzz-packets.ts';
import { encodeHeaderBlock, MessageHeaders } from '../../src/core/headers.ts';
import type { HeadersInit } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Kind } from '../../src/core/kinds.ts';
import { decodePacket, decodePublishedPacket, encodedSize, encodePacket } from '../../src/core/packet.ts';
import type { OutgoingRecord, OutgoingRun, PacketStamp } from '../../src/core/packet.ts';
import { PacketError } from '../../src/core/packet-error.ts';
import { DEFAULT_PACKET_LIMITS, LARGE_PAYLOAD_BYTES, packetLimits } from '../../src/core/packet-layout.ts';
import type { PacketLimits } from '../../src/core/packet-layout.ts';

const stamp: PacketStamp = { epoch: 0x0001_0203_0405, firstSequence: 7, sentAtUs: 1_700_000_000_000_000 };

function record(kind: Kind, headers: HeadersInit | undefined, payload: string | Uint8Array): OutgoingRecord {
  const block = encodeHeaderBlock(KIND_NUMBERS[kind], MessageHeaders.from(headers));
  return { headerBlock: block, payload: typeof payload === 'string' ? Buffer.from(payload) : payload };
}

/** The packet of the given records, for breaking it. */
function packetOf(...records: OutgoingRecord[]): Buffer {
  const [packet] = encodePacket(records, stamp);
  assert.ok(packet);
  return Buffer.from(packet);
}

/** The reason for which the frames are refused. */
function reason(frames: readonly Uint8Array[], limits?: PacketLimits): string {
  try {
    decodePacket(frames, limits);
    return 'readable';
  } catch (error) {
    assert.ok(error instanceof PacketError, String(error));
    return error.reason;
  }
}

/** A packet of one record with this header block and no payload. */
const withBlock = (...block: number[]): Buffer[] => [
  packetOf({ headerBlock: Buffer.from(block), payload: new Uint8Array() }),
];

const patched = (packet: Buffer, at: number, ...bytes: number[]): Buffer => {
  const copy = Buffer.from(packet);
  copy.set(bytes, at);
  return copy;
};

/** A run of a packet of several topics. */
function run(topic: string, firstSequence: number, count = 1): OutgoingRun {
  return { topic, topicBytes: Buffer.from(topic), firstSequence, count };
}

const RUNS_STAMP: PacketStamp = { ...stamp, firstSequence: 0 };

const simple = packetOf(record('message', undefined, 'x'));

describe('the bytes of a packet', () => {
  // A change here is a change of the wire format: it needs a new version.
  const head = '54420100' + '0001' + '0000000102030405' + '0000000000000007' + '00060a24181e4000';
  const cases: [OutgoingRecord, string][] = [
    [record('message', undefined, '{}'), '0001' + '01' + '00000002' + '7b7d'],
    [
      record('message', { traceparent: 'tp', 'x-lot': '7', 'x-raw': new Uint8Array([0, 255]) }, ''),
      '001b' + '01' + '0200027470' + '0005782d6c6f74000137' + '0005782d726177800200ff' + '00000000',
    ],
    [
      record('request', { topic: 'state', correlation: 'c', 'timeout-ms': '5000' }, 'q'),
      '0014' + '02' + '0100057374617465' + '07000163' + '08000435303030' + '00000001' + '71',
    ],
    [record('reply', { correlation: 'c' }, 'r'), '0005' + '03' + '07000163' + '00000001' + '72'],
    [
      record('error', { correlation: 'c', 'error-code': 'X' }, ''),
      '0009' + '04' + '07000163' + '0a000158' + '00000000',
    ],
    [record('cancel', { correlation: 'c' }, ''), '0005' + '05' + '07000163' + '00000000'],
    [record('heartbeat', undefined, '[]'), '0001' + '06' + '00000002' + '5b5d'],
    [record('ready', undefined, ''), '0001' + '07' + '00000000'],
    [
      record('message', { signature: new Uint8Array([1, 2]), bind: new Uint8Array([3]), ttl: 'é' }, ''),
      '000f' + '01' + '0e800103' + '090002c3a9' + '0c80020102' + '00000000',
    ],
  ];
  for (const [sent, hex] of cases) {
    const [kind] = Object.entries(KIND_NUMBERS).find(([, number]) => number === sent.headerBlock[0]) ?? ['?'];
    it(`are fixed for a ${kind} of ${String(sent.headerBlock.length)} header bytes`, () => {
      assert.equal(packetOf(sent).toString('hex'), head + hex);
    });
  }

  it('are fixed for a large payload, which is a frame of its own and not copied', () => {
    const payload = Buffer.alloc(LARGE_PAYLOAD_BYTES + 1);
    const frames = encodePacket([record('message', undefined, payload)], stamp);
    assert.deepEqual(frames.map((frame) => frame.length), [37, 8193]); // prettier-ignore
    assert.equal(Buffer.from(frames[0] ?? []).toString('hex'), head + '0001' + '01' + '80002001');
    assert.equal(frames[1], payload);
  });
});

describe('encodePacket', () => {
  it('makes a buffer of its own each time, never one of the pool', () => {
    const records = [record('message', undefined, 'x')];
    const [first] = encodePacket(records, stamp);
    const [second] = encodePacket(records, stamp);
    assert.notEqual(first?.buffer, second?.buffer);
    assert.equal(first?.buffer.byteLength, first?.length);
  });

  it('writes text as the bytes of its UTF-8, whatever stands beside it', () => {
    const texts = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' })), { minLength: 1 });
    const big = { headerBlock: Buffer.from([1]), payload: Buffer.alloc(LARGE_PAYLOAD_BYTES + 1) };
    fc.assert(
      fc.property(texts, fc.boolean(), (all, withLarge) => {
        const bytes = all.map((text) => record('message', undefined, text));
        const asText = all.map((text) => ({ ...record('message', undefined, ''), text }));
        const extra = withLarge ? [big] : [];
        assert.deepEqual(encodePacket([...asText, ...extra], stamp), encodePacket([...bytes, ...extra], stamp));
      }),
    );
  });

  it('has room for text at its longest, also beyond the buffer that is kept for it', () => {
    const text = '\u20ac'.repeat(2048);
    const records = Array.from({ length: 40 }, () => ({ ...record('message', undefined, ''), text }));
    const [packet] = encodePacket(records, stamp);
    assert.equal(packet?.length, 30 + 40 * (6 + 1 + 3 * 2048));
    assert.equal(packet.buffer.byteLength, packet.length);
    const decoded = decodePacket([packet]).records.map(({ payload }) => payload.toString());
    assert.deepEqual(new Set(decoded), new Set([text]));
  });

  it('is as long as the head and the sizes of the records say', () => {
    const records = [
      record('message', { a: 'b' }, 'xyz'),
      record('message', undefined, Buffer.alloc(LARGE_PAYLOAD_BYTES)),
      record('message', undefined, Buffer.alloc(LARGE_PAYLOAD_BYTES + 1)),
    ];
    const expected = records.reduce((sum, one) => sum + encodedSize(one), 30);
    assert.equal(encodePacket(records, stamp)[0]?.length, expected);
  });

  it('refuses what has no encoding', () => {
    const one = record('message', undefined, 'x');
    const encode = (records: OutgoingRecord[], changes: Partial<PacketStamp>) => () =>
      encodePacket(records, { ...stamp, ...changes });
    assert.throws(encode([], {}), RangeError);
    assert.throws(encode(Array.from({ length: 65_536 }, () => one), {}), RangeError); // prettier-ignore
    for (const value of [-1, 0.5, NaN, 2 ** 53]) {
      assert.throws(encode([one], { epoch: value }), /Expected `epoch` to be a safe integer from 0/);
      assert.throws(encode([one], { firstSequence: value }), RangeError);
      assert.throws(encode([one], { sentAtUs: value }), RangeError);
    }
    assert.throws(encode([one, one], { firstSequence: Number.MAX_SAFE_INTEGER }), RangeError);
    assert.throws(encode([{ headerBlock: new Uint8Array(), payload: one.payload }], {}), RangeError);
    assert.throws(encode([{ headerBlock: new Uint8Array(65_536), payload: one.payload }], {}), RangeError);
  });
});

const anyRecord = fc
  .tuple(
    fc.constantFrom<Kind>('message', 'request', 'reply', 'error', 'cancel', 'heartbeat', 'ready'),
    fc.record(
      { topic: fc.string(), 'x-own': fc.string({ unit: 'binary' }), signature: fc.uint8Array(), b: fc.uint8Array() },
      { requiredKeys: [] },
    ),
    fc.oneof(
      { weight: 9, arbitrary: fc.uint8Array({ maxLength: 100 }) },
      { weight: 1, arbitrary: fc.integer({ min: 8191, max: 8194 }).map((length) => new Uint8Array(length)) },
    ),
  )
  .map(([kind, headers, payload]) => record(kind, headers, payload));
const safe = fc.maxSafeNat();
const anyPacket = fc.tuple(
  fc.array(anyRecord, { minLength: 1, maxLength: 8 }),
  fc.record({ epoch: safe, firstSequence: fc.nat({ max: 2 ** 53 - 100 }), sentAtUs: safe }, { noNullPrototype: true }),
);

describe('decodePacket', () => {
  it('reads what encodePacket wrote', () => {
    fc.assert(
      fc.property(anyPacket, ([records, anyStamp]) => {
        const decoded = decodePacket(encodePacket(records, anyStamp));
        const { epoch, firstSequence, sentAtUs } = decoded;
        assert.deepEqual({ epoch, firstSequence, sentAtUs }, anyStamp);
        const plain = (one: OutgoingRecord) => [[...one.headerBlock], [...one.payload]];
        assert.deepEqual(decoded.records.map(plain), records.map(plain));
        assert.deepEqual(
          decoded.records.map((one) => one.kind),
          records.map((one) => one.headerBlock[0]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('reads 65535 records when the limit allows it, and the largest numbers', () => {
    const largest = { epoch: Number.MAX_SAFE_INTEGER, firstSequence: Number.MAX_SAFE_INTEGER - 65_534, sentAtUs: 0 };
    const frames = encodePacket(Array.from({ length: 65_535 }, () => record('message', undefined, '')), largest); // prettier-ignore
    const decoded = decodePacket(frames, packetLimits({ maxRecords: 65_535 }));
    assert.equal(decoded.records.length, 65_535);
    assert.deepEqual([decoded.epoch, decoded.firstSequence], [largest.epoch, largest.firstSequence]);
    assert.equal(reason(frames), 'record-count');
  });

  it('decodes headers at the first access, and the same ones afterwards', () => {
    const [one] = decodePacket([packetOf(record('message', { a: '1' }, ''))]).records;
    assert.ok(one);
    assert.equal(one.headers.get('a'), '1');
    assert.equal(one.headers, one.headers);
  });

  it('gives payloads as views and copies nothing, whatever kind of byte array came in', () => {
    const large: Uint8Array = new Uint8Array(LARGE_PAYLOAD_BYTES + 1);
    const [packet] = encodePacket([record('message', undefined, 'ab'), record('message', undefined, large)], stamp);
    const copy = Uint8Array.from(packet ?? []);
    const payloads = decodePacket([copy, large]).records.map((one) => one.payload);
    assert.deepEqual(
      payloads.map((payload) => payload.buffer === copy.buffer),
      [true, false],
    );
    assert.equal(payloads[1]?.buffer, large.buffer);
    assert.equal(String(payloads[0]), 'ab');
  });

  it('refuses a packet cut at any byte, and one with a byte too many', () => {
    fc.assert(
      fc.property(anyPacket, ([records, anyStamp]) => {
        const [packet = new Uint8Array(), ...extra] = encodePacket(records, anyStamp);
        for (let length = 0; length < packet.length; length += packet.length > 2000 ? 97 : 1) {
          assert.notEqual(reason([packet.subarray(0, length), ...extra]), 'readable');
        }
        assert.equal(reason([Buffer.concat([packet, Buffer.alloc(1)]), ...extra]), 'trailing-bytes');
      }),
      { numRuns: 30 },
    );
  });

  it('throws nothing but PacketError for any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), (frames) => reason(frames) !== ''),
      { numRuns: 500 },
    );
    const afterHead = bytes.map((rest) => Buffer.concat([simple.subarray(0, 30), rest]));
    fc.assert(
      fc.property(afterHead, bytes, (...frames) => reason(frames) !== ''),
      { numRuns: 2000 },
    );
  });

  it('survives 20,000 mutated packets', () => {
    const seed = Math.floor(Math.random() * 2 ** 32); // named in the error, when there is one
    const report = fuzzPackets({ count: 20_000, seed });
    const refused = Object.values(report.refused).reduce((sum, count) => sum + count, 0);
    assert.equal(report.readable + refused, 20_000);
    assert.ok(Object.keys(report.refused).length >= 12, JSON.stringify(report));
  });

  it('gives the same mutated packets for the same seed', () => {
    assert.deepEqual(fuzzPackets({ count: 500, seed: 3 }), fuzzPackets({ count: 500, seed: 3 }));
  });

  it('names what is wrong and where', () => {
    assert.throws(
      () => decodePacket([patched(simple, 2, 9)]),
      (error) =>
        error instanceof PacketError && error.message === 'Malformed packet (version) at byte 2: version 9, not 1',
    );
  });

  it('refuses a head that is not one of version 1', () => {
    assert.equal(reason([]), 'frames');
    assert.equal(reason([new Uint8Array()]), 'truncated');
    assert.equal(reason([Buffer.from('GET / HTTP/1.1\r\n\r\n')]), 'magic');
    assert.equal(reason([Buffer.from('TB\x02')]), 'version');
    assert.equal(reason([simple.subarray(0, 29)]), 'truncated');
    for (const flag of [1, 2, 128]) assert.equal(reason([patched(simple, 3, flag)]), 'flags');
  });

  it('refuses no records, too many, and more than the packet can hold', () => {
    assert.equal(reason([patched(simple, 4, 0, 0)]), 'record-count');
    assert.equal(reason([patched(simple, 4, 0x20, 0x01)]), 'record-count');
    assert.equal(reason([patched(simple, 4, 0x20, 0x00)]), 'truncated');
    assert.equal(reason([patched(simple, 4, 0, 2)]), 'truncated');
    const two = packetOf(record('message', undefined, ''), record('message', undefined, ''));
    assert.equal(reason([two], packetLimits({ maxRecords: 1 })), 'record-count');
    assert.equal(reason([patched(two, 4, 0, 1)]), 'trailing-bytes');
  });

  it('refuses numbers over 2^53 - 1, also for the last record', () => {
    for (const at of [6, 14, 22]) assert.equal(reason([patched(simple, at, 0, 0x20, 0, 0)]), 'unsafe-integer');
    const two = packetOf(record('message', undefined, ''), record('message', undefined, ''));
    assert.equal(reason([patched(two, 14, 0, 0x1f, 255, 255, 255, 255, 255, 255)]), 'unsafe-integer');
    assert.equal(reason([patched(simple, 14, 0, 0x1f, 255, 255, 255, 255, 255, 255)]), 'readable');
  });

  it('refuses a header block that is not well-formed', () => {
    const many = Array.from({ length: 65 }, (_, index) => [
      0,
      2,
      0x61 + (index >> 4),
      0x61 + (index & 15),
      0,
      0,
    ]).flat();
    const cases: [string, ...number[]][] = [
      ['header-kind', 0],
      ['header-kind', 8],
      ['header-key', 1, 16, 0, 0], // an id that is not in the table
      ['header-key', 1, 0, 0, 0, 0], // no name
      ['header-key', 1, 0, 1, 0x41, 0, 0], // upper case
      ['header-key', 1, 0, 1, 0xe9, 0, 0], // not ASCII
      ['header-key', 1, 0, 65, ...Array<number>(65).fill(0x61), 0, 0],
      ['header-key', 1, 0, 3, 0x74, 0x74, 0x6c, 0, 0], // "ttl", which has an id
      ['header-duplicate', 1, 9, 0, 0, 9, 0, 0],
      ['header-duplicate', 1, 0, 1, 0x61, 0, 0, 0, 1, 0x61, 0, 0],
      ['header-value', 1, 9, 0, 1, 0xff], // not UTF-8
      ['header-value', 1, 9, 0, 65, 0xc3, ...Array<number>(64).fill(0x61)],
      ['header-value', 1, 9, 0, 3, 0xed, 0xa0, 0x80], // half a surrogate pair
      ['header-value', 1, 9, 0x80, 0], // bytes where text belongs
      ['header-value', 1, 12, 0, 0], // text where bytes belong
      ['header-order', 1, 12, 0x80, 0, 9, 0, 0],
      ['header-count', 1, ...many],
      ['truncated', 1, 9],
      ['truncated', 1, 9, 0],
      ['truncated', 1, 9, 0, 1],
      ['truncated', 1, 0],
      ['truncated', 1, 0, 5, 0x61],
      ['truncated', 1, 9, 0xff, 0xff],
      ['readable', 1, ...many.slice(6)],
      ['readable', 1, 9, 0, 2, 0xc3, 0xa9, 12, 0x80, 1, 0xff],
    ];
    assert.deepEqual(
      cases.map(([, ...block]) => reason(withBlock(...block))),
      cases.map(([expected]) => expected),
    );
    assert.equal(reason([patched(simple, 30, 0, 0)]), 'header-length');
  });

  it('honours every limit', () => {
    const one = encodePacket([record('message', { a: '1', b: '2' }, 'abc')], stamp);
    const block = encodeHeaderBlock(1, MessageHeaders.from({ a: '1', b: '2' })).length;
    assert.equal(reason(one, packetLimits({ maxHeaders: 2, maxHeaderBytes: block, maxPayloadBytes: 3 })), 'readable');
    assert.equal(reason(one, packetLimits({ maxHeaders: 1 })), 'header-count');
    assert.equal(reason(one, packetLimits({ maxHeaderBytes: block - 1 })), 'header-length');
    assert.equal(reason(one, packetLimits({ maxPayloadBytes: 2 })), 'payload-length');
    const large = encodePacket([record('message', undefined, Buffer.alloc(9000))], stamp);
    assert.equal(reason(large, packetLimits({ maxPayloadBytes: 8999 })), 'payload-length');
    assert.equal(reason(large, packetLimits({ maxPayloadBytes: 9000 })), 'readable');
    assert.equal(reason(large, packetLimits({ maxFrames: 1 })), 'frames');
    assert.equal(reason(large, packetLimits({ maxFrames: 2 })), 'readable');
    const two = encodePacket([record('message', undefined, 'a'), record('message', undefined, 'b')], stamp);
    assert.equal(reason(two, packetLimits({ maxRecords: 1 })), 'record-count');
  });

  it('tells what is over a limit from what is malformed', () => {
    const one = encodePacket([record('message', { a: '1', b: '2' }, 'abc')], stamp);
    const large = encodePacket([record('message', undefined, Buffer.alloc(9000))], stamp);
    const two = encodePacket([record('message', undefined, 'a'), record('message', undefined, 'b')], stamp);
    const isOverLimit = (frames: readonly Uint8Array[], options: Parameters<typeof packetLimits>[0]): boolean => {
      try {
        decodePacket(frames, packetLimits(options));
      } catch (error) {
        return (error as PacketError).isOverLimit;
      }
      return assert.fail('it is readable');
    };
    assert.ok(isOverLimit(one, { maxHeaders: 1 }));
    assert.ok(isOverLimit(one, { maxHeaderBytes: 1 }));
    assert.ok(isOverLimit(one, { maxPayloadBytes: 2 }));
    assert.ok(isOverLimit(two, { maxRecords: 1 }));
    assert.ok(isOverLimit(large, { maxFrames: 1 }));
    assert.ok(!isOverLimit([patched(simple, 4, 0, 0)], {}), 'no record at all');
    assert.ok(!isOverLimit([patched(simple, 30, 0, 0)], {}), 'a header block of nothing');
    assert.ok(!isOverLimit([], {}));
  });

  it('refuses frames that are missing, surplus or of another length than declared', () => {
    const large = Buffer.alloc(9000);
    const frames = encodePacket([record('message', undefined, large), record('message', undefined, '')], stamp);
    assert.equal(reason(frames), 'readable');
    assert.equal(reason(frames.slice(0, 1)), 'extra-frames');
    assert.equal(reason([...frames, large]), 'extra-frames');
    assert.equal(reason([frames[0] ?? large, large.subarray(1)]), 'extra-frames');
    assert.equal(reason([simple, new Uint8Array()]), 'extra-frames');
    assert.equal(reason([simple, ...Array<Uint8Array>(255).fill(large)]), 'extra-frames');
    assert.equal(reason([simple, ...Array<Uint8Array>(256).fill(large)]), 'frames');
  });

  it('accepts a frame of its own for a small payload, as other writers may choose', () => {
    const packet = patched(packetOf(record('message', undefined, '')), 33, 0x80, 0, 0, 2);
    assert.equal(decodePacket([packet, Buffer.from('ab')]).records[0]?.payload.toString(), 'ab');
  });

  it('allocates nothing for lengths and counts that are only declared', () => {
    const liar = (at: number, ...bytes: number[]): (() => string) => {
      const frames = [patched(simple, at, ...bytes)];
      return () => reason(frames, limits);
    };
    const limits = {
      ...DEFAULT_PACKET_LIMITS,
      maxRecords: 65_535,
      maxHeaderBytes: 65_535,
      maxPayloadBytes: 2 ** 31 - 1,
    };
    const liars: [string, () => string][] = [
      ['truncated', liar(4, 0xff, 0xff)],
      ['truncated', liar(30, 0xff, 0xff)],
      ['truncated', liar(33, 0x7f, 0xff, 0xff, 0xff)],
      ['extra-frames', liar(33, 0xff, 0xff, 0xff, 0xff)],
    ];
    const before = process.memoryUsage();
    for (let round = 0; round < 200; round++) {
      for (const [expected, decode] of liars) assert.equal(decode(), expected);
    }
    const after = process.memoryUsage();
    // One of the declared payloads would be 2 GB. Errors and their stacks take a little.
    assert.ok(after.arrayBuffers - before.arrayBuffers < 1_000_000);
    assert.ok(after.heapTotal - before.heapTotal < 64_000_000);
  });
});

describe('packetLimits', () => {
  it('completes what is given by the defaults', () => {
    assert.deepEqual(packetLimits(), DEFAULT_PACKET_LIMITS);
    assert.deepEqual(packetLimits({ maxRecords: 1 }), { ...DEFAULT_PACKET_LIMITS, maxRecords: 1 });
  });

  it('refuses limits out of range, by name', () => {
    const expected = /^RangeError: Expected `(\w+)` to be an integer from \d+ to \d+, got \S+$/;
    assert.throws(() => packetLimits({ maxRecords: 0 }), expected);
    assert.throws(() => packetLimits({ maxRecords: 65_536 }), expected);
    assert.throws(() => packetLimits({ maxHeaderBytes: 0 }), expected);
    assert.throws(() => packetLimits({ maxHeaders: -1 }), expected);
    assert.throws(() => packetLimits({ maxPayloadBytes: 2 ** 31 }), expected);
    assert.throws(() => packetLimits({ maxPayloadBytes: NaN }), expected);
  });
});

describe('a packet of several topics', () => {
  const message = (payload: string | Uint8Array): OutgoingRecord => record('message', undefined, payload);
  const runs = [run('a.b', 7, 2), run('größe', 1), run('a.b', 9)];
  const records = ['1', '2', '3', '4'].map(message);
  const encoded = (): Buffer => Buffer.from(encodePacket(records, RUNS_STAMP, runs)[0] ?? []);
  /** The reason for which the frames of a published packet are refused. */
  const publishedReason = (...frames: Uint8Array[]): string => {
    try {
      decodePublishedPacket(frames);
      return 'readable';
    } catch (error) {
      assert.ok(error instanceof PacketError, String(error));
      return error.reason;
    }
  };
  // Where the head ends: the length of the first topic, its three bytes, its first sequence and its count.
  const [topicAt, sequenceAt, countAt] = [30, 34, 42];

  it('has fixed bytes', () => {
    const head = '54420101' + '0004' + '0000000102030405' + '0000000000000000' + '00060a24181e4000';
    const one = (payload: string): string => '0001' + '01' + '00000001' + payload;
    const runHead = (topic: string, first: string, count: string): string => topic + '00000000000000' + first + count;
    assert.equal(
      encoded().toString('hex'),
      head +
        (runHead('03612e62', '07', '0002') + one('31') + one('32')) +
        (runHead('076772c3b6c39f65', '01', '0001') + one('33')) +
        (runHead('03612e62', '09', '0001') + one('34')),
    );
  });

  it('is read as it was written', () => {
    const decoded = decodePublishedPacket([encoded()]);
    assert.deepEqual(
      decoded.runs,
      runs.map(({ topic, firstSequence, count }) => ({ topic, firstSequence, count })),
    );
    assert.deepEqual([decoded.epoch, decoded.firstSequence, decoded.sentAtUs], [stamp.epoch, 0, stamp.sentAtUs]);
    assert.equal(decoded.records.map(({ payload }) => payload.toString()).join(''), '1234');
  });

  it('is read as it was written, whatever is in it, with payloads of their own frames among the others', () => {
    const topic = fc.stringMatching(/^[a-zß€😀]{1,9}(\.[a-z0-9]{1,9}){0,4}$/u);
    const anyRun = fc.tuple(topic, fc.nat({ max: 2 ** 53 - 100 }), fc.array(anyRecord, { minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(fc.array(anyRun, { minLength: 1, maxLength: 8 }), (all) => {
        const written = all.map(([name, first, { length }]) => run(name, first, length));
        const sent = all.flatMap(([, , some]) => some);
        const decoded = decodePublishedPacket(encodePacket(sent, RUNS_STAMP, written));
        assert.deepEqual(
          decoded.runs?.map((one) => [one.topic, one.firstSequence, one.count]),
          written.map((one) => [one.topic, one.firstSequence, one.count]),
        );
        const plain = (one: OutgoingRecord) => [[...one.headerBlock], [...one.payload]];
        assert.deepEqual(decoded.records.map(plain), sent.map(plain));
      }),
      { numRuns: 100 },
    );
  });

  it('may have text, the longest topic, and the largest sequence', () => {
    const topic = 'x'.repeat(255);
    const text = { ...message(''), text: 'größer' };
    const [packet] = encodePacket([text], RUNS_STAMP, [run(topic, Number.MAX_SAFE_INTEGER)]);
    assert.equal(packet?.length, 30 + 11 + 255 + 6 + 1 + 8);
    const decoded = decodePublishedPacket([packet]);
    assert.deepEqual(decoded.runs, [{ topic, firstSequence: Number.MAX_SAFE_INTEGER, count: 1 }]);
    assert.equal(decoded.records[0]?.payload.toString(), 'größer');
  });

  it('is refused where each record names its own topic', () => {
    assert.equal(reason([encoded()]), 'flags');
    assert.equal(publishedReason(encoded()), 'readable');
    for (const flag of [2, 3, 128, 129]) assert.equal(publishedReason(patched(encoded(), 3, flag)), 'flags');
  });

  it('is refused when its runs have other records than the packet has', () => {
    assert.equal(publishedReason(patched(encoded(), countAt, 0, 0)), 'runs');
    assert.equal(publishedReason(patched(encoded(), countAt, 0, 5)), 'runs');
    assert.equal(publishedReason(patched(encoded(), countAt, 0xff, 0xff)), 'runs');
    // One record fewer than there are: what follows is no run.
    assert.notEqual(publishedReason(patched(encoded(), countAt, 0, 1)), 'readable');
    assert.equal(publishedReason(patched(encoded(), 4, 0, 3)), 'trailing-bytes');
    assert.notEqual(publishedReason(patched(encoded(), 4, 0, 5)), 'readable');
  });

  it('is refused when the head has a sequence of its own, and beyond 2^53 - 1', () => {
    assert.equal(publishedReason(patched(encoded(), 21, 1)), 'runs');
    assert.equal(publishedReason(patched(encoded(), sequenceAt, 0, 0x20)), 'unsafe-integer');
    const last = [0, 0x1f, 255, 255, 255, 255, 255, 255];
    assert.equal(publishedReason(patched(encoded(), sequenceAt, ...last)), 'unsafe-integer');
    assert.equal(publishedReason(patched(encoded(), sequenceAt, ...last.slice(0, 7), 254)), 'readable');
  });

  it('is refused when a topic is none of users', () => {
    const withTopic = (bytes: Uint8Array): string => {
      const topic = { topic: '', topicBytes: bytes, firstSequence: 1, count: 1 };
      return publishedReason(...encodePacket([message('x')], RUNS_STAMP, [topic]));
    };
    assert.equal(withTopic(Buffer.from('a.b')), 'readable');
    for (const topic of ['_tb.heartbeat', '_tb.ready.x', 'a..b', '.a', 'a.', 'a\0', 'a\n', 'a.*', '>'])
      assert.equal(withTopic(Buffer.from(topic)), 'topic', topic);
    assert.equal(withTopic(Buffer.from([0x61, 0xff])), 'topic');
    assert.equal(withTopic(Buffer.from([0xed, 0xa0, 0x80])), 'topic');
    // A topic of no bytes, and one that reaches beyond the end.
    assert.equal(publishedReason(patched(encoded(), topicAt, 0)), 'topic');
    assert.equal(publishedReason(patched(encoded(), topicAt, 255)), 'truncated');
  });

  it('is refused when cut at any byte, and with a byte or a frame too many', () => {
    const large = message(Buffer.alloc(LARGE_PAYLOAD_BYTES + 1));
    const [packet = new Uint8Array(), extra = new Uint8Array()] = encodePacket([message('x'), large, message('y')], RUNS_STAMP, [run('a', 1), run('b', 1, 2)]); // prettier-ignore
    assert.equal(publishedReason(packet, extra), 'readable');
    for (let length = 0; length < packet.length; length++)
      assert.notEqual(publishedReason(packet.subarray(0, length), extra), 'readable');
    assert.equal(publishedReason(Buffer.concat([packet, Buffer.alloc(1)]), extra), 'trailing-bytes');
    assert.equal(publishedReason(packet, extra, extra), 'extra-frames');
    assert.equal(publishedReason(packet), 'extra-frames');
  });

  it('is refused to be written when runs and records do not fit, or a run has no encoding', () => {
    const encode = (...some: OutgoingRun[]) => encodePacket(records, RUNS_STAMP, some);
    assert.doesNotThrow(() => encode(run('a', 1, 4)));
    for (const some of [[], [run('a', 1, 3)], [run('a', 1, 3), run('b', 1, 2)], [run('a', 1, 0), run('b', 1, 4)]])
      assert.throws(() => encode(...some), RangeError);
    assert.throws(() => encode(run('', 1, 4)), /A topic of 0 bytes has no encoding/);
    assert.throws(() => encode(run('x'.repeat(256), 1, 4)), RangeError);
    assert.throws(() => encode(run('a', Number.MAX_SAFE_INTEGER - 2, 4)), RangeError);
    assert.throws(() => encodePacket(records, stamp, [run('a', 1, 4)]), /Expected `firstSequence`/);
  });
});
