import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PacketError } from '../../src/core/packet-error.ts';
import { decodeTopicFrame, encodeTopicFrame } from '../../src/core/topic-frame.ts';
import {
  assertPattern,
  assertTopic,
  isReserved,
  matchesPattern,
  patternPrefix,
  topicFault,
} from '../../src/core/topics.ts';

const badText = ['', '.', 'a.', '.a', 'a..b', 'a\0', 'a\nb', 'a\u0085', '\ud800', 'a'.repeat(256), 'é'.repeat(128)];

function refusal(action: () => void): string {
  try {
    action();
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'INVALID_TOPIC');
    return (error as Error).message;
  }
  return 'accepted';
}

describe('assertTopic', () => {
  it('accepts words separated by dots, in any script, up to 255 bytes', () => {
    for (const topic of ['a', 'price.tick', '价格.比特币', '__proto__.constructor', 'a b', '_tb', 'a'.repeat(255)]) {
      assert.equal(refusal(() => { assertTopic(topic); }), 'accepted'); // prettier-ignore
      assert.equal(refusal(() => { assertTopic(topic); }), 'accepted', 'the second time'); // prettier-ignore
    }
  });

  it('refuses empty words, control characters, wildcards and what is too long', () => {
    for (const topic of [...badText, '*', '>', 'a.*', 'a.>', 'a*b', 'a>']) {
      assert.notEqual(refusal(() => { assertTopic(topic); }), 'accepted', topic); // prettier-ignore
    }
  });

  it('says what is wrong and what to do', () => {
    assert.equal(
      refusal(() => { assertTopic('price.*'); }), // prettier-ignore
      'INVALID_TOPIC: The topic "price.*" is not allowed: `*` and `>` belong in patterns only.' +
        ' Use words separated by single dots, for instance "price.tick".',
    );
    assert.match(refusal(() => { assertTopic(5 as unknown as string); }), /expected text, got number/); // prettier-ignore
  });

  it('refuses reserved topics unless the bus itself asks', () => {
    const topic = '_tb.heartbeat';
    assertTopic(topic, { allowReserved: true });
    assert.match(refusal(() => { assertTopic(topic); }), /"_tb.heartbeat" is reserved for the bus itself/); // prettier-ignore
    assert.deepEqual([isReserved(topic), isReserved('_tb'), isReserved('_tbx.a'), isReserved('a._tb.b')], [true, false, false, false]); // prettier-ignore
  });

  it('remembers a bounded number of topics and stays right beyond it', () => {
    for (let index = 0; index < 10_000; index++) assertTopic(`flood.${String(index)}`);
    assert.notEqual(refusal(() => { assertTopic('a..b'); }), 'accepted'); // prettier-ignore
  });
});

describe('assertPattern', () => {
  it('accepts topics, `*` as a word and `>` as the last one', () => {
    for (const pattern of ['price.tick', '*', '>', '*.*', 'price.*.btc', 'price.>', '*.>']) {
      assert.equal(refusal(() => { assertPattern(pattern); }), 'accepted', pattern); // prettier-ignore
    }
  });

  it('refuses the rest, reserved patterns among it', () => {
    for (const pattern of [...badText, '>.a', 'a.>.b', 'a*', 'a.b>', '**', '>>', '_tb.>', '_tb.x']) {
      assert.notEqual(refusal(() => { assertPattern(pattern); }), 'accepted', pattern); // prettier-ignore
    }
    assertPattern('_tb.>', { allowReserved: true });
    assert.match(refusal(() => { assertPattern('>.a'); }), /`>` is only allowed as the last word/); // prettier-ignore
    assert.match(refusal(() => { assertPattern('a*'); }), /stand for whole words/); // prettier-ignore
  });
});

