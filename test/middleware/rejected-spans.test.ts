/** Spans of messages that were dropped before the trace step: nothing of their headers is believed or repeated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT_CONTEXT, SpanKind, context, trace as api } from '@opentelemetry/api';
import type { Middleware, MiddlewareFunction } from '../../src/core/middleware.ts';
import { BusError } from '../../src/core/errors.ts';
import { REJECTED_SPANS_PER_SECOND, RejectedSpans } from '../../src/middleware/rejected-spans.ts';
import { SpanStarter } from '../../src/middleware/span-starter.ts';
import { TraceHooks } from '../../src/middleware/trace-hooks.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { ManualClock } from './manual-clock.ts';
import { until } from './memory-bus.ts';
import { middlewareHost } from './middleware-host.ts';
import { Recorder, SAMPLED, TRACE_ID, outcomeOf, tracedBus } from './traced.ts';

/** Refuses what comes in, as a signature step does. */
const refusing: Middleware = {
  name: 'refuse',
  stage: 'payload',
  receive: (ctx, next) => {
    if (ctx.pattern === 'reply') return next();
    throw new BusError('REJECTED', 'not signed');
  },
};
const SECRETS = { traceparent: SAMPLED, baggage: 'who=secret', tenant: 'secret', 'message-id': 'secret' };
const capturing = { headers: ['tenant', 'baggage'], attributes: () => ({ 'app.extra': 'secret' }) };

test('what the payload stage refuses has a span of its own, named like its processing, that repeats nothing of its headers', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder, options: capturing, steps: [refusing] });
  bus.subscribe('event.*', () => {});
  bus.pull('task', () => {});
  bus.respond('call', () => 1);
  await bus.ready();
  const headers = { tenant: 'secret', 'message-id': 'secret' };
  await bus.publish('event.one', 1, { headers });
  await bus.push('task', 1, { headers });
  await assert.rejects(bus.request('call', 1, { headers }), { code: 'REJECTED' });
  await until(() => recorder.ended.length === 6);
  recorder.expectBalance();
  const received = recorder.ended.filter(({ kind }) => kind === SpanKind.CONSUMER || kind === SpanKind.SERVER);
  const sent = recorder.ended.filter((span) => !received.includes(span));
  assert.deepEqual(received.map(({ kind, name }) => `${SpanKind[kind]} ${name}`).sort(), [
    'CONSUMER process event.*',
    'CONSUMER process task',
    'SERVER call',
  ]);
  for (const span of received) {
    assert.equal(outcomeOf(span), 'error: rejected');
    assert.equal(span.parentSpanContext, undefined);
    assert.deepEqual(span.links, []);
    assert.ok(sent.every((one) => one.spanContext().traceId !== span.spanContext().traceId));
    assert.doesNotMatch(JSON.stringify([span.attributes, span.events, span.status]), /secret/);
  }
  const [server] = received.filter(({ kind }) => kind === SpanKind.SERVER);
  assert.equal(server?.attributes['rpc.status_code'], 'rejected');
});

test('a message that the trace step has seen gets no second span, whatever refuses it', async (t) => {
  const recorder = new Recorder();
  const late: MiddlewareFunction = (ctx, next) => {
    if (ctx.direction === 'receive') throw new Error('no');
    return next();
  };
  const bus = tracedBus(t, { recorder, steps: [late], options: { filter: (ctx) => ctx.topic !== 'quiet' } });
  bus.subscribe('>', () => {});
  await bus.ready();
  await bus.publish('quiet', 1);
  await bus.publish('event', 1);
  await until(() => recorder.ended.length === 2 && bus.metrics().inbound_dropped === 2);
  assert.deepEqual(recorder.names.sort(), ['CONSUMER process >', 'PRODUCER publish event']);
});

