import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import { Reporter } from '../../src/core/reporter.ts';
import type { OnError } from '../../src/core/reporter.ts';
import { turns } from '../support/fake-clock.ts';
import { RecordingLogger } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

function office(onError?: OnError) {
  const counters = new Counters();
  const logger = new RecordingLogger();
  const reporter = new Reporter(counters, logger, onError);
  const errors = (): number => counters.errors.total;
  return { counters, logger, reporter, errors };
}

test('what rejects a call counts, and is not logged', () => {
  const { reporter, errors, logger } = office();
  reporter.rejected(new Error('x'), 'publish');
  assert.equal(errors(), 1);
  assert.deepEqual(logger.lines, []);
});

test('what no call can report counts, is logged and given to onError with its message', () => {
  const told: unknown[] = [];
  const { reporter, errors, logger } = office((error, context) => void told.push([error, context]));
  const error = new Error('x');
  reporter.report(error, 'subscribe', 'a handler failed');
  assert.equal(errors(), 1);
  assert.deepEqual(logger.lines, ['error a handler failed: x']);
  assert.deepEqual(told, [[error, undefined]]);
});

test('a rejection that a handler passes on counts once', () => {
  const { reporter, errors, logger } = office();
  const error = new BusError('REQUEST_TIMEOUT', 'late');
  reporter.rejected(error, 'request');
  reporter.report(error, 'subscribe', 'a handler failed');
  assert.equal(errors(), 1);
  assert.equal(logger.lines.length, 1, 'it is logged all the same');
});

test('a failure that was told and then rejects the call that met it counts once', () => {
  const { reporter, errors } = office();
  const error = new BusError('BIND_FAILED', 'taken');
  reporter.report(error, 'publish', 'tcp://x failed');
  reporter.rejected(error, 'publish');
  assert.equal(errors(), 1);
});

test('several calls that fail for one reason are several failures', () => {
  const { reporter, errors } = office();
  const error = new BusError('BIND_FAILED', 'taken');
  reporter.report(error, 'publish', 'tcp://x failed');
  for (let call = 0; call < 3; call++) reporter.rejected(error, 'publish');
  assert.equal(errors(), 3);
});

test('a handler that throws one and the same error object each time fails each time', () => {
  const { reporter, errors } = office();
  const error = new Error('made once');
  for (let message = 0; message < 3; message++) reporter.report(error, 'subscribe', 'a handler failed');
  assert.equal(errors(), 3);
});

test('what is no object counts each time', () => {
  const { reporter, errors } = office();
  reporter.rejected('word', 'publish');
  reporter.report('word', 'publish', 'what');
  assert.equal(errors(), 2);
});

test('a dropped message is logged at warn and counts as an error; an expired or late one is everyday', () => {
  const { reporter, counters, logger } = office();
  reporter.inboundDropped(new BusError('MALFORMED_PACKET', 'garbage'), 'subscribe');
  reporter.inboundDropped(new BusError('EXPIRED', 'too late'), 'respond');
  reporter.inboundDropped(new BusError('LATE_REPLY', 'too late'), 'request');
  assert.deepEqual(
    [...counters.inboundDropped.all()].map(({ operation, errorType, value }) => [operation, errorType, value]),
    [
      ['subscribe', 'malformed_packet', 1],
      ['respond', 'expired', 1],
      ['request', 'late_reply', 1],
    ],
  );
  assert.equal(counters.errors.total, 1);
  assert.deepEqual(
    logger.lines.map((line) => line.split(' ')[0]),
    ['warn', 'debug', 'debug'],
  );
});

test('an onError that throws is counted and logged, and is not called for that', () => {
  let calls = 0;
  const { reporter, errors, logger } = office(() => {
    calls++;
    throw new Error('worse');
  });
  reporter.report(new Error('x'), 'subscribe', 'a handler failed');
  assert.equal(calls, 1);
  assert.equal(errors(), 2);
  assert.deepEqual(logger.lines, ['error a handler failed: x', 'error onError itself threw: worse']);
});

test('an asynchronous onError that rejects is the same, and ends nothing', async (t) => {
  forbidUnhandledRejections(t);
  const onError = (): unknown => Promise.reject(new Error('worse'));
  const { reporter, errors, logger } = office(onError);
  reporter.report(new Error('x'), 'subscribe', 'a handler failed');
  await turns();
  assert.equal(errors(), 2);
  assert.deepEqual(logger.lines.slice(1), ['error onError itself threw: worse']);
});

test('another listener that throws is reported to onError', () => {
  const told: string[] = [];
  const { reporter, errors } = office((error) => void told.push(error.message));
  reporter.call('onGap', 'subscribe', () => {
    throw new Error('gap');
  });
  assert.deepEqual(told, ['gap']);
  assert.equal(errors(), 1);
});
