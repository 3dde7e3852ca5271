/** Whole traces over real buses on the memory transport, with the providers registered globally as an application does. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import {
  SpanKind,
  SpanStatusCode,
  context,
  metrics as metricsApi,
  propagation,
  trace as api,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { MessageBus } from '../../src/message-bus.ts';
import type { MessageBusConfig } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';
import { Collected } from './metrics-reader.ts';

const exporter = new InMemorySpanExporter();
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
const buses: MessageBus[] = [];

before(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  api.setGlobalTracerProvider(tracerProvider);
});
after(() => {
  api.disable();
});
afterEach(async () => {
  for (const bus of buses.splice(0)) await bus.close();
  exporter.reset();
});

function newBus(config: MessageBusConfig = {}): MessageBus {
  const bus = new MessageBus('test', { transport: memory(), publish: true, logLevel: 'silent', ...config });
  buses.push(bus);
  return bus;
}

/** Waits, with a bound, until so many spans have ended. */
async function spans(count: number): Promise<readonly ReadableSpan[]> {
  const until = performance.now() + 5000;
  while (exporter.getFinishedSpans().length < count && performance.now() < until) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const ended = exporter.getFinishedSpans();
  assert.equal(ended.length, count, ended.map(({ name }) => name).join());
  return ended;
}

/** The spans as `kind name < parent` lines, sorted; all of one trace. */
function tree(ended: readonly ReadableSpan[]): string[] {
  assert.equal(new Set(ended.map((span) => span.spanContext().traceId)).size, 1, 'one trace');
  const names = new Map(ended.map((span) => [span.spanContext().spanId, span.name]));
  const parentOf = (span: ReadableSpan) => names.get(span.parentSpanContext?.spanId ?? '') ?? '-';
  return ended.map((span) => `${SpanKind[span.kind]} ${span.name} < ${parentOf(span)}`).sort();
}

test('an event, the push it causes and its processing are one connected trace', async () => {
  const bus = newBus();
  bus.subscribe('price.*', (message) => bus.push('results', { of: message.topic }));
  await bus.ready();
  bus.pull('results', () => {});
  await bus.publish('price.tick', 1);
  assert.deepEqual(tree(await spans(4)), [
    'CONSUMER process price.* < publish price.tick',
    'CONSUMER process results < push results',
    'PRODUCER publish price.tick < -',
    'PRODUCER push results < process price.*',
  ]);
});

test('a request, and the request that its handler makes, are one connected trace', async () => {
  const bus = newBus();
  bus.respond('outer', async (message) => bus.request('inner', message.body));
  bus.respond('inner', (message) => message.body);
  assert.equal(await bus.request('outer', 7), 7);
  assert.deepEqual(tree(await spans(4)), [
    'CLIENT inner < outer',
    'CLIENT outer < -',
    'SERVER inner < inner',
    'SERVER outer < outer',
  ]);
});

test('failures show on both sides: what the handler threw, and what the caller was told', async () => {
  const bus = newBus();
  bus.respond('bad', () => {
    throw new Error('boom');
  });
  await assert.rejects(bus.request('bad', 1), { code: 'HANDLER_FAILED' });
  const [first, second] = await spans(2);
  assert.deepEqual(
    [first, second].map((span) => span?.attributes['error.type']),
    ['handler_failed', 'handler_failed'],
  );
});

test('a reply that cannot be encoded fails on both sides, and in the figures', async () => {
  const bus = newBus();
  bus.respond('odd', () => 1n);
  await assert.rejects(bus.request('odd', 1));
  const ended = (await spans(2)).filter(({ kind }) => kind === SpanKind.SERVER);
  assert.deepEqual(
    ended.map(({ status, attributes }) => [status.code, attributes['error.type']]),
    [[SpanStatusCode.ERROR, 'serialize_failed']],
  );
});

