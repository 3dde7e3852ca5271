import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { TestContext } from 'node:test';
import { ROOT_CONTEXT, context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import type { LogRecordProcessor, ReadWriteLogRecord } from '@opentelemetry/sdk-logs';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { BusError } from '../../src/core/errors.ts';
import type { Failure } from '../../src/core/reporter.ts';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import type { RecordLoggerProvider } from '../../src/middleware/logger-presence.ts';
import { forgetLoggerProvider } from '../../src/middleware/logger-presence.ts';
import { logs } from '../../src/middleware/logs.ts';
import type { LogsOptions } from '../../src/middleware/logs.ts';
import { trace as traceStep } from '../../src/middleware/trace.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { RecordingLogger } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { until } from './memory-bus.ts';
import { middlewareHost } from './middleware-host.ts';

const API_LOGS_KEY = Symbol.for('io.opentelemetry.js.api.logs');

afterEach(() => {
  forgetLoggerProvider();
  context.disable();
});

/** The SDK's own provider, and every record that came out of it. */
function sdk(): { readonly provider: LoggerProvider; readonly records: ReadWriteLogRecord[] } {
  const records: ReadWriteLogRecord[] = [];
  const keep: LogRecordProcessor = {
    onEmit: (record) => void records.push(record),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  return { provider: new LoggerProvider({ processors: [keep] }), records };
}

/** As `setGlobalLoggerProvider` of `@opentelemetry/api-logs` does it. */
function register(provider: RecordLoggerProvider): void {
  (globalThis as Record<symbol, unknown>)[API_LOGS_KEY] = (version: number) => (version === 1 ? provider : undefined);
}

/** A started step, and how to make something fail. */
function started(options: LogsOptions = {}, clock = new FakeClock()) {
  const step = logs(options);
  let listener: ((failure: Failure) => void) | undefined;
  step.attach?.(
    middlewareHost({
      clock,
      onFailure: (one) => {
        listener = one;
        return () => (listener = undefined);
      },
    }),
  );
  const fail = (failure: Partial<Failure> = {}): void => {
    const error = failure.error ?? new Error('broken');
    listener?.({
      operation: 'subscribe',
      level: 'error',
      line: `a handler failed: ${error.message}`,
      context: undefined,
      isDropped: false,
      ...failure,
      error,
    });
  };
  return { step, clock, fail, listens: () => listener !== undefined };
}

function newBus(t: TestContext, config: MessageBusConfig = {}): MessageBus {
  const bus = new MessageBus('test', { transport: memory(), publish: true, logLevel: 'silent', ...config });
  t.after(() => bus.close());
  return bus;
}

test('a failing handler makes a record with severity, names, error and place, under the scope of the bus', () => {
  const { provider, records } = sdk();
  const { fail } = started({ loggerProvider: provider });
  fail({
    error: new TypeError('no such thing'),
    line: 'a handler of "price.*" failed on "price.tick": no such thing',
    context: receiveContext({
      subscription: 'price.*',
      endpoint: 'tcp://10.0.0.1:5555',
      body: 'secret',
      headers: { key: 'secret' },
    }),
  });
  const record = records[0]!;
  assert.deepEqual(
    { number: record.severityNumber, text: record.severityText, body: record.body, event: record.eventName },
    {
      number: 17,
      text: 'ERROR',
      body: 'a handler of "price.*" failed on "price.tick": no such thing',
      event: 'messagebus.failure',
    },
  );
  assert.deepEqual(record.attributes, {
    'messaging.system.name': 'zeromq',
    'messaging.operation.name': 'subscribe',
    'messaging.destination.template': 'price.*',
    'network.transport': 'tcp',
    'server.address': '10.0.0.1',
    'server.port': 5555,
    'error.type': 'handler_failed',
    'exception.type': 'TypeError',
    'exception.message': 'no such thing',
  });
  assert.deepEqual(
    [record.instrumentationScope.name, record.instrumentationScope.schemaUrl],
    ['tracebus', 'https://opentelemetry.io/schemas/1.45.0'],
  );
});

test('a dropped message is a warning of another event; what failed at no message has no place', () => {
  const { provider, records } = sdk();
  const { fail } = started({ loggerProvider: provider });
  fail({ error: new BusError('MALFORMED_PACKET', 'garbage'), level: 'warn', isDropped: true });
  assert.deepEqual([records[0]!.severityNumber, records[0]!.severityText], [13, 'WARN']);
  assert.equal(records[0]!.eventName, 'messagebus.drop');
  assert.deepEqual(Object.keys(records[0]!.attributes), [
    'messaging.system.name',
    'messaging.operation.name',
    'error.type',
    'exception.type',
    'exception.message',
  ]);
  assert.equal(records[0]!.attributes['error.type'], 'malformed_packet');
  assert.equal(records[0]!.spanContext, undefined);
});

test('requests and replies are named as methods, a request that nobody answers as _OTHER', () => {
  const { provider, records } = sdk();
  const { fail } = started({ loggerProvider: provider });
  fail({ context: receiveContext({ pattern: 'request', topic: 'add', subscription: 'add' }) });
  fail({ context: receiveContext({ pattern: 'request', topic: 'whatever' }) });
  fail({ context: sendContext({ pattern: 'reply', topic: 'add' }) });
  fail({ context: sendContext({ topic: 'price.tick' }) });
  assert.deepEqual(
    records.map(({ attributes }) => attributes['rpc.method'] ?? attributes['messaging.destination.name']),
    ['add', '_OTHER', 'add', 'price.tick'],
  );
});

test('topics beyond the cap are no attribute values', () => {
  const { provider, records } = sdk();
  const { fail, clock } = started({ loggerProvider: provider });
  for (let index = 0; index < 150; index++) {
    fail({ context: receiveContext({ topic: `flood.${String(index)}` }) });
    clock.advance(1000);
  }
  const names = new Set(records.map(({ attributes }) => attributes['messaging.destination.name']));
  assert.equal(records.length, 150);
  assert.equal(names.size, 101, 'a hundred and none');
});

test('only failures at the level or above become records', () => {
  const severities = (level?: LogsOptions['level']): unknown[] => {
    const { provider, records } = sdk();
    const { fail } = started({ loggerProvider: provider, ...(level !== undefined && { level }) });
    for (const one of ['debug', 'info', 'warn', 'error', 'silent'] as const) fail({ level: one });
    return records.map(({ severityText }) => severityText);
  };
  assert.deepEqual(severities(), ['WARN', 'ERROR']);
  assert.deepEqual(severities('debug'), ['DEBUG', 'INFO', 'WARN', 'ERROR']);
  assert.deepEqual(severities('error'), ['ERROR']);
  assert.deepEqual(severities('silent'), []);
});

test('of a flood ten records of each operation and error type come through, and the next says how many did not', () => {
  const { provider, records } = sdk();
  const { fail, clock } = started({ loggerProvider: provider });
  for (let index = 0; index < 500; index++) fail();
  fail({ operation: 'pull' });
  fail({ error: new BusError('REJECTED', 'no') });
  assert.equal(records.length, 12);
  clock.advance(1000);
  fail();
  fail();
  assert.deepEqual(
    records.slice(-2).map(({ attributes }) => attributes['messagebus.suppressed']),
    [490, undefined],
  );
  assert.equal(clock.pending, 0, 'and there is no timer');
});

test('neither a name, nor a message, nor the line can forge anything, and all are bounded', () => {
  const { provider, records } = sdk();
  const { fail } = started({ loggerProvider: provider });
  const forged = `x\r\n2026 ERROR all is lost\u001b[2J\u2028y`;
  const error = new Error(forged + 'm'.repeat(10_000));
  error.name = forged + 'n'.repeat(10_000);
  fail({ error, line: forged + 'l'.repeat(10_000) });
  const { body, attributes } = records[0]!;
  const texts = [body, attributes['exception.type'], attributes['exception.message']] as string[];
  for (const text of texts) {
    assert.ok(text.startsWith('x 2026 ERROR all is lost [2J y'), text.slice(0, 50));
    assert.doesNotMatch(text, /\p{Cc}|\u2028/u);
  }
  assert.deepEqual(
    texts.map(({ length }) => length <= 2048),
    [true, true, true],
  );
});

test('a record belongs to the span of its message, never to that of whoever happens to run', () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const { provider, records } = sdk();
  const tracer = new TracerProvider().getTracer('test');
  const { fail } = started({ loggerProvider: provider });
  const [bystander, ofReceive, ofSend, ofRequest] = ['a', 'b', 'c', 'd'].map((name) => tracer.startSpan(name));
  const received = receiveContext();
  received.scope = trace.setSpan(ROOT_CONTEXT, ofReceive!);
  const sent = sendContext();
  sent.span = ofSend;
  const request = receiveContext({ pattern: 'request' });
  request.span = ofRequest;
  context.with(trace.setSpan(ROOT_CONTEXT, bystander!), () => {
    fail({ context: received });
    fail({ context: sent });
    fail({ context: sendContext({ pattern: 'reply', request }) });
    fail({ context: receiveContext() });
    fail({ context: sendContext() });
    fail();
  });
  assert.deepEqual(
    records.map(({ spanContext }) => spanContext?.spanId),
    [...[ofReceive, ofSend, ofRequest].map((span) => span?.spanContext().spanId), undefined, undefined, undefined],
  );
});

test('on a bus with tracing the record of a failing handler is in the trace of its message', async (t) => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const { provider, records } = sdk();
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const bus = newBus(t);
  bus.use(logs({ loggerProvider: provider }));
  bus.use(traceStep({ tracerProvider, propagator: new W3CTraceContextPropagator() }));
  bus.subscribe('price.*', () => {
    throw new Error('broken');
  });
  await bus.ready();
  await bus.publish('price.tick', 1);
  await until(() => records.length === 1 && exporter.getFinishedSpans().length === 2);
  const [publish, processing] = ['publish price.tick', 'process price.*'].map((name) =>
    exporter
      .getFinishedSpans()
      .find((span) => span.name === name)
      ?.spanContext(),
  );
  assert.equal(records[0]!.spanContext?.spanId, processing?.spanId);
  assert.equal(records[0]!.spanContext?.traceId, publish?.traceId);
});

