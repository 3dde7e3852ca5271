import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, test } from 'node:test';
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  context,
  diag,
  propagation,
  trace as api,
} from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import { DESTINATION_CAP } from '../../src/core/counters.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware, Next } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import { SCHEMA_URL, SCOPE_NAME } from '../../src/core/semconv.ts';
import { trace } from '../../src/middleware/trace.ts';
import type { TraceOptions } from '../../src/middleware/trace.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { middlewareHost } from './middleware-host.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN_ID = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;

const w3c = new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] });
const exporter = new InMemorySpanExporter();
const open = new Set<string>();
const accounting: SpanProcessor = {
  onStart: (span) => {
    if (span.instrumentationScope.name === SCOPE_NAME) open.add(span.spanContext().spanId);
  },
  onEnd: (span) => {
    open.delete(span.spanContext().spanId);
  },
  forceFlush: done,
  shutdown: done,
};
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter }), accounting] });

/** What OpenTelemetry complains about, a span that is ended twice for instance. */
const complaints: string[] = [];
const ignore = (): void => {};

before(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const complain = (...words: unknown[]) => complaints.push(words.map(String).join(' '));
  diag.setLogger({ error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore });
});
beforeEach(() => {
  exporter.reset();
  complaints.length = 0;
});
afterEach(() => {
  assert.deepEqual([...open], [], 'every span has ended');
  assert.deepEqual(complaints, [], 'and ended once');
});

type TraceStep = Middleware & Required<Pick<Middleware, 'send' | 'receive'>>;

function started(step: Middleware): TraceStep {
  step.attach?.(middlewareHost());
  assert.ok(step.send !== undefined && step.receive !== undefined);
  return step as TraceStep;
}

function attached(options: TraceOptions = {}): TraceStep {
  return started(trace({ tracerProvider, propagator: w3c, ...options }));
}

function onlySpan(): ReadableSpan {
  const spans = exporter.getFinishedSpans();
  assert.equal(spans.length, 1);
  return spans[0]!;
}

test('a publish is a PRODUCER span that travels in the traceparent header', async () => {
  const ctx = sendContext({ topic: 'price.tick', endpoint: 'tcp://127.0.0.1:5555' });
  await attached().send(ctx, done);

  const span = onlySpan();
  assert.equal(span.name, 'publish price.tick');
  assert.equal(span.kind, SpanKind.PRODUCER);
  assert.equal(span.status.code, SpanStatusCode.UNSET);
  assert.deepEqual(span.attributes, {
    'messaging.system.name': 'zeromq',
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'price.tick',
    'network.transport': 'tcp',
    'server.address': '127.0.0.1',
    'server.port': 5555,
  });
  assert.deepEqual(span.instrumentationScope, { name: SCOPE_NAME, version: undefined, schemaUrl: SCHEMA_URL });
  const { traceId, spanId } = span.spanContext();
  assert.equal(ctx.headers.getText('traceparent'), `00-${traceId}-${spanId}-01`);
});

test('a push is a PRODUCER span, child of the active span, with the baggage in the headers', async () => {
  const parent = tracerProvider.getTracer('app').startSpan('app');
  const active = propagation.setBaggage(
    api.setSpan(ROOT_CONTEXT, parent),
    propagation.createBaggage({ tenant: { value: 'a' } }),
  );
  const ctx = sendContext({ pattern: 'push', topic: 'results' });
  await context.with(active, () => attached().send(ctx, done));
  assert.equal(ctx.headers.getText('baggage'), 'tenant=a');
  const span = onlySpan();
  assert.equal(span.name, 'push results');
  assert.equal(span.kind, SpanKind.PRODUCER);
  assert.equal(span.parentSpanContext?.spanId, parent.spanContext().spanId);
  parent.end();
});

test('the steps inside a send run in its span', async () => {
  let inside: string | undefined;
  await attached().send(sendContext(), async () => {
    inside = api.getActiveSpan()?.spanContext().spanId;
  });
  assert.equal(inside, onlySpan().spanContext().spanId);
});