test('a request that nobody answers in time ends with timeout', async () => {
  const bus = newBus();
  bus.respond('slow', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
  await assert.rejects(bus.request('slow', 1, { timeoutMs: 20 }), { code: 'REQUEST_TIMEOUT' });
  const timedOut = (await spans(2)).find(({ kind }) => kind === SpanKind.CLIENT)!;
  assert.equal(timedOut.attributes['error.type'], 'timeout');
});

test('a request for an unknown method ends with no_handler on both sides, which the responder calls _OTHER', async () => {
  const bus = newBus();
  bus.respond('known', () => 1);
  await assert.rejects(bus.request('unknown', 1), { code: 'NO_HANDLER' });
  const ended = await spans(2);
  const server = ended.find(({ kind }) => kind === SpanKind.SERVER)!;
  assert.deepEqual([server.name, server.attributes['rpc.method']], ['tracebus', '_OTHER']);
  assert.deepEqual(
    ended.map((span) => span.attributes['error.type']),
    ['no_handler', 'no_handler'],
  );
});

test('what the first publisher was doing does not become the parent of everything after it', async () => {
  const bus = newBus();
  bus.subscribe('a', () => {});
  const first = api.getTracer('app').startSpan('first');
  await context.with(api.setSpan(context.active(), first), async () => {
    await bus.ready();
    await bus.publish('a', 1);
  });
  first.end();
  await spans(3);
  exporter.reset();
  await bus.publish('a', 2);
  assert.deepEqual(tree(await spans(2)), ['CONSUMER process a < publish a', 'PRODUCER publish a < -']);
});

test('each message of one packet keeps its own trace', async () => {
  const bus = newBus();
  bus.subscribe('a', () => {});
  await bus.ready();
  await Promise.all([1, 2, 3].map((n) => bus.publish('a', n)));
  const ended = await spans(6);
  assert.equal(new Set(ended.map((span) => span.spanContext().traceId)).size, 3);
});

test('for await bodies run outside, message.run inside the span, which ends with the next iteration', async () => {
  const bus = newBus();
  const messages = bus.messages('a');
  await bus.ready();
  await bus.publish('a', 1);
  const { value: message } = (await messages.next()) as { value: { run<T>(fn: () => T): T } };
  assert.equal(api.getActiveSpan(), undefined);
  const inside = message.run(() => api.getActiveSpan()?.spanContext().spanId);
  assert.equal(exporter.getFinishedSpans().length, 1);
  await messages.return?.();
  const consumer = (await spans(2)).find(({ kind }) => kind === SpanKind.CONSUMER)!;
  assert.equal(consumer.spanContext().spanId, inside);
});

test('what is exported is what bus.metrics() says, of several buses together and after one has closed', async () => {
  const collected = new Collected();
  metricsApi.setGlobalMeterProvider(collected.provider);
  try {
    const [one, two] = [newBus(), newBus()];
    for (const bus of [one, two]) {
      bus.subscribe('a', () => {});
      await bus.ready();
    }
    for (let n = 0; n < 10; n++) await one.publish('a', n);
    for (let n = 0; n < 5; n++) await two.publish('a', n);
    await spans(30);
    await one.close();
    await two.publish('a', 5);
    await spans(32);
    assert.equal(one.metrics().messages_sent + two.metrics().messages_sent, 16);
    const line = (operation: string, value: number) =>
      `{"messaging.system.name":"memory","messaging.operation.name":"${operation}","messaging.destination.name":"a"} ${String(value)}`;
    const base = '{"messaging.system.name":"memory"} 0';
    assert.deepEqual(await collected.lines('messagebus.messages_sent'), [line('publish', 16), base]);
    assert.deepEqual(await collected.lines('messagebus.messages_received'), [line('subscribe', 16), base]);
    const open = two.metrics().active_connections;
    const connections = `{"messaging.system.name":"memory"} ${String(open)}`;
    assert.ok(open > 0);
    assert.deepEqual(await collected.lines('messagebus.active_connections'), [connections]);
    const durations = await collected.lines('messaging.process.duration');
    assert.equal(durations.length, 1);
    assert.match(durations[0] ?? '', /"count":16/);
  } finally {
    metricsApi.disable();
  }
});