describe('matchesPattern', () => {
  it('takes `*` for exactly one word and `>` for one or more', () => {
    const rows: [pattern: string, topic: string, matches: boolean][] = [
      ['price.tick', 'price.tick', true],
      ['price.tick', 'price.ticks', false],
      ['price.tick', 'price.tick.btc', false],
      ['price.tick', 'price', false],
      ['price.*', 'price.tick', true],
      ['price.*', 'price', false],
      ['price.*', 'price.tick.btc', false],
      ['*.tick', 'price.tick', true],
      ['price.*.btc', 'price.tick.btc', true],
      ['price.*.btc', 'price.tick.eth', false],
      ['price.>', 'price.tick', true],
      ['price.>', 'price.tick.btc', true],
      ['price.>', 'price', false],
      ['price.*.>', 'price.tick', false],
      ['price.*.>', 'price.tick.btc', true],
      ['>', 'price', true],
      ['*', 'price', true],
      ['*', 'price.tick', false],
      ['>', '_tb.heartbeat', false],
      ['*.heartbeat', '_tb.heartbeat', false],
      ['*.>', '_tb.heartbeat', false],
      ['_tb.*', '_tb.heartbeat', true],
      ['_tb.>', '_tb.ready.x', true],
      ['_tb.heartbeat', '_tb.heartbeat', true],
      ['>', '_tb', true],
    ];
    assert.deepEqual(
      rows.map(([pattern, topic]) => matchesPattern(pattern, topic)),
      rows.map(([, , matches]) => matches),
    );
  });
});

describe('patternPrefix', () => {
  it('is the topic with its terminator, or what stands before the first wildcard', () => {
    const patterns = ['price', 'price.tick', 'price.>', 'price.*', 'price.*.x', 'a.b.*', '>', '*', '*.x'];
    assert.deepEqual(patterns.map(patternPrefix), [
      'price\0',
      'price.tick\0',
      'price.',
      'price.',
      'price.',
      'a.b.',
      '',
      '',
      '',
    ]);
  });

  it('begins the topic frame of everything that the pattern matches', () => {
    const words = (...more: string[]) =>
      fc.array(fc.constantFrom('a', 'b', 'ab', ...more), { minLength: 1, maxLength: 4 });
    const pattern = fc.tuple(words('*'), fc.boolean()).map(([all, open]) => (open ? [...all, '>'] : all).join('.'));
    fc.assert(
      fc.property(pattern, words(), (one, topicWords) => {
        const topic = topicWords.join('.');
        const frame = Buffer.from(encodeTopicFrame(topic)).toString();
        if (matchesPattern(one, topic)) assert.ok(frame.startsWith(patternPrefix(one)));
      }),
    );
  });
});

describe('topic frames', () => {
  const reasonOf = (frame: Uint8Array): string => {
    try {
      return decodeTopicFrame(frame);
    } catch (error) {
      assert.ok(error instanceof PacketError);
      return error.reason;
    }
  };

  it('are the topic and one NUL', () => {
    const frame = encodeTopicFrame('a.é');
    assert.deepEqual([...frame], [0x61, 0x2e, 0xc3, 0xa9, 0]);
    assert.equal(frame.buffer.byteLength, frame.length);
    assert.equal(decodeTopicFrame(frame), 'a.é');
    assert.equal(decodeTopicFrame(new Uint8Array(frame)), 'a.é');
    assert.equal(decodeTopicFrame(encodeTopicFrame('_tb.heartbeat')), '_tb.heartbeat');
    assert.equal(decodeTopicFrame(encodeTopicFrame('a'.repeat(255))).length, 255);
  });

  it('are refused when they are not exactly one valid topic and its terminator', () => {
    const bad = ['', 'a', '\0', 'a\0\0', 'a\0b\0', 'a..b\0', 'a.*\0', '>\0', 'a\nb\0', `${'a'.repeat(256)}\0`];
    for (const text of bad) assert.equal(reasonOf(Buffer.from(text)), 'topic', JSON.stringify(text));
    assert.equal(reasonOf(Buffer.from([0xff, 0])), 'topic');
    assert.equal(reasonOf(Buffer.from([0xed, 0xa0, 0x80, 0])), 'topic');
  });

  it('survive the round trip for every valid topic, and throw nothing but PacketError for any bytes', () => {
    const topic = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((text) => topicFault(text) === undefined);
    fc.assert(fc.property(topic, (text) => decodeTopicFrame(encodeTopicFrame(text)) === text));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => reasonOf(bytes) !== ''),
      { numRuns: 500 },
    );
  });
});