test('a request is a CLIENT span over the whole call, named after its method', async () => {
  const ctx = sendContext({ pattern: 'request', topic: 'state.get', endpoint: 'ipc:///tmp/state' });
  let settle: () => void = () => {};
  const call = attached().send(ctx, () => new Promise<void>((resolve) => (settle = resolve)));
  assert.equal(exporter.getFinishedSpans().length, 0);
  settle();
  await call;
  const span = onlySpan();
  assert.equal(span.name, 'state.get');
  assert.equal(span.kind, SpanKind.CLIENT);
  assert.deepEqual(span.attributes, {
    'rpc.system.name': 'tracebus',
    'rpc.method': 'state.get',
    'network.transport': 'unix',
    'server.address': '/tmp/state',
  });
});

test('a received event is a CONSUMER span, child of the sender and linked to it, named after the pattern', async () => {
  const ctx = receiveContext({
    topic: 'price.tick',
    subscription: 'price.*',
    endpoint: 'tcp://127.0.0.1:5555',
    headers: { traceparent: TRACEPARENT },
  });
  await attached().receive(ctx, done);
  const span = onlySpan();
  assert.equal(span.name, 'process price.*');
  assert.equal(span.kind, SpanKind.CONSUMER);
  assert.equal(span.spanContext().traceId, TRACE_ID);
  assert.equal(span.parentSpanContext?.spanId, SPAN_ID);
  assert.deepEqual(
    span.links.map((one) => one.context.spanId),
    [SPAN_ID],
  );
  assert.deepEqual(span.attributes, {
    'messaging.system.name': 'zeromq',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.template': 'price.*',
    'messaging.destination.name': 'price.tick',
    'messaging.message.id': '7.price.tick.1',
    'network.transport': 'tcp',
    'server.address': '127.0.0.1',
    'server.port': 5555,
  });
});

test('a pulled message is a CONSUMER span too; without an id none is claimed', async () => {
  await attached().receive(
    receiveContext({ pattern: 'push', topic: 'results', subscription: 'results', epoch: 0 }),
    done,
  );
  const span = onlySpan();
  assert.equal(span.name, 'process results');
  assert.equal(span.attributes['messaging.destination.name'], 'results');
  assert.equal('messaging.message.id' in span.attributes, false);
});

test('link: true starts a new trace that links to the sender and keeps the baggage', async () => {
  const ctx = receiveContext({ headers: { traceparent: TRACEPARENT, baggage: 'tenant=a' } });
  let baggage: string | undefined;
  await attached({ link: true }).receive(ctx, async () => {
    baggage = propagation.getActiveBaggage()?.getEntry('tenant')?.value;
  });
  const span = onlySpan();
  assert.notEqual(span.spanContext().traceId, TRACE_ID);
  assert.equal(span.parentSpanContext, undefined);
  assert.deepEqual(
    span.links.map((one) => one.context.traceId),
    [TRACE_ID],
  );
  assert.equal(baggage, 'a');
});

test('a request received is a SERVER span in the trace of the caller, with link: true as well', async () => {
  const init = { pattern: 'request', topic: 'state.get', headers: { traceparent: TRACEPARENT } } as const;
  await attached({ link: true }).receive(receiveContext({ ...init, subscription: 'state.get' }), done);
  const span = onlySpan();
  assert.equal(span.name, 'state.get');
  assert.equal(span.kind, SpanKind.SERVER);
  assert.equal(span.parentSpanContext?.spanId, SPAN_ID);
  assert.deepEqual(span.links, []);
});

test('a request for an unregistered method is _OTHER, with the original beside it', async () => {
  await attached().receive(receiveContext({ pattern: 'request', topic: 'no.such' }), done);
  const span = onlySpan();
  assert.equal(span.name, 'tracebus');
  assert.equal(span.attributes['rpc.method'], '_OTHER');
  assert.equal(span.attributes['rpc.method_original'], 'no.such');
});

