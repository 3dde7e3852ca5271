import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bus } from '../../src/core/bus.ts';
import type { CoreBusOptions } from '../../src/core/options.ts';
import { PREDECESSOR_KEYS } from '../../src/core/option-names.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';

const make = (options: object): Bus => new Bus({ serviceName: 's', transport: memory(), ...options });
const makeMessageBus = (config: object): MessageBus => new MessageBus('s', { transport: memory(), ...config });

/** Bad values of each option, and what the error says of it. */
const BAD: Readonly<Record<string, { readonly expected: string; readonly values: readonly unknown[] }>> = {
  serviceName: { expected: 'a non-empty string', values: ['', 7, null, {}] },
  transport: { expected: 'a transport with checkEndpoint, openPublisher', values: [null, 'zeromq', {}, memory] },
  endpoints: { expected: 'an object', values: [null, 'tcp://127.0.0.1:1', 5555] },
  host: { expected: 'a non-empty string', values: ['', 7] },
  hwmOutbound: { expected: 'an integer from 1', values: [0, -1, 1.5, NaN, Infinity, '10', null] },
  hwmInbound: { expected: 'an integer from 1', values: [0, -1, 1.5, NaN, Infinity, '10', null] },
  hwmPackets: { expected: 'an integer from 1', values: [0, 2.5, '256'] },
  maxQueueBytes: { expected: 'an integer from 1', values: [0, -1, 0.5, '1'] },
  publishTimeoutMs: { expected: 'a number of milliseconds from 0', values: [-1, NaN, Infinity, '1', 2 ** 31] },
  pushTimeoutMs: { expected: 'a number of milliseconds from 0', values: [-1, NaN, Infinity, '1'] },
  requestTimeoutMs: { expected: 'a number of milliseconds from 0', values: [-1, NaN, Infinity, '1'] },
  replySendTimeoutMs: { expected: 'a number of milliseconds from 0', values: [-1, NaN, Infinity, '1'] },
  failedSocketCooldownMs: { expected: 'a number of milliseconds from 0', values: [-1, NaN, Infinity, '1', 2 ** 31] },
  closeLingerMs: { expected: 'a number of milliseconds from 0', values: [-1, NaN, '1'] },
  heartbeatMs: { expected: 'an integer from 1 to 2147483647', values: [0, 0.5, NaN, '1', 2 ** 31] },
  slowSubscribers: { expected: "one of 'leave-behind', 'wait', 'drop'", values: ['dorp', true, null] },
  requireSubscribers: { expected: 'true or false', values: ['yes', 1, null] },
  order: { expected: "one of 'global', 'topic'", values: ['none', 1] },
  pack: { expected: 'an integer from 1 to 8192', values: [0, 1.5, '2', 8193] },
  publish: { expected: 'true or false', values: ['yes', 1] },
  logger: { expected: 'a logger with debug, info, warn, error', values: [null, {}, { debug() {} }, 'console'] },
  logLevel: { expected: "one of 'debug', 'info', 'warn', 'error', 'silent'", values: ['trace', 10, 'INFO'] },
  logLevelNoHandler: { expected: "one of 'debug', 'info', 'warn', 'error', 'silent'", values: ['off', 0] },
  onError: { expected: 'a function', values: [{}, 'log', null] },
  onGap: { expected: 'a function', values: [{}, true] },
  clock: { expected: 'a clock with now, wallUs, setTimeout, clearTimeout', values: [{}, Date, null] },
  random: { expected: 'a function', values: [0.5, null] },
};

test('every option refuses a bad value with its name, what it should be and what it got', () => {
  for (const [name, { expected, values }] of Object.entries(BAD)) {
    for (const value of values) {
      assert.throws(
        () => make({ [name]: value }),
        (error) => {
          assert.ok(error instanceof Error);
          assert.ok(error.message.startsWith(`Expected \`${name}\` to be ${expected}`), error.message);
          assert.equal(error.name, typeof value === 'number' ? 'RangeError' : 'TypeError', error.message);
          assert.match(error.message, /, got /);
          return true;
        },
      );
    }
  }
});

test('the table above has every option of a bus', () => {
  // A value that no option takes: what complains is known, what is unknown says so.
  const known = Object.keys(BAD).filter((name) => {
    try {
      make({ [name]: Symbol('no option takes this') });
      return false;
    } catch (error) {
      return !(error as Error).message.startsWith('Unknown option');
    }
  });
  assert.deepEqual(known, Object.keys(BAD));
  const names = Object.keys(BAD).length;
  assert.throws(() => make({ zzzzzzzzzz: 1 }), /^TypeError: Unknown option `zzzzzzzzzz`$/);
  assert.equal(names, 27);
});

test('every option takes a good value, the ends of its range included', () => {
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const good: CoreBusOptions = {
    serviceName: 'x',
    transport: memory(),
    endpoints: { publish: { bind: 'memory://x' } },
    host: 'localhost',
    hwmOutbound: 1,
    hwmInbound: 1,
    hwmPackets: 1,
    maxQueueBytes: 1,
    publishTimeoutMs: 0,
    pushTimeoutMs: 0,
    requestTimeoutMs: 0.5,
    replySendTimeoutMs: 2 ** 31 - 1,
    failedSocketCooldownMs: 0,
    closeLingerMs: 0,
    heartbeatMs: 1,
    slowSubscribers: 'wait',
    requireSubscribers: true,
    order: 'topic',
    pack: 8192,
    publish: true,
    logger,
    logLevel: 'silent',
    logLevelNoHandler: 'error',
    onError() {},
    onGap() {},
    clock: { now: () => 0, wallUs: () => 0, setTimeout: () => 0, clearTimeout() {} },
    random: () => 0,
  };
  assert.deepEqual(Object.keys(good), Object.keys(BAD));
  assert.ok(new Bus(good) instanceof Bus);
});

