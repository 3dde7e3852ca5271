import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BusErrorCode } from '../../src/core/errors.ts';
import { BusError, ERROR_CODES, errorType, isBusErrorCode, messageOf } from '../../src/core/errors.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

const unprintable: readonly unknown[] = [
  Object.create(null),
  {
    toString() {
      throw new Error('no text');
    },
  },
  Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('no message');
    },
  }),
];

test('the message starts with the code and says where, how long, which limit and what to do', () => {
  const error = new BusError('SEND_TIMEOUT', 'nobody took it', {
    topic: 'a.b',
    endpoint: 'memory://x',
    elapsedMs: 10.4,
    limitMs: 10,
    hint: 'Start the peer.',
  });
  assert.equal(
    error.message,
    'SEND_TIMEOUT: nobody took it (topic "a.b", endpoint memory://x, after 10 ms, limit 10 ms). Start the peer.',
  );
  assert.equal(error.what, 'nobody took it');
  assert.equal(error.retryable, true);
  assert.equal(new BusError('SEND_TIMEOUT', 'x', { retryable: false }).retryable, false);
});

test('a code that is not of the list is refused where the error is made', () => {
  for (const code of ['MY_CODE', 'constructor', '', undefined, 7]) {
    assert.throws(
      () => new BusError(code as BusErrorCode, 'x'),
      (error) => error instanceof TypeError && /Expected `code` to be one of ABORTED, .*; got /.test(error.message),
      String(code),
    );
  }
  for (const code of Object.keys(ERROR_CODES)) assert.ok(isBusErrorCode(code));
});

test('the type of an error is of the list, also when its code was overwritten', () => {
  assert.equal(errorType(new BusError('EXPIRED', 'x')), 'expired');
  assert.equal(errorType(new Error('x')), 'handler_failed');
  assert.equal(errorType(Object.assign(new BusError('EXPIRED', 'x'), { code: 'MINE' })), 'handler_failed');
});

test('anything that can be thrown has a message', () => {
  assert.deepEqual([new Error('a'), 'b', 3, undefined, null, Symbol('s')].map(messageOf), [
    'a',
    'b',
    '3',
    'undefined',
    'null',
    'Symbol(s)',
  ]);
  for (const value of unprintable) assert.match(messageOf(value), /a thrown object that cannot be shown/);
});

test('a handler that throws what cannot be shown, or an error with a code of its own, still answers', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, told } = memoryBus(t);
  const thrown: readonly (() => unknown)[] = [
    ...unprintable.map((value) => () => value),
    () => ({
      get code() {
        throw new Error('no code');
      },
    }),
    () => new BusError('MY_CODE' as BusErrorCode, 'x'),
    () => Object.assign(new BusError('EXPIRED', 'x'), { code: 'MINE' }),
  ];
  bus.respond('fail', ({ body }) => {
    throw thrown[body as number]!();
  });
  await bus.ready();
  for (const index of thrown.keys()) {
    assert.equal(await codeOf(bus.request('fail', index, { timeoutMs: 500 })), 'HANDLER_FAILED', String(index));
  }
  assert.equal(told.length, thrown.length);
});