test('the step is in the standard stack, costs the chains nothing and is replaced in place', async (t) => {
  const { provider, records } = sdk();
  register(provider);
  const bus = newBus(t);
  assert.equal([...bus.describe().send, ...bus.describe().receive].includes('logs'), false);
  const quiet = newBus(t);
  quiet.use(logs({ level: 'silent' }));
  for (const one of [bus, quiet]) {
    one.subscribe('a', () => {
      throw new Error(one === bus ? 'told' : 'not told');
    });
    await one.ready();
    await one.publish('a', 1);
    await until(() => one.metrics().errors === 1);
  }
  assert.deepEqual(
    records.map(({ attributes }) => attributes['exception.message']),
    ['told'],
  );
  assert.throws(() => newBus(t).use(logs()).use(logs()), { code: 'INVALID_PIPELINE' });
});

test('a global provider that comes late, goes or changes is followed', () => {
  const { fail } = started();
  const [first, second] = [sdk(), sdk()];
  fail();
  register(first.provider);
  fail();
  fail();
  register(second.provider);
  fail();
  forgetLoggerProvider();
  fail();
  assert.deepEqual([first.records.length, second.records.length], [2, 1]);
});

test('a logger that is not enabled is not given a record', () => {
  let emitted = 0;
  const asked: unknown[] = [];
  const logger = {
    emit: () => {
      emitted++;
    },
    enabled: (about: unknown) => {
      asked.push(about);
      return false;
    },
  };
  const { fail } = started({ loggerProvider: { getLogger: () => logger } });
  fail();
  assert.deepEqual(asked, [{ eventName: 'messagebus.failure', severityNumber: 17, context: ROOT_CONTEXT }]);
  assert.equal(emitted, 0);
});

