import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../../src/core/errors.ts';
import { assertFrameSizes } from '../../../src/transports/zeromq/hand-over.ts';
import { frameBytes } from '../../../src/transports/zeromq/small-frames.ts';

test('a frame of text is as long as its UTF-8', () => {
  assert.deepEqual(['', 'abc', 'ä', '\u{1F600}'].map(frameBytes), [0, 3, 2, 4]);
  assert.equal(frameBytes(new Uint8Array(7)), 7);
});

test('text that is over the limit in bytes is refused, though it has fewer characters', () => {
  assertFrameSizes(['ä'.repeat(5)], 10, 'tcp://here');
  assert.throws(
    () => assertFrameSizes(['ä'.repeat(6)], 10, 'tcp://here'),
    (error) => error instanceof BusError && error.code === 'MESSAGE_TOO_LARGE' && /12 bytes/.test(error.message),
  );
});
