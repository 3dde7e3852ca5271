/** `MessageBus(service_name, config)`: what the preset is made of, and what it says to a config it does not know. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { circuitBreaker } from '../../src/middleware/circuit-breaker.ts';
import { retry } from '../../src/middleware/retry.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { actor } from './stage.ts';

/** In brackets what the bus does itself. The limit stands at `(admit)`. */
const SEND = ['metrics', 'trace', 'retry', 'serialize', '(headers)'];
const RECEIVE = ['(admit)', 'metrics', 'trace', 'serialize'];

test('a service name alone makes a bus over ZeroMQ with the standard pipeline', () => {
  const { serviceName, system, send, receive, links } = new MessageBus('analytics').describe();
  assert.deepEqual(
    { serviceName, system, send, receive, links },
    {
      serviceName: 'analytics',
      system: 'zeromq',
      send: SEND,
      receive: RECEIVE,
      links: [],
    },
  );
});

test('the service name is the sender that handlers of all three patterns see', async (t) => {
  const { bus } = actor(t, { publish: true });
  const senders: unknown[] = [];
  bus.subscribe('a', ({ sender }) => senders.push(sender));
  bus.pull('b', ({ sender }) => senders.push(sender));
  bus.respond('c', ({ sender }) => senders.push(sender));
  await bus.ready();
  await Promise.all([bus.publish('a', 1), bus.push('b', 1), bus.request('c', 1)]);
  await bus.close();
  assert.deepEqual(senders, ['actor', 'actor', 'actor']);
});

test('a built-in given to use() takes the place of the standard one, once; a new one joins the stack', () => {
  const bus = new MessageBus('analytics').use(retry({ maxAttempts: 5 })).use(circuitBreaker());
  assert.deepEqual(bus.describe().send, ['metrics', 'trace', 'retry', 'circuit-breaker', 'serialize', '(headers)']);
  assert.throws(() => bus.use(retry()), { code: 'INVALID_PIPELINE' });
});

test('retry: false leaves the step out, and middleware replaces the whole stack', () => {
  const send = (config: MessageBusConfig): readonly string[] => new MessageBus('analytics', config).describe().send;
  assert.deepEqual(send({ retry: false }), ['metrics', 'trace', 'serialize', '(headers)']);
  assert.deepEqual(send({ middleware: [] }), ['(bytes)', '(headers)']);
  assert.deepEqual(send({ middleware: [serialize()] }), ['serialize', '(headers)']);
});

test('the options of retry reach the step: how often a push is tried', async (t) => {
  const { bus } = actor(t, { retry: { maxAttempts: 2, baseMs: 0 } });
  const attempts: number[] = [];
  bus.use({
    name: 'flaky',
    stage: 'body',
    send: ({ attempt }) => {
      attempts.push(attempt);
      throw new BusError('TRANSPORT_FAILED', 'for a moment');
    },
  });
  await assert.rejects(bus.push(1), { code: 'TRANSPORT_FAILED' });
  assert.deepEqual(attempts, [1, 2]);
});

const wrong = (config: object): (() => MessageBus) => {
  return () => new MessageBus('analytics', config);
};

test('each key of the old config is told its new name, and that times are milliseconds', () => {
  const keys = {
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
  for (const [key, now] of Object.entries(keys)) {
    const message = `Unknown option \`${key}\`: it is called \`${now}\` here, and times are milliseconds`;
    assert.throws(wrong({ [key]: 1 }), new TypeError(message));
    assert.doesNotThrow(wrong({ [now]: now === 'logLevelNoHandler' ? 'info' : 1 }), now);
  }
});

test('rep_recv_timeout is told that it has no counterpart', () => {
  const message =
    'Unknown option `rep_recv_timeout`: receiving is event-driven here and never times out, so leave it out';
  assert.throws(wrong({ rep_recv_timeout: 30 }), new TypeError(message));
});

test('an unknown option is an error with the nearest name, a wrong value one that says what was expected', () => {
  assert.throws(
    wrong({ pushTimeoutms: 5 }),
    new TypeError('Unknown option `pushTimeoutms`; did you mean `pushTimeoutMs`?'),
  );
  assert.throws(wrong({ colour: 'red' }), /Unknown option `colour`/);
  assert.throws(wrong({ hwmOutbound: 0 }), new RangeError('Expected `hwmOutbound` to be an integer from 1, got 0'));
  assert.throws(wrong({ serializer: 'orjson' }), /Expected `serializer` to be 'json' or a Codec/);
  assert.throws(wrong({ handlerMaxConcurrency: 0 }), RangeError);
  assert.throws(() => new MessageBus(''), TypeError);
});