const thrower = (): never => {
  throw new Error('the logger is broken');
};
const brokenProviders: Readonly<Record<string, RecordLoggerProvider>> = {
  'throws when asked for a logger': { getLogger: thrower },
  'has loggers that throw': { getLogger: () => ({ emit: thrower }) },
  'has loggers that throw when asked whether they are enabled': { getLogger: () => ({ emit() {}, enabled: thrower }) },
  'gives no logger': { getLogger: () => undefined as never },
  'has loggers that reject later': {
    getLogger: () => ({ emit: (): unknown => Promise.reject(new Error('later')) }),
  },
  'has loggers that take their time': {
    getLogger: () => ({
      emit() {
        const end = performance.now() + 5;
        while (performance.now() < end);
      },
    }),
  },
};

for (const [what, loggerProvider] of Object.entries(brokenProviders)) {
  test(`a provider that ${what} changes no delivery`, async (t) => {
    forbidUnhandledRejections(t);
    const told: string[] = [];
    const bus = newBus(t, { onError: (error) => void told.push(error.message) });
    bus.use(logs({ loggerProvider }));
    const seen: unknown[] = [];
    bus.subscribe('a', ({ body }) => {
      seen.push(body);
      if (body === 1) throw new Error('the handler is broken');
    });
    bus.respond('b', () => {
      throw new Error('the responder is broken');
    });
    await bus.ready();
    for (const body of [1, 2, 3]) await bus.publish('a', body);
    await assert.rejects(bus.request('b', 1), { code: 'HANDLER_FAILED' });
    await until(() => seen.length === 3);
    await turns();
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(told, ['the handler is broken', 'the responder is broken']);
  });
}