test('an option that is undefined is as if it were not there', () => {
  assert.ok(make({ hwmOutbound: undefined, logger: undefined, retryBudget: undefined }) instanceof Bus);
});

test('a bus without a name or a transport says which it needs', () => {
  assert.throws(
    () => new Bus({ transport: memory() } as CoreBusOptions),
    /^TypeError: Expected `serviceName` to be a non-empty/,
  );
  assert.throws(
    () => new Bus({ serviceName: 's' } as CoreBusOptions),
    /^TypeError: Expected `transport` to be a transport/,
  );
  assert.throws(
    () => new MessageBus(undefined as unknown as string, { transport: memory() }),
    /^TypeError: Expected `serviceName` to be a non-empty string, got undefined/,
  );
  assert.throws(
    () => new MessageBus({ host: 'x' } as unknown as string),
    /^TypeError: Expected `serviceName` to be a non-empty string, got object/,
  );
});

test('an unknown option is an error with the nearest name', () => {
  const nearest: Readonly<Record<string, string>> = {
    hwmOutBound: 'hwmOutbound',
    hwmoutbound: 'hwmOutbound',
    requestTimeout: 'requestTimeoutMs',
    publishTimeoutMS: 'publishTimeoutMs',
    logLvl: 'logLevel',
    closeLinger: 'closeLingerMs',
    slowSubscriber: 'slowSubscribers',
    onErr: 'onError',
    handlerMaxConcurency: 'handlerMaxConcurrency',
    serialiser: 'serializer',
    middlewares: 'middleware',
    port: 'ports',
  };
  for (const [given, meant] of Object.entries(nearest)) {
    assert.throws(
      () => makeMessageBus({ [given]: 1 }),
      new TypeError(`Unknown option \`${given}\`; did you mean \`${meant}\`?`),
    );
  }
  assert.throws(
    () => makeMessageBus({ completelyDifferent: 1 }),
    new TypeError('Unknown option `completelyDifferent`'),
  );
  assert.throws(() => makeMessageBus({ constructor: 1 }), /^TypeError: Unknown option `constructor`/);
  assert.throws(
    () => makeMessageBus(JSON.parse('{"__proto__": 1}') as object),
    /^TypeError: Unknown option `__proto__`/,
  );
});

test('each key of the predecessor is told its new name, and that times are milliseconds', () => {
  const renamed: Readonly<Record<string, string>> = {
    hwm_outbound: 'hwmOutbound',
    hwm_inbound: 'hwmInbound',
    pub_send_timeout: 'publishTimeoutMs',
    push_send_timeout: 'pushTimeoutMs',
    req_total_timeout: 'requestTimeoutMs',
    rep_send_timeout: 'replySendTimeoutMs',
    failed_socket_cooldown: 'failedSocketCooldownMs',
    handler_max_concurrency: 'handlerMaxConcurrency',
    log_level_no_handler: 'logLevelNoHandler',
    close_linger_ms: 'closeLingerMs',
  };
  for (const [old, now] of Object.entries(renamed)) {
    assert.throws(
      () => makeMessageBus({ [old]: 1 }),
      new TypeError(`Unknown option \`${old}\`: it is called \`${now}\` here, and times are milliseconds`),
    );
    assert.throws(() => makeMessageBus({ [now]: 1 === Number(now) }), /^(Type|Range)Error: Expected/, `${now} exists`);
  }
  assert.throws(() => makeMessageBus({ rep_recv_timeout: 30 }), /receiving is event-driven here and never times out/);
  assert.deepEqual(Object.keys(PREDECESSOR_KEYS).sort(), [...Object.keys(renamed), 'rep_recv_timeout'].sort());
});

test('the options of the preset are checked like the others', () => {
  const bad: Readonly<Record<string, readonly unknown[]>> = {
    ports: [7, { EVENTS: 1 }, { GLOBAL_EVENTS: '5555' }, { GLOBAL_EVENTS: 65_536 }],
    serializer: ['msgpack', {}, { encode() {} }],
    handlerMaxConcurrency: [0, 1.5, '4'],
    retry: [true, 3],
    middleware: [{}, 'none'],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      assert.throws(
        () => makeMessageBus({ [name]: value }),
        (error) => error instanceof Error && error.message.startsWith(`Expected \`${name}\` to be`),
        `${name} ${JSON.stringify(value)}`,
      );
    }
  }
});

test('an option that a replaced stack would ignore is an error', () => {
  for (const ignored of [{ serializer: 'json' }, { handlerMaxConcurrency: 4 }, { retry: false }]) {
    assert.throws(
      () => makeMessageBus({ ...ignored, middleware: [] }),
      /to be left out where `middleware` replaces the/,
    );
  }
});

test('slowSubscribers must be something that the transport knows', () => {
  const transport = { ...memory(), features: { ...memory().features, slowSubscribers: ['drop'] as const } };
  assert.throws(() => make({ transport, slowSubscribers: 'wait' }), /slowSubscribers.*transport.*drop/);
  assert.ok(make({ transport, slowSubscribers: 'drop' }) instanceof Bus);
});
