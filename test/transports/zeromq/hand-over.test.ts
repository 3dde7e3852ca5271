import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Push, Request } from 'zeromq';
import { assertFrameSizes, errnoOf, handOver } from '../../../src/transports/zeromq/hand-over.ts';
import { rawSocket } from './link-spec.ts';

it('answers false when there is no peer, and CLOSED when the socket is closed', async (t) => {
  const push = rawSocket(t, new Push({ linger: 0, sendTimeout: 0, immediate: true }));
  push.bindSync('tcp://127.0.0.1:*');
  for (let index = 0; index < 2000; index += 1) assert.equal(await handOver(push, ['x'], 'e'), false);
  push.close();
  await assert.rejects(handOver(push, ['x'], 'tcp://e'), { code: 'CLOSED', endpoint: 'tcp://e' });
});

it('names any other error TRANSPORT_FAILED, with its cause', async (t) => {
  const request = rawSocket(t, new Request({ linger: 0, sendTimeout: 0 }));
  request.connect('inproc://hand-over');
  assert.equal(await handOver(request, ['x'], 'e'), true);
  await assert.rejects(handOver(request, ['second request before the reply'], 'e'), (error: Error) => {
    assert.equal(errnoOf(error), 'TRANSPORT_FAILED');
    assert.equal(errnoOf(error.cause), 'EFSM');
    return true;
  });
  assert.equal(errnoOf('text'), undefined);
});

it('refuses a frame over the limit and takes one at it', () => {
  assertFrameSizes([Buffer.alloc(10), Buffer.alloc(0)], 10, 'e');
  assert.throws(() => assertFrameSizes([Buffer.alloc(1), Buffer.alloc(11)], 10, 'e'), {
    code: 'MESSAGE_TOO_LARGE',
    retryable: false,
    message: /11 bytes is over the limit of 10 \(endpoint e\).*maxMessageBytes/,
  });
});
