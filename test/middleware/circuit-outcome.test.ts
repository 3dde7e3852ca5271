import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError, ERROR_CODES } from '../../src/core/errors.ts';
import type { BusErrorCode } from '../../src/core/errors.ts';
import { outcomeOf } from '../../src/middleware/circuit-outcome.ts';

const outcome = (code: BusErrorCode): string => outcomeOf(new BusError(code, 'test'), 'send');

test('what the other side did, or did not do, is a failure', () => {
  const codes: BusErrorCode[] = [
    'REQUEST_TIMEOUT',
    'SEND_TIMEOUT',
    'TRANSPORT_FAILED',
    'HANDLER_FAILED',
    'NO_HANDLER',
    'OVERFLOW',
  ];
  assert.deepEqual(
    codes.map(outcome),
    codes.map(() => 'failure'),
  );
});

test('what the caller or the message did is not', () => {
  const codes = Object.keys(ERROR_CODES) as BusErrorCode[];
  const neither = codes.filter((code) =>
    /^(ABORTED|CANCELLED|CLOSED|INVALID_(BODY|HEADER|TOPIC)|VALIDATION|SERIALIZE)/.test(code),
  );
  assert.equal(neither.length, 8);
  assert.deepEqual(
    neither.map(outcome),
    neither.map(() => 'neither'),
  );
});

test('an error without a code is the handler that failed, or a step on the way out, which is not the destination', () => {
  assert.deepEqual([outcomeOf(new Error('x'), 'receive'), outcomeOf(new Error('x'), 'send')], ['failure', 'neither']);
  assert.equal(outcomeOf(undefined, 'receive'), 'failure');
});
