import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeLone } from '../../src/core/encode-lone.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { SealedRecord } from '../../src/core/outgoing-packet.ts';
import { decodePacket, decodePublishedPacket, encodePacket } from '../../src/core/packet.ts';

const STAMP = { epoch: 7, firstSequence: 3, sentAtUs: 1_700_000_000_000_000 };
const MOST = 128;

function recordOf(text: string, values: Readonly<Record<string, string>> = { topic: 'a.b' }): SealedRecord {
  const headers = MessageHeaders.from(values);
  const headerBlock = headers.encode(KIND_NUMBERS.message);
  return { headers, headerBlock, text, payload: Buffer.from(text, 'utf8') };
}

/** What a socket makes of the frames, decoded. */
function arrived(frames: readonly (string | Uint8Array)[]) {
  const { records, ...stamp } = decodePacket(frames.map((frame) => Buffer.from(frame as string)));
  return {
    stamp,
    records: records.map(({ kind, headers, payload }) => [kind, headers.toObject(), payload.toString()]),
  };
}

test('a reader gets the same of two frames as of one, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 130, maxLength: 300 }), (text) => {
      const record = recordOf(text);
      const frames = encodeLone(record, MOST, STAMP);
      fc.pre(frames !== undefined);
      assert.deepEqual(arrived(frames), arrived(encodePacket([record], STAMP)));
    }),
  );
});

test('the packet is small and the text as it was given', () => {
  const text = `"${'ä'.repeat(200)}"`;
  const [packet, rest] = encodeLone(recordOf(text), MOST, STAMP) ?? assert.fail('two frames');
  assert.ok(packet.length <= MOST, String(packet.length));
  assert.equal(rest, text);
});

test('what is small in one frame stays in one, and a packet that is not small without its payload too', () => {
  const short = '"x"';
  assert.equal(encodeLone(recordOf(short), MOST, STAMP), undefined);
  const long = 'x'.repeat(200);
  assert.equal(encodeLone(recordOf(long, { topic: 't'.repeat(100) }), MOST, STAMP), undefined);
  for (const bytes of [127, 128, 129]) {
    const record = recordOf('x'.repeat(bytes - 36 - recordOf('').headerBlock.length));
    assert.equal(encodeLone(record, MOST, STAMP) === undefined, bytes <= MOST, `${String(bytes)} bytes in all`);
  }
});

test('a record that goes by a route has its run in the small packet', () => {
  const record = recordOf('x'.repeat(200), {});
  const runs = [{ topic: 'a.b', topicBytes: Buffer.from('a.b'), firstSequence: 5, count: 1 }];
  const stamp = { ...STAMP, firstSequence: 0 };
  const frames = encodeLone(record, MOST, stamp, runs) ?? assert.fail('two frames');
  const decoded = (given: readonly (string | Uint8Array)[]) => {
    const packet = decodePublishedPacket(given.map((frame) => Buffer.from(frame as string)));
    return { ...packet, records: packet.records.map(({ kind, payload }) => [kind, payload.toString()]) };
  };
  assert.deepEqual(decoded(frames), decoded(encodePacket([record], stamp, runs)));
  const long = [{ ...runs[0]!, topicBytes: Buffer.alloc(100, 't') }];
  assert.equal(encodeLone(record, MOST, stamp, long), undefined, 'with its topic it is not small');
});

test('a packet offers text for a lone record alone, seals it first, and encodes bytes once', () => {
  const text = 'x'.repeat(200);
  let sealed = 0;
  const record: SealedRecord = {
    ...recordOf(text),
    seal() {
      sealed += 1;
    },
  };
  const lone = new OutgoingPacket(undefined, [record], STAMP);
  assert.equal(lone.framesWithText(MOST)[1], text);
  assert.equal(sealed, 1);
  const two = new OutgoingPacket(undefined, [record, record], STAMP);
  assert.equal(two.framesWithText(MOST).length, 1);
  assert.equal(two.framesWithText(MOST), two.frames(), 'not anew for each offer');
  const bytes = new OutgoingPacket(undefined, [{ ...recordOf(text), text: undefined }], STAMP);
  assert.equal(bytes.framesWithText(MOST), bytes.frames());
});
