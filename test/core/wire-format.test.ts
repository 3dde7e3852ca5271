/** docs/wire-format.md says what the code does: its example is decoded, its decoder is the file that the interop tests use. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { encodeHeaderBlock, MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import { decodePacket, decodePublishedPacket, encodePacket } from '../../src/core/packet.ts';
import { BYTES_HEADERS, WELL_KNOWN_HEADERS } from '../../src/core/packet-layout.ts';
import { decodeTopicFrame } from '../../src/core/topic-frame.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8').replaceAll('\r', '');
const page = read('docs/wire-format.md');

function fenced(info: string): string {
  const block = page.split(`\n\`\`\`${info}\n`)[1]?.split('\n```\n')[0];
  assert.ok(block, `docs/wire-format.md has no block "${info}"`);
  return `${block}\n`;
}

/** The bytes of a block of the example: hex in front of the first gap of several spaces. */
function exampleBytes(info: string): Buffer {
  const hex = fenced(info).replaceAll(/ {2,}.*$/gm, '').replaceAll(/\s/g, ''); // prettier-ignore
  return Buffer.from(hex, 'hex');
}

describe('docs/wire-format.md', () => {
  it('shows a packet that decodes to what it says', () => {
    const packet = exampleBytes('hex packet');
    assert.equal(packet.length, 94);
    const { epoch, firstSequence, sentAtUs, records } = decodePacket([packet]);
    assert.deepEqual([epoch, firstSequence, sentAtUs], [20015998343868, 41, 1_700_000_000_000_000]);
    assert.equal(new Date(sentAtUs / 1000).toISOString(), '2023-11-14T22:13:20.000Z');
    assert.deepEqual(
      records.map(({ kind, headers, payload }) => [kind, [...headers].flat(), payload.toString()]),
      [
        [KIND_NUMBERS.message, [], '{"price":1}'],
        [KIND_NUMBERS.message, ['sender', 'feed', 'x-lot', '7', 'x-raw', Buffer.from([0, 255])], '{"price":2}'],
      ],
    );
    assert.equal(decodeTopicFrame(exampleBytes('hex topic')), 'price.tick');
  });

  it('shows the packet that the encoder writes', () => {
    const headers = MessageHeaders.from({ sender: 'feed', 'x-lot': '7', 'x-raw': new Uint8Array([0, 255]) });
    const records = [
      { headerBlock: encodeHeaderBlock(1, undefined), payload: Buffer.from('{"price":1}') },
      { headerBlock: encodeHeaderBlock(1, headers), payload: Buffer.from('{"price":2}') },
    ];
    const frames = encodePacket(records, { epoch: 20015998343868, firstSequence: 41, sentAtUs: 1_700_000_000_000_000 });
    assert.deepEqual(frames, [exampleBytes('hex packet')]);
  });

  it('shows a packet with runs that decodes to what it says, and that the encoder writes', () => {
    const packet = exampleBytes('hex runs');
    assert.equal(packet.length, 111);
    const { epoch, firstSequence, sentAtUs, records, runs = [] } = decodePublishedPacket([packet]);
    assert.deepEqual([epoch, firstSequence, sentAtUs], [20015998343868, 0, 1_700_000_000_000_000]);
    assert.deepEqual(
      runs.map(({ topic, firstSequence: first, count }) => [topic, first, count]),
      [
        ['price.tick', 43, 1],
        ['news', 7, 1],
        ['price.tick', 44, 1],
      ],
    );
    assert.equal(records.map(({ payload }) => payload.toString()).join(''), '123');
    const written = runs.map((run) => ({ ...run, topicBytes: Buffer.from(run.topic) }));
    const frames = encodePacket(records, { epoch, firstSequence, sentAtUs }, written);
    assert.deepEqual(frames, [packet]);
  });

  it('has the Python decoder that the interop tests use', () => {
    assert.equal(fenced('python'), read('test/interop/decode_packet.py'));
  });

  it('shows the vectors that the formats are tested with', () => {
    const tested = read('test/middleware/signer.test.ts');
    for (const name of ['hmac', 'ed25519', 'sealed'])
      assert.ok(tested.includes(`'${fenced(`hex ${name}`).trim()}'`), name);
  });

  it('lists every kind and every well-known header with its number', () => {
    for (const [kind, number] of Object.entries(KIND_NUMBERS)) {
      assert.match(page, new RegExp(`^\\| +${String(number)} \\| ${kind} +\\|`, 'm'));
    }
    for (const [name, id] of Object.entries(WELL_KNOWN_HEADERS)) {
      const bytes = BYTES_HEADERS.has(name) ? ' \\(bytes\\)' : '';
      assert.match(page, new RegExp(`\\| +${String(id)} \\| \`${name}\`${bytes} +\\|`));
    }
  });

  it('is followed by the names in the Python decoder', () => {
    const python = read('test/interop/decode_packet.py');
    const tuple = (name: string): string[] =>
      [...(python.split(`${name} = (`)[1]?.split(')')[0] ?? '').matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '');
    assert.deepEqual(tuple('KINDS'), Object.keys(KIND_NUMBERS));
    assert.deepEqual(tuple('NAMES'), Object.keys(WELL_KNOWN_HEADERS));
  });
});