test('after the bus has closed nothing listens, and the step can serve another', async () => {
  const { step, listens } = started();
  assert.throws(() => step.attach?.(middlewareHost()), { code: 'INVALID_PIPELINE' });
  assert.equal(listens(), true);
  await step.detach?.();
  assert.equal(listens(), false);
  step.attach?.(middlewareHost());
  await step.detach?.();
});

test('options that are none are refused', () => {
  assert.throws(() => logs({ level: 'fatal' as never }), {
    name: 'TypeError',
    message: "Expected `level` to be one of 'debug', 'info', 'warn', 'error', 'silent', got \"fatal\"",
  });
  assert.throws(
    () => logs({ loggerProvider: {} as never }),
    /Expected `loggerProvider` to be a LoggerProvider with getLogger, got object/,
  );
  assert.throws(() => logs({ loggerProvider: null as never }), /got null/);
  assert.throws(() => logs({ loggerProvider: 7 as never }), /got 7/);
  assert.throws(() => logs({ levl: 'error' } as never), /Unknown option `levl`; did you mean `level`\?/);
  assert.throws(() => logs(null as never), /Expected `options` to be an object, got null/);
});

test('topics, headers and errors from outside forge no line of the log, and floods of unknown topics are bounded', async (t) => {
  const logger = new RecordingLogger();
  const clock = new FakeClock();
  const bus = newBus(t, { clock, logger, logLevel: 'debug', logLevelNoHandler: 'warn' });
  const hostile = 'a\u2028ERROR forged\u202e';
  bus.subscribe('>');
  bus.respond('fail', ({ headers }) => {
    throw new Error(`bad header ${headers.getText('note') ?? ''}`);
  });
  await bus.ready();
  await assert.rejects(bus.publish('a\nERROR forged', 1), { code: 'INVALID_TOPIC' });
  await assert.rejects(bus.publish('x'.repeat(300), 1), { code: 'INVALID_TOPIC' });
  await bus.publish(hostile, 1);
  await bus.publish('y'.repeat(255), 1);
  for (let index = 0; index < 300; index++) await bus.publish(`flood.${String(index)}`, 1);
  await until(() => bus.stats().no_handler === 302);
  await assert.rejects(bus.request('fail', 1, { headers: { note: 'x\u001b[2J\r\nERROR forged' } }));
  const unknown = logger.lines.filter((line) => line.includes('no handler'));
  assert.equal(unknown.length, 10);
  assert.equal(unknown[0], 'warn no handler for topic a ERROR forged ');
  clock.advance(1000);
  assert.equal(logger.at('warn').at(-1), 'warn no handler (subscribe): 292 more line(s) like these were left out');
  assert.ok(
    logger.lines.some((line) => line.includes('bad header x [2J ERROR forged')),
    logger.lines.at(-1),
  );
  assert.deepEqual(
    logger.lines.filter((line) => /[\p{Cc}\u2028\u202e]/u.test(line)),
    [],
  );
});