test('requests that were never run have one: too many, expired, cancelled while they waited', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder });
  let finish = (): void => {};
  bus.respond('call', () => new Promise<void>((resolve) => (finish = resolve)), { concurrency: 1, maxQueued: 2 });
  const first = bus.request('call', 1);
  const expired = assert.rejects(bus.request('call', 2, { timeoutMs: 500 }), { code: 'REQUEST_TIMEOUT' });
  const abort = new AbortController();
  const cancelled = assert.rejects(bus.request('call', 3, { signal: abort.signal }), { code: 'ABORTED' });
  await until(() => bus.metrics().messages_received === 3);
  await assert.rejects(bus.request('call', 4), { code: 'OVERFLOW' });
  abort.abort();
  await Promise.all([expired, cancelled]);
  // The responder's deadline is a little later than the caller's.
  await until(() => bus.metrics().inbound_dropped === 3);
  finish();
  await first;
  await until(() => recorder.of(SpanKind.SERVER).length === 4);
  recorder.expectBalance();
  assert.deepEqual(recorder.of(SpanKind.SERVER).map(outcomeOf).sort(), [
    'error: cancelled',
    'error: expired',
    'error: overflow',
    'ok',
  ]);
  // The three calls, and the refusal of the last at the responder: that a caller gives up is no error of the responder.
  assert.equal(bus.metrics().errors, 4);
});

function rejectedSpans(recorder: Recorder): { spans: RejectedSpans; clock: ManualClock } {
  const clock = new ManualClock();
  const hooks = new TraceHooks(capturing, middlewareHost().logger);
  return { spans: new RejectedSpans(new SpanStarter(recorder.provider.getTracer('t'), 'zeromq'), hooks, clock), clock };
}

const failure = {
  error: new BusError('REJECTED', 'no'),
  operation: 'subscribe',
  level: 'warn',
  line: 'no',
  isDropped: true,
} as const;

test('so many a second have a span, and the next one says how many had none', () => {
  const recorder = new Recorder();
  const { spans, clock } = rejectedSpans(recorder);
  for (let n = 0; n < 3 * REJECTED_SPANS_PER_SECOND; n++) spans.note({ ...failure, context: receiveContext() });
  assert.equal(recorder.ended.length, REJECTED_SPANS_PER_SECOND);
  clock.advance(1000 / REJECTED_SPANS_PER_SECOND);
  spans.note({ ...failure, context: receiveContext() });
  spans.note({ ...failure, context: receiveContext() });
  assert.deepEqual(
    recorder.ended.slice(REJECTED_SPANS_PER_SECOND).map(({ attributes }) => attributes['messagebus.suppressed']),
    [2 * REJECTED_SPANS_PER_SECOND],
  );
  clock.advance(3_600_000);
  for (let n = 0; n < 3 * REJECTED_SPANS_PER_SECOND; n++) spans.note({ ...failure, context: receiveContext() });
  assert.equal(recorder.ended.length, 2 * REJECTED_SPANS_PER_SECOND + 1, 'a quiet hour saves up no more than a second');
  assert.equal(recorder.ended.at(-REJECTED_SPANS_PER_SECOND)?.attributes['messagebus.suppressed'], 1);
});

test('an active span, a cancel, a reply, what was sent or handled, and a failure without a message: none is a rejected message of somebody', () => {
  const recorder = new Recorder();
  const { spans } = rejectedSpans(recorder);
  const active = recorder.provider.getTracer('t').startSpan('active');
  context.with(api.setSpan(ROOT_CONTEXT, active), () => {
    spans.note({ ...failure, context: receiveContext({ headers: SECRETS }) });
  });
  assert.equal(recorder.only.parentSpanContext, undefined);
  assert.notEqual(recorder.only.spanContext().traceId, TRACE_ID);
  assert.doesNotMatch(JSON.stringify(recorder.only.attributes), /secret/);
  recorder.reset();
  spans.note({ ...failure, context: receiveContext({ pattern: 'request', kind: 'cancel' }) });
  spans.note({ ...failure, context: receiveContext({ pattern: 'reply' }) });
  spans.note({ ...failure, context: sendContext() });
  spans.note({ ...failure, context: undefined });
  spans.note({ ...failure, isDropped: false, context: receiveContext() });
  assert.deepEqual(recorder.names, []);
  active.end();
});