test('a reply has no span and no headers, out and in', async () => {
  const step = attached();
  const active = api.setSpan(ROOT_CONTEXT, tracerProvider.getTracer('app').startSpan('app'));
  const out = sendContext({ pattern: 'reply' });
  await context.with(active, () => step.send(out, done));
  await step.receive(receiveContext({ pattern: 'reply', headers: { traceparent: TRACEPARENT } }), done);
  assert.equal(out.headers.size, 0);
  assert.equal(exporter.getFinishedSpans().length, 0);
});

test('the handler runs in the span, and message.run enters it again later', async () => {
  const ctx = receiveContext();
  let inside: string | undefined;
  await attached().receive(ctx, async () => {
    await Promise.resolve();
    inside = api.getActiveSpan()?.spanContext().spanId;
  });
  const { spanId } = onlySpan().spanContext();
  assert.equal(inside, spanId);
  assert.equal(api.getActiveSpan(), undefined);
  assert.equal(
    ctx.run(() => api.getActiveSpan()?.spanContext().spanId),
    spanId,
  );
});

test('a message without trace headers starts a trace of its own, whatever the receive loop runs in', async () => {
  const loop = api.setSpan(ROOT_CONTEXT, tracerProvider.getTracer('app').startSpan('app'));
  await context.with(loop, () => attached().receive(receiveContext(), done));
  assert.equal(onlySpan().parentSpanContext, undefined);
});

test('headers that are no trace context are ignored', async () => {
  const bad = ['', 'x', `00-${'0'.repeat(32)}-${SPAN_ID}-01`, `${TRACEPARENT}-more`, `ff-${TRACE_ID}-${SPAN_ID}-01`];
  const step = attached();
  for (const traceparent of bad) await step.receive(receiveContext({ headers: { traceparent } }), done);
  const bytes = receiveContext({ headers: { 'x-trace': new Uint8Array(2) } });
  await step.receive(bytes, done);
  assert.deepEqual(
    exporter.getFinishedSpans().map((span) => span.parentSpanContext),
    Array.from({ length: bad.length + 1 }, () => undefined),
  );
});

const failures: [how: string, next: Next, error: unknown][] = [
  ['rejects', () => Promise.reject(new BusError('REQUEST_TIMEOUT', 'no reply')), BusError],
  [
    'throws synchronously',
    () => {
      throw new Error('boom');
    },
    Error,
  ],
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- users do
  ['rejects with what is no Error', () => Promise.reject('boom'), 'boom'],
];
for (const [how, next] of failures) {
  for (const direction of ['send', 'receive'] as const) {
    test(`${direction}: when the rest ${how}, the span ends once with the error, which goes on unchanged`, async () => {
      const step = attached();
      const received = receiveContext();
      received.handled = true;
      const run = async () => (direction === 'send' ? step.send(sendContext(), next) : step.receive(received, next));
      const [thrown] = await Promise.allSettled([run()]);
      const [expected] = await Promise.allSettled([Promise.resolve().then(next)]);
      assert.ok(thrown.status === 'rejected' && expected.status === 'rejected');
      assert.equal(String(thrown.reason), String(expected.reason));

      const span = onlySpan();
      const isTimeout = thrown.reason instanceof BusError;
      assert.equal(span.attributes['error.type'], isTimeout ? 'timeout' : 'handler_failed');
      assert.equal(span.status.code, SpanStatusCode.ERROR);
      assert.equal(span.status.message, isTimeout ? 'REQUEST_TIMEOUT: no reply.' : 'boom');
      assert.deepEqual(
        span.events.map(({ name }) => name),
        ['exception'],
      );
    });
  }
}

test('what the pipeline refused before a handler saw it is told as rejected', async () => {
  await assert.rejects(async () => attached().receive(receiveContext(), () => Promise.reject(new Error('no'))), /no/);
  assert.equal(onlySpan().attributes['error.type'], 'rejected');
});

