/** The manual's chapter on logging: quiet unless asked, log_level_no_handler, failures counted and logged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { LogLevel } from '../../src/core/logger.ts';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../transports/conformance/waiting.ts';
import { actor } from './stage.ts';

/** What a bus logs about one event, result and request that nobody handles. */
async function unhandled(t: TestContext, config: MessageBusConfig): Promise<string[]> {
  const { bus, log } = actor(t, { publish: true, ...config });
  bus.subscribe('>');
  bus.pull();
  bus.respond();
  await bus.ready();
  await bus.publish('event', 1);
  await bus.push('result', 1);
  await assert.rejects(bus.request('call', 1), { code: 'NO_HANDLER' });
  await until(() => bus.stats().no_handler === 3, 'three messages without a handler');
  const { messages_received, inbound_dropped } = bus.metrics();
  // The fourth is the refusal that came back.
  assert.deepEqual({ messages_received, inbound_dropped }, { messages_received: 4, inbound_dropped: 0 });
  return log.lines.map((line) => /^\w+/.exec(line)![0]);
}

test('by default "no handler" is logged at debug, which prints nothing', async (t) => {
  assert.deepEqual(await unhandled(t, { logLevel: 'info' }), []);
  assert.deepEqual(await unhandled(t, { logLevel: 'debug' }), ['debug', 'debug', 'debug']);
});

for (const level of ['info', 'warn', 'error'] as const) {
  test(`logLevelNoHandler: '${level}' logs it at that level`, async (t) => {
    assert.deepEqual(await unhandled(t, { logLevel: 'info', logLevelNoHandler: level }), [level, level, level]);
  });
}

test("logLevelNoHandler: 'silent' never logs it", async (t) => {
  assert.deepEqual(await unhandled(t, { logLevelNoHandler: 'silent' }), []);
});

test('what a prefix brought although no pattern asks for it is not "no handler", and not received', async (t) => {
  const { bus, log } = actor(t, { publish: true });
  const seen: string[] = [];
  bus.subscribe('price.*.close', ({ topic }) => seen.push(topic));
  await bus.ready();
  await bus.publish('price.btc.open', 1);
  await bus.publish('price.btc.close', 2);
  await until(() => seen.length === 1, 'the one that was asked for');
  assert.deepEqual([bus.stats().no_handler, bus.metrics().messages_received], [0, 1]);
  assert.deepEqual(log.lines, []);
});

/** One failing handler, which is logged as an error, and one message without a handler, which is not more than debug. */
async function oneFailure(bus: MessageBus): Promise<void> {
  bus.pull('bad', () => {
    throw new Error('out of order');
  });
  await bus.push('bad', 1);
  await bus.push('unknown', 1);
  await until(() => bus.stats().no_handler === 1 && bus.metrics().errors === 1, 'both messages');
}

test('the default logger is the console, at level info', async (t) => {
  const levels = ['debug', 'info', 'warn', 'error'] as const;
  const printed = levels.map((level) => t.mock.method(console, level, () => {}).mock);
  for (const config of [{}, { logLevelNoHandler: 'info' }] as const) {
    const bus = new MessageBus('quiet', { transport: memory(), ...config });
    await oneFailure(bus);
    await bus.close();
  }
  const failure = '[tracebus quiet] a handler of "bad" failed on "bad": out of order';
  assert.deepEqual(
    printed.map(({ calls }) => calls.map((call) => String((call as { arguments: unknown[] }).arguments[0]))),
    [[], ['[tracebus quiet] no handler for pushed topic unknown'], [], [failure, failure]],
  );
});

test('logLevel is the least level that reaches logger', async (t) => {
  const levels = async (logLevel: LogLevel): Promise<string[]> => {
    const { bus, log } = actor(t, { logLevel });
    await oneFailure(bus);
    return log.lines.map((line) => /^\w+/.exec(line)![0]).sort();
  };
  assert.deepEqual(await levels('debug'), ['debug', 'error']);
  assert.deepEqual(await levels('warn'), ['error']);
  assert.deepEqual(await levels('silent'), []);
});
