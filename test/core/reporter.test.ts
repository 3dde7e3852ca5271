import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import { Reporter } from '../../src/core/reporter.ts';
import type { Failure, OnError } from '../../src/core/reporter.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { RecordingLogger } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

function office(onError?: OnError) {
  const counters = new Counters();
  const logger = new RecordingLogger();
  const clock = new FakeClock();
  const reporter = new Reporter(counters, logger, onError, clock);
  const errors = (): number => counters.errors.total;
  return { clock, counters, logger, reporter, errors };
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

test('one error object for all failures: each counts, also after it has rejected a call', () => {
  const { reporter, errors } = office();
  const error = new Error('always this one');
  reporter.rejected(error, 'publish');
  for (let index = 0; index < 4; index++) reporter.report(error, 'subscribe', 'a handler failed');
  assert.equal(errors(), 4, 'the first one may have been handed on by the handler whose call it rejected');
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

test('a listener of failures that throws, or rejects, is counted and logged; the others and onError hear all the same', async (t) => {
  forbidUnhandledRejections(t);
  const told: string[] = [];
  const { reporter, errors, logger } = office((error) => void told.push(`onError ${error.message}`));
  reporter.listen(() => {
    throw new Error('worse');
  });
  const late: () => unknown = () => Promise.reject(new Error('late'));
  reporter.listen(late);
  reporter.listen(({ error }) => void told.push(`listener ${error.message}`));
  reporter.report(new Error('x'), 'subscribe', 'a handler failed');
  await turns();
  assert.deepEqual(told, ['listener x', 'onError x']);
  assert.equal(errors(), 3);
  assert.deepEqual(logger.lines.slice(1), [
    'error a listener of onFailure itself threw: worse',
    'error a listener of onFailure itself threw: late',
  ]);
});

test('an onError that throws for each of a flood of dropped messages fills no log', () => {
  const { reporter, errors, logger } = office(() => {
    throw new Error('worse');
  });
  for (let index = 0; index < 100; index++) reporter.inboundDropped(new BusError('REJECTED', 'no'), 'subscribe');
  assert.equal(errors(), 200);
  assert.equal(logger.at('error').length, 10);
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

test('a flood of dropped messages is counted and told in full and logged in part, with the number of lines left out', () => {
  const told: Error[] = [];
  const heard: Failure[] = [];
  const { clock, reporter, counters, logger, errors } = office((error) => void told.push(error));
  reporter.listen((failure) => void heard.push(failure));
  for (let packet = 0; packet < 1000; packet++) {
    reporter.inboundDropped(new BusError('MALFORMED_PACKET', `garbage ${String(packet)}`), 'pull');
  }
  assert.deepEqual([counters.inboundDropped.total, errors(), told.length, heard.length], [1000, 1000, 1000, 1000]);
  assert.equal(logger.lines.length, 10);
  clock.advance(1000);
  assert.equal(logger.lines.at(-1), 'warn dropped (pull, malformed_packet): 990 more line(s) like these were left out');
  reporter.inboundDropped(new BusError('MALFORMED_PACKET', 'one more'), 'pull');
  assert.equal(logger.lines.length, 12);
});

test('each reason of dropping has a limit of its own, so that no flood hides another failure', () => {
  const { reporter, logger } = office();
  for (let packet = 0; packet < 100; packet++) {
    reporter.inboundDropped(new BusError('MALFORMED_PACKET', 'garbage'), 'pull');
  }
  reporter.inboundDropped(new BusError('REJECTED', 'the other one'), 'pull');
  reporter.inboundDropped(new BusError('MALFORMED_PACKET', 'elsewhere'), 'respond');
  assert.equal(logger.lines.length, 12);
});

test('failing handlers are logged each time: they are the application itself', () => {
  const { reporter, logger } = office();
  for (let message = 0; message < 50; message++) reporter.report(new Error('x'), 'subscribe', 'a handler failed');
  assert.equal(logger.lines.length, 50);
});

test('messages without a handler are counted in full and logged in part, and the rest is told at the end', () => {
  const { reporter, counters, logger } = office();
  for (let message = 0; message < 30; message++) reporter.noHandler('subscribe', 'info', 'no handler for topic a');
  assert.equal(counters.noHandler.total, 30);
  assert.equal(counters.errors.total, 0);
  reporter.close();
  assert.deepEqual(logger.lines.slice(9), [
    'info no handler for topic a',
    'info no handler (subscribe): 20 more line(s) like these were left out',
  ]);
});

test('a listener hears of a failure with its level, line and whether it was a drop, until it is taken back', () => {
  const heard: unknown[] = [];
  const { reporter } = office();
  const stop = reporter.listen(({ level, line, isDropped, operation }) => {
    heard.push([operation, level, line, isDropped]);
  });
  reporter.report(new Error('x'), 'subscribe', 'a handler failed');
  reporter.inboundDropped(new BusError('EXPIRED', 'too late'), 'respond');
  stop();
  reporter.report(new Error('y'), 'subscribe', 'a handler failed');
  assert.deepEqual(heard, [
    ['subscribe', 'error', 'a handler failed: x', false],
    ['respond', 'debug', 'EXPIRED: too late.', true],
  ]);
});
