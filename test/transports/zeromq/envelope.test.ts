import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PacketError } from '../../../src/core/packet-error.ts';
import { MessageHeaders } from '../../../src/core/headers.ts';
import {
  afterDelimiter,
  decodeReturnPath,
  encodeReturnPath,
  splitEnvelope,
} from '../../../src/transports/zeromq/envelope.ts';

const frames = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const parts = (...texts: string[]) => {
  const { routingId, path, content } = splitEnvelope(frames(...texts));
  return [routingId, path, content].map(String);
};

describe('envelope', () => {
  it('ends at the first empty frame after the routing id', () => {
    assert.deepEqual(parts('id', '', 'body'), ['id', '', 'body']);
    assert.deepEqual(parts('id', 'req', '', 'body'), ['id', 'req', 'body']);
    assert.deepEqual(parts('id', 'hop', 'req', '', 'a', '', 'b'), ['id', 'hop,req', 'a,,b']);
    assert.deepEqual(parts('id', '', ''), ['id', '', '']);
    assert.deepEqual(splitEnvelope(frames('id', '')).content, []);
    assert.deepEqual(parts('', '', 'body'), ['', '', 'body'], 'the routing id itself may be anything');
  });

  it('is malformed without an empty frame, or when it is too long to be an envelope', () => {
    const bad = [
      [],
      ['id'],
      ['id', 'body'],
      ['id', ...Array<string>(17).fill('hop'), '', 'body'],
      ['id', 'x'.repeat(1025), '', 'body'],
      ['id', 'x'.repeat(600), 'x'.repeat(600), '', 'body'],
    ];
    for (const texts of bad) {
      assert.throws(
        () => splitEnvelope(frames(...texts)),
        (error) => error instanceof PacketError && error.reason === 'frames',
      );
    }
    assert.equal(splitEnvelope(frames('id', ...Array<string>(16).fill('hop'), '', 'body')).path.length, 16);
    assert.equal(splitEnvelope(frames('id', 'x'.repeat(1024), '', 'body')).path.length, 1);
  });

  it('returns with the reply: the path is in the correlation, whatever bytes it has', () => {
    const paths = [[], [Buffer.from([0, 255, 1])], [Buffer.from('a.b'), Buffer.from('-_'), Buffer.alloc(1000, 0x80)]];
    for (const [serial, path] of paths.entries()) {
      const text = encodeReturnPath(path, serial);
      assert.deepEqual(decodeReturnPath(text), path);
      assert.equal(new MessageHeaders().set('correlation', text).getText('correlation'), text);
    }
    assert.notEqual(encodeReturnPath([], 1), encodeReturnPath([], 2), 'two open requests of one peer have two names');
  });

  it('is one empty frame in front of a reply', () => {
    assert.deepEqual(afterDelimiter(frames('', 'packet', 'large')).map(String), ['packet', 'large']);
    for (const texts of [[], ['packet'], ['packet', '']]) {
      assert.throws(() => afterDelimiter(frames(...texts)), { name: 'PacketError', reason: 'frames' });
    }
  });
});
