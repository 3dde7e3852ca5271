import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bus } from '../../src/core/bus.ts';
import type { CoreBusOptions } from '../../src/core/options.ts';
import type { HeadersInit } from '../../src/core/headers.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';
import { until } from '../transports/conformance/waiting.ts';

const CALLS = ['publish', 'push', 'request', 'subscribe', 'messages', 'pull', 'respond', 'ready', 'close'] as const;
type Call = (typeof CALLS)[number];

/** Makes a call with options that a type checker would refuse; answers the error's text. */
async function refusal(bus: Bus, call: Call, options: unknown): Promise<string> {
  const given = options as object;
  const calls: Readonly<Record<Call, () => unknown>> = {
    publish: () => bus.publish('a', 1, given),
    push: () => bus.push('a', 1, given),
    request: () => bus.request('a', 1, given),
    subscribe: () => bus.subscribe('a', () => undefined, given),
    messages: () => bus.messages('a', given),
    pull: () => bus.pull('a', () => undefined, given),
    respond: () => bus.respond('a', () => undefined, given),
    ready: () => bus.ready(given),
    close: () => bus.close(given),
  };
  try {
    await calls[call]();
    return 'accepted';
  } catch (error) {
    return String(error);
  }
}

test('options that are no object are a clear error at every call', async (t) => {
  forbidUnhandledRejections(t);
  const { bus } = memoryBus(t);
  for (const call of CALLS) {
    for (const [options, shown] of [
      [null, 'null'],
      [7, '7'],
      ['x', '"x"'],
    ]) {
      const expected = `TypeError: Expected \`options\` to be an object, got ${String(shown)}`;
      assert.equal(await refusal(bus, call, options), expected, call);
    }
  }
});

test('the options of a bus itself must be an object', () => {
  const wrong = null as unknown;
  assert.throws(() => new Bus(wrong as CoreBusOptions), /^TypeError: Expected `options` to be an object, got null/);
  assert.throws(
    () => new MessageBus('x', wrong as MessageBusConfig),
    /^TypeError: Expected `config` to be an object, got null/,
  );
});

test('an unknown option of a call is an error with the nearest name', async (t) => {
  const { bus } = memoryBus(t);
  const meant: Readonly<Record<Call, readonly [string, string]>> = {
    publish: ['header', 'headers'],
    push: ['endpiont', 'endpoint'],
    request: ['timeout', 'timeoutMs'],
    subscribe: ['concurency', 'concurrency'],
    messages: ['signa', 'signal'],
    pull: ['maxQueue', 'maxQueued'],
    respond: ['concurrencey', 'concurrency'],
    ready: ['subscriber', 'subscribers'],
    close: ['cancel', 'cancelRunning'],
  };
  for (const call of CALLS) {
    const [given, known] = meant[call];
    const hint = call === 'close' ? '' : `; did you mean \`${known}\`?`;
    assert.equal(await refusal(bus, call, { [given]: 1 }), `TypeError: Unknown option \`${given}\`${hint}`, call);
  }
});

test('a bad value of a call says what was expected', async (t) => {
  forbidUnhandledRejections(t);
  const { bus } = memoryBus(t);
  const sending = ['publish', 'push', 'request'] as const;
  const receiving = ['subscribe', 'messages', 'pull', 'respond'] as const;
  const cases: readonly (readonly [readonly Call[], object, string])[] = [
    [
      [...sending, 'messages', 'ready'],
      { signal: {} },
      'TypeError: Expected `signal` to be an AbortSignal, got object',
    ],
    [
      [...sending, 'messages', 'ready'],
      { signal: null },
      'TypeError: Expected `signal` to be an AbortSignal, got null',
    ],
    [sending, { headers: null }, 'TypeError: Expected `headers` to be a plain object of names and values, or'],
    [sending, { headers: 'abc' }, 'TypeError: Expected `headers` to be a plain object of names and values, or'],
    [sending, { headers: ['a'] }, 'TypeError: Expected `headers` to be a plain object of names and values, or'],
    [sending, { headers: new Map([['a', 'b']]) }, 'TypeError: Expected `headers` to be a plain object of names'],
    [sending, { headers: new Headers() }, 'TypeError: Expected `headers` to be a plain object of names and values'],
    [sending, { retry: 'yes' }, 'TypeError: Expected `retry` to be true or false, got "yes"'],
    [['request'], { idempotent: 1 }, 'RangeError: Expected `idempotent` to be true or false, got 1'],
    [['request', 'ready', 'close'], { timeoutMs: -1 }, 'RangeError: Expected `timeoutMs` to be a number of milli'],
    [[...sending, ...receiving], { endpoint: {} }, 'TypeError: Expected `endpoint` to be an endpoint or a port, got'],
    [[...sending, ...receiving], { endpoint: '' }, 'TypeError: Expected `endpoint` to be an endpoint or a port, got'],
    [receiving, { concurrency: 0 }, 'RangeError: Expected `concurrency` to be an integer from 1, got 0'],
    [receiving, { concurrency: 1, maxQueued: -1 }, 'RangeError: Expected `maxQueued` to be an integer from 0, got -1'],
    [['subscribe', 'messages'], { ownSocket: 'yes' }, 'TypeError: Expected `ownSocket` to be true or false, got "yes"'],
    [['subscribe', 'messages'], { concurrency: 1, overflow: 'x' }, 'TypeError: Expected `overflow` to be'],
    [['ready'], { subscribers: 0 }, 'RangeError: Expected `subscribers` to be an integer from 1, got 0'],
    [['ready'], { publishers: 1.5 }, 'RangeError: Expected `publishers` to be an integer from 1, got 1.5'],
    [['close'], { cancelRunning: 'no' }, 'TypeError: Expected `cancelRunning` to be true or false, got "no"'],
  ];
  for (const [calls, options, expected] of cases) {
    for (const call of calls) {
      const text = await refusal(bus, call, options);
      assert.ok(text.startsWith(expected), `${call} ${Object.keys(options).join()}: ${text}`);
    }
  }
  assert.equal(bus.metrics().messages_sent, 0);
});

test('good options of every kind are taken, undefined ones as if they were not there', async (t) => {
  const { bus } = memoryBus(t);
  const inits: readonly HeadersInit[] = [
    { a: 'b' },
    Object.assign(Object.create(null) as Record<string, string>, { a: 'b' }),
    MessageHeaders.from({ a: 'b' }),
  ];
  const seen: unknown[] = [];
  bus.subscribe('a', ({ headers }) => void seen.push(headers.get('a')), { ownSocket: false });
  await bus.ready({ timeoutMs: Infinity });
  for (const headers of inits)
    await bus.publish('a', 1, { headers, signal: new AbortController().signal, retry: true });
  await bus.publish('a', 1, { headers: undefined, signal: undefined } as object);
  await until(() => seen.length === 4, 'the messages');
  await bus.close({ cancelRunning: true });
  assert.deepEqual(seen, ['b', 'b', 'b', undefined]);
});
