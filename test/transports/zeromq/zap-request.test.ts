import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseZapRequest, zapReply } from '../../../src/transports/zeromq/zap-request.ts';

const KEY = Buffer.alloc(32, 7);

/** A good request, with other frames in some places. */
function request(other: Readonly<Record<number, string | Buffer>> = {}): Buffer[] {
  const frames: (string | Buffer)[] = ['id', '', '1.0', '1', 'domain', '10.0.0.1', '', 'CURVE', KEY];
  for (const [at, frame] of Object.entries(other)) frames[Number(at)] = frame;
  return frames.map((frame) => (typeof frame === 'string' ? Buffer.from(frame) : frame));
}

describe('a ZAP request', () => {
  it('is read when it is exactly one', () => {
    assert.deepEqual(parseZapRequest(request()), { domain: 'domain', address: '10.0.0.1', credentials: KEY });
  });

  const bad: Readonly<Record<string, Buffer[]>> = {
    'no frames': [],
    'a frame too few': request().slice(0, -1),
    'a frame too many': [...request(), Buffer.alloc(0)],
    'something in the delimiter': request({ 1: 'x' }),
    'another version': request({ 2: '2.0' }),
    'no domain': request({ 4: '' }),
    'the mechanism NULL': request({ 7: 'NULL' }),
    'the mechanism PLAIN': request({ 7: 'PLAIN' }),
    'the mechanism in other letters': request({ 7: 'curve' }),
    'an endless address': request({ 5: 'x'.repeat(2000) }),
  };
  for (const [name, frames] of Object.entries(bad)) {
    it(`is refused with ${name}`, () => {
      assert.equal(parseZapRequest(frames), undefined);
    });
  }

  it('is answered under its own id, with a status and nothing else', () => {
    assert.deepEqual(zapReply(request(), '200')?.map(String), ['id', '', '1.0', '1', '200', 'OK', '', '']);
    assert.deepEqual(zapReply(request(), '400')?.slice(4, 6), ['400', 'Not authorized']);
    assert.deepEqual(zapReply(request({ 7: 'NULL' }), '500')?.slice(4, 6), ['500', 'Not understood']);
  });

  it('is not answered where nobody would know of it', () => {
    assert.equal(zapReply([], '500'), undefined);
    assert.equal(zapReply(request({ 1: 'x' }), '500'), undefined);
    assert.equal(zapReply(request().slice(0, 3), '500'), undefined);
  });
});
