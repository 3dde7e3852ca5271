import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT_CONTEXT, SpanKind, context, trace as api } from '@opentelemetry/api';
import type { Attributes, SpanContext } from '@opentelemetry/api';
import { SamplingDecision } from '@opentelemetry/sdk-trace';
import { forbidUnhandledRejections } from '../support/rejections.ts';
import { TraceHooks } from '../../src/middleware/trace-hooks.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { until } from './memory-bus.ts';
import { middlewareHost } from './middleware-host.ts';
import { Recorder, outcomeOf, tracedBus } from './traced.ts';

test('without hooks every message has a span and nothing is added', () => {
  const hooks = new TraceHooks({}, middlewareHost().logger);
  assert.equal(hooks.wants(sendContext()), true);
  assert.equal(hooks.attributes(sendContext({ headers: { tenant: 'a' } })), undefined);
});

test('filter: a message without a span still passes the context on, on both sides', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder, options: { filter: ({ topic }) => !topic.startsWith('quiet') } });
  const seen: (SpanContext | undefined)[] = [];
  bus.subscribe('quiet.event', async () => {
    seen.push(api.getSpanContext(context.active()));
    await bus.push('loud', 1);
  });
  bus.pull('loud', () => {});
  await bus.ready();
  const outer = recorder.provider.getTracer('app').startSpan('outer');
  await context.with(api.setSpan(ROOT_CONTEXT, outer), () => bus.publish('quiet.event', 1));
  outer.end();
  await until(() => recorder.ended.length === 3);
  recorder.expectBalance();
  assert.deepEqual(recorder.names.sort(), ['CONSUMER process loud', 'INTERNAL outer', 'PRODUCER push loud']);
  assert.equal(seen[0]?.spanId, outer.spanContext().spanId);
  const push = recorder.of(SpanKind.PRODUCER)[0]!;
  assert.equal(push.parentSpanContext?.spanId, outer.spanContext().spanId);
});

test('a filtered message that came without a context runs in none', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder, options: { filter: () => false } });
  bus.respond('call', () => api.getSpanContext(context.active())?.spanId ?? 'none');
  assert.equal(await bus.request('call', 1), 'none');
  assert.deepEqual(recorder.names, []);
});

test('attributes: they are there when the sampler looks, and cannot replace the bus’s own nor claim a failure', async (t) => {
  const sampled: unknown[] = [];
  const recorder = new Recorder({
    sampler: {
      shouldSample: (_context, _traceId, _name, _kind, attributes) => {
        sampled.push(attributes['app.tenant']);
        return { decision: SamplingDecision.RECORD_AND_SAMPLED };
      },
      toString: () => 'test',
    },
  });
  const attributes = (): Attributes => ({
    'app.tenant': 'a',
    'messaging.system.name': 'mine',
    'rpc.method': 'mine',
    'error.type': 'mine',
  });
  const bus = tracedBus(t, { recorder, options: { attributes } });
  bus.subscribe('event', () => {});
  bus.respond('call', () => 1);
  await bus.ready();
  await bus.publish('event', 1);
  await bus.request('call', 1);
  await until(() => recorder.ended.length === 4);
  assert.deepEqual(sampled, ['a', 'a', 'a', 'a']);
  for (const span of recorder.ended) {
    assert.equal(span.attributes['app.tenant'], 'a');
    assert.equal(outcomeOf(span), 'ok');
    const isCall = span.attributes['rpc.system.name'] !== undefined;
    assert.equal(span.attributes[isCall ? 'rpc.method' : 'messaging.system.name'], isCall ? 'call' : 'memory');
  }
});

test('headers: those on the list become attributes on both sides, under the names of messaging and RPC', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder, options: { headers: ['tenant', 'x-raw', 'absent'] } });
  bus.pull('task', () => {});
  bus.respond('call', () => 1);
  await bus.ready();
  const headers = { tenant: 'a', 'x-raw': new Uint8Array([1, 2, 255]), other: 'not captured' };
  await bus.push('task', 1, { headers });
  await bus.request('call', 1, { headers });
  await until(() => recorder.ended.length === 4);
  const captured = recorder.ended.map(({ kind, attributes }) => {
    const names = Object.keys(attributes).filter((name) => name.includes('.header.'));
    return `${SpanKind[kind]} ${JSON.stringify(Object.fromEntries(names.map((name) => [name, attributes[name]])))}`;
  });
  const task = '{"messagebus.header.tenant":"a","messagebus.header.x-raw":"AQL/"}';
  const call = '{"rpc.request.header.tenant":["a"],"rpc.request.header.x-raw":["AQL/"]}';
  assert.deepEqual(captured.sort(), [`CLIENT ${call}`, `CONSUMER ${task}`, `PRODUCER ${task}`, `SERVER ${call}`]);
});

test('hooks that throw cost their answer: every message is delivered and has its span, and each hook is logged once', async (t) => {
  const recorder = new Recorder();
  const warnings: string[] = [];
  const ignore = (): void => {};
  const broken = (): never => {
    throw new Error('broken');
  };
  const bus = tracedBus(t, {
    recorder,
    options: { filter: broken, attributes: broken, headers: ['tenant'] },
    bus: {
      logLevel: 'warn',
      logger: { debug: ignore, info: ignore, warn: (line: string) => void warnings.push(line), error: ignore },
    },
  });
  const got: unknown[] = [];
  bus.subscribe('event', ({ body }) => void got.push(body));
  await bus.ready();
  for (const body of [1, 2, 3]) await bus.publish('event', body, { headers: { tenant: 'a' } });
  await until(() => recorder.ended.length === 6);
  assert.deepEqual(got, [1, 2, 3]);
  assert.ok(recorder.ended.every(({ attributes }) => attributes['messagebus.header.tenant'] === 'a'));
  assert.deepEqual(
    warnings.map((line) => /`(\w+)` of trace\(\) threw.*broken/.exec(line)?.[1]),
    ['filter', 'attributes'],
  );
  assert.equal(recorder.complaints.length, 12);
});

test('asynchronous hooks are told that nobody waits for them; what they reject with ends nothing', async (t) => {
  forbidUnhandledRejections(t);
  const recorder = new Recorder();
  const warnings: string[] = [];
  const { logger } = middlewareHost();
  const late = (() => Promise.reject(new Error('late'))) as never;
  const hooks = new TraceHooks({ filter: late, attributes: late }, { ...logger, warn: (line) => warnings.push(line) });
  assert.equal(hooks.wants(receiveContext()), true, 'as for a filter that throws');
  assert.deepEqual(hooks.attributes(receiveContext()), {});
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(warnings.length, 2);
  for (const line of warnings)
    assert.match(line, /of trace\(\) threw.*it answered a promise; it has to be synchronous/);
  assert.equal(recorder.complaints.length, 2);
});

test('answers that make no sense are taken for what they are worth', () => {
  const answers: unknown[] = [undefined, null, 'text', 7, Promise.resolve({ a: 1 })];
  for (const answer of answers) {
    const hooks = new TraceHooks({ attributes: (() => answer) as never }, middlewareHost().logger);
    assert.equal('a' in hooks.attributes(receiveContext())!, false);
  }
});