test('an unsampled sender is not recorded, and its decision travels on', async () => {
  const sampler = new ParentBasedSampler({ root: new AlwaysOffSampler() });
  const provider = new TracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const step = attached({ tracerProvider: provider });
  const out = sendContext();
  await step.receive(receiveContext({ headers: { traceparent: `00-${TRACE_ID}-${SPAN_ID}-00` } }), async () => {
    assert.equal(api.getActiveSpan()?.spanContext().traceFlags, TraceFlags.NONE);
    await step.send(out, done);
  });
  assert.match(out.headers.getText('traceparent') ?? '', new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-00$`));
  assert.equal(exporter.getFinishedSpans().length, 0);
});

test('a broken SDK changes nothing for the message', async () => {
  const broken = (): never => {
    throw new Error('broken');
  };
  const throwing: SpanProcessor = { onStart: () => {}, onEnd: broken, forceFlush: done, shutdown: done };
  const variants: TraceOptions[] = [
    { propagator: { inject: broken, extract: broken } },
    { tracerProvider: { getTracer: () => ({ startSpan: broken, startActiveSpan: broken }) } },
    { tracerProvider: new TracerProvider({ spanProcessors: [throwing] }) },
  ];
  for (const options of variants) {
    const step = attached(options);
    let handled = 0;
    const next = async () => {
      handled++;
    };
    await step.send(sendContext(), next);
    await step.receive(receiveContext({ headers: { traceparent: TRACEPARENT } }), next);
    assert.equal(handled, 2);
    await assert.rejects(async () => step.send(sendContext(), () => Promise.reject(new Error('mine'))), /mine/);
  }
  assert.equal(complaints.splice(0).length, 9, 'each failure is told to OpenTelemetry');
});

test('without an SDK the step is next() and nothing else', () => {
  const step = started(trace());
  const out = sendContext();
  const back = receiveContext({ headers: { traceparent: TRACEPARENT } });
  const answer = done();
  assert.equal(
    step.send(out, () => answer),
    answer,
  );
  assert.equal(
    step.receive(back, () => answer),
    answer,
  );
  assert.equal(out.headers.size, 0);
  assert.equal(back.scope, undefined);
  assert.equal(
    step.receive(receiveContext(), () => answer),
    answer,
  );
});

test('with a propagator and no tracer the remote context passes through unchanged', async () => {
  const step = started(trace({ propagator: w3c }));
  const out = sendContext();
  await step.receive(receiveContext({ headers: { traceparent: TRACEPARENT, baggage: 'tenant=a' } }), async () => {
    await step.send(out, done);
  });
  assert.equal(out.headers.getText('traceparent'), TRACEPARENT);
  assert.equal(out.headers.getText('baggage'), 'tenant=a');
});

test('the global provider is asked for when the bus starts, not before', async () => {
  const step = trace();
  api.setGlobalTracerProvider(tracerProvider);
  try {
    await step.send?.(sendContext(), done);
    assert.equal(exporter.getFinishedSpans().length, 0, 'before the start it is next()');
    step.attach?.(middlewareHost());
    await step.send?.(sendContext(), done);
    assert.equal(onlySpan().name, 'publish price.tick');
  } finally {
    api.disable();
  }
});

test('an SDK that starts after the bus is noticed', async () => {
  const step = started(trace());
  await step.send(sendContext(), done);
  api.setGlobalTracerProvider(tracerProvider);
  try {
    await step.send(sendContext(), done);
    assert.equal(onlySpan().name, 'publish price.tick');
  } finally {
    api.disable();
  }
});

test('a global propagator without a tracer passes the remote context through as well', async () => {
  propagation.setGlobalPropagator(w3c);
  try {
    const step = started(trace());
    const out = sendContext();
    await step.receive(receiveContext({ headers: { traceparent: TRACEPARENT } }), async () => {
      await step.send(out, done);
    });
    assert.equal(out.headers.getText('traceparent'), TRACEPARENT);
  } finally {
    propagation.disable();
  }
});

test('the default propagator is the global one', async () => {
  propagation.setGlobalPropagator(w3c);
  try {
    const step = started(trace({ tracerProvider }));
    const ctx = sendContext();
    await step.send(ctx, done);
    assert.equal(ctx.headers.has('traceparent'), true);
  } finally {
    propagation.disable();
  }
});

test('one trace() serves one bus at a time', () => {
  const step = trace({ tracerProvider });
  step.attach?.(middlewareHost());
  assert.throws(() => step.attach?.(middlewareHost()), { code: 'INVALID_PIPELINE' });
  void step.detach?.();
  step.attach?.(middlewareHost());
});

test('topics beyond the cap no longer make span names; the topic stays an attribute', async () => {
  const step = attached();
  for (let index = 0; index <= DESTINATION_CAP; index++) {
    await step.send(sendContext({ topic: `t.${String(index)}` }), done);
  }
  const last = exporter.getFinishedSpans().at(-1)!;
  assert.equal(last.name, 'publish');
  assert.equal(last.attributes['messaging.destination.name'], `t.${String(DESTINATION_CAP)}`);
  await step.send(sendContext({ topic: 't.0' }), done);
  assert.equal(exporter.getFinishedSpans().at(-1)!.name, 'publish t.0');
});

test('headers of a b3-like propagator travel in lower case', async () => {
  const propagator = {
    inject: (_: Context, carrier: unknown, setter: { set(c: unknown, k: string, v: string): void }) => {
      setter.set(carrier, 'X-B3-TraceId', TRACE_ID);
    },
    extract: (
      active: Context,
      carrier: unknown,
      getter: { get(c: unknown, k: string): unknown; keys(c: unknown): string[] },
    ) => {
      assert.deepEqual(getter.keys(carrier), ['x-b3-traceid']);
      const traceId = String(getter.get(carrier, 'X-B3-TraceId'));
      return api.setSpanContext(active, { traceId, spanId: SPAN_ID, traceFlags: 1, isRemote: true });
    },
  };
  const step = attached({ propagator });
  const out = sendContext();
  await step.send(out, done);
  assert.equal(out.headers.getText('x-b3-traceid'), TRACE_ID);
  exporter.reset();
  const back: ReceiveContext = receiveContext({ headers: { 'x-b3-traceid': TRACE_ID } });
  await step.receive(back, done);
  assert.equal(onlySpan().spanContext().traceId, TRACE_ID);
});

test('wrong options are refused', () => {
  const wrong = (options: object) => trace(options);
  assert.throws(() => wrong({ link: 'yes' }), /Expected `link` to be true or false, got "yes"/);
  assert.throws(
    () => wrong({ tracerProvider: {} }),
    /Expected `tracerProvider` to be a TracerProvider with getTracer, got object/,
  );
  assert.throws(() => wrong({ propagator: { inject() {} } }), /Expected `propagator` to be a TextMapPropagator/);
  assert.throws(() => wrong({ unsampled: 'no' }), /Expected `unsampled` to be one of 'follow', 'ask', got "no"/);
  assert.throws(() => wrong({ baggage: 1 }), /Expected `baggage` to be true or false, got 1/);
  assert.throws(() => wrong({ filter: true }), /Expected `filter` to be a function, got true/);
  assert.throws(() => wrong({ attributes: {} }), /Expected `attributes` to be a function, got object/);
  for (const headers of ['tenant', ['Tenant'], [1], ['']])
    assert.throws(() => wrong({ headers }), /Expected `headers` to be a list of header names in lower case/);
  assert.throws(() => wrong({ sampled: true }), /Unknown option `sampled`; did you mean `unsampled`\?/);
  assert.throws(() => trace(null as unknown as TraceOptions), /Expected `options` to be an object, got null/);
});
