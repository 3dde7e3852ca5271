/** Parents, links and sampling of whole buses; single spans are in trace.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ROOT_CONTEXT, SpanKind, context, propagation, trace as api } from '@opentelemetry/api';
import type { Attributes, Context, SpanContext } from '@opentelemetry/api';
import { AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, SamplingDecision } from '@opentelemetry/sdk-trace';
import type { ReadableSpan, Sampler, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Bus } from '../../src/core/bus.ts';
import type { Next } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import { metrics } from '../../src/middleware/metrics.ts';
import type { TraceOptions } from '../../src/middleware/trace.ts';
import { trace } from '../../src/middleware/trace.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { until } from './memory-bus.ts';
import { Collected } from './metrics-reader.ts';
import { middlewareHost } from './middleware-host.ts';
import { Recorder, SAMPLED, SPAN_ID, TRACE_ID, UNSAMPLED, outcomeOf, tracedBus, w3c } from './traced.ts';

function steps(recorder: Recorder, options: TraceOptions = {}) {
  const step = trace({ tracerProvider: recorder.provider, propagator: w3c, ...options });
  step.attach?.(middlewareHost());
  return {
    send: step.send!.bind(step),
    receive: step.receive!.bind(step),
  };
}

const outside = (flags: number): Context =>
  propagation.setBaggage(
    api.setSpanContext(ROOT_CONTEXT, { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: flags, isRemote: true }),
    propagation.createBaggage({ tenant: { value: 'a' } }),
  );

/** `parent`, `root`, and whether the span links to the sender's. */
function relation(span: ReadableSpan): string {
  return `${span.parentSpanContext === undefined ? 'root' : 'parent'}${span.links.length > 0 ? ' + link' : ''}`;
}

const senders: Readonly<Record<string, (bus: Bus) => Promise<unknown>>> = {
  subscribe: (bus) => bus.publish('topic', 1),
  messages: (bus) => bus.publish('topic', 1),
  pull: (bus) => bus.push('topic', 1),
};

/** Registers a handler in one of three ways; what it sees of the baggage. */
function register(bus: Bus, how: string, options: { readonly link?: boolean }): string[] {
  const seen: string[] = [];
  const look = (): void => void seen.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value ?? 'none');
  if (how === 'subscribe') bus.subscribe('topic', look, options);
  else if (how === 'pull') bus.pull('topic', look, options);
  else {
    void (async () => {
      for await (const message of bus.messages('topic', options)) message.run(look);
    })();
  }
  return seen;
}

for (const how of Object.keys(senders)) {
  test(`${how}: the option link goes before that of trace(), and baggage comes along either way`, async (t) => {
    for (const [general, own, expected] of [
      [undefined, undefined, 'parent + link'],
      [undefined, true, 'root + link'],
      [true, undefined, 'root + link'],
      [true, false, 'parent + link'],
    ] as const) {
      const recorder = new Recorder();
      const bus = tracedBus(t, { recorder, ...(general !== undefined && { options: { link: general } }) });
      const seen = register(bus, how, own === undefined ? {} : { link: own });
      await bus.ready();
      await context.with(outside(1), () => senders[how]!(bus));
      await until(() => seen.length === 1);
      await bus.close();
      recorder.expectBalance();
      const [consumer] = recorder.of(SpanKind.CONSUMER);
      assert.equal(relation(consumer!), expected);
      assert.equal(consumer!.spanContext().traceId === TRACE_ID, expected.startsWith('parent'));
      assert.equal(consumer!.links[0]?.context.traceId, TRACE_ID);
      assert.deepEqual(seen, ['a']);
    }
  });
}

test('of several subscriptions of a topic the first that gives the option link decides', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder });
  bus.subscribe('topic', () => {});
  const second = bus.subscribe('topic', () => {}, { link: true });
  bus.subscribe('>', () => {}, { link: false });
  await bus.ready();
  await bus.publish('topic', 1);
  await until(() => recorder.of(SpanKind.CONSUMER).length === 1);
  await second.close();
  await bus.publish('topic', 2);
  await until(() => recorder.of(SpanKind.CONSUMER).length === 2);
  assert.deepEqual(recorder.of(SpanKind.CONSUMER).map(relation), ['root + link', 'parent + link']);
});

test('link is checked, and nothing for respond: a call continues the trace of its caller', (t) => {
  const bus = tracedBus(t, { recorder: new Recorder() });
  assert.throws(() => bus.subscribe('a', () => {}, { link: 1 as never }), /Expected `link` to be true or false, got 1/);
  assert.throws(() => bus.respond('a', () => 1, { link: true } as never), /Unknown option `link`/);
});

const samplers: Readonly<Record<string, Sampler>> = {
  'parent based': new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  'always on': new AlwaysOnSampler(),
  'always off': new AlwaysOffSampler(),
};

/** What is recorded of an event or a request that comes unsampled, and of the push that its handler makes; and what the push carries. */
async function ofUnsampled(sampler: Sampler, options: TraceOptions, init: object): Promise<string> {
  const recorder = new Recorder({ sampler });
  const step = steps(recorder, options);
  const out = sendContext({ pattern: 'push', topic: 'out' });
  await step.receive(receiveContext({ headers: { traceparent: UNSAMPLED }, ...init }), async () => {
    await step.send(out, done);
  });
  const [, traceId, , flags] = (out.headers.getText('traceparent') ?? '').split('-');
  return `${String(recorder.ended.length)} spans, ${traceId === TRACE_ID ? 'same' : 'new'} trace, flags ${String(flags)}`;
}

test('unsampled: follow makes no span and passes the decision on, ask leaves it to the sampler; a new trace always asks', async () => {
  const event = {};
  const request = { pattern: 'request', subscription: 'call', topic: 'call' };
  const rooted = { link: true };
  const lines: string[] = [];
  for (const [what, init] of Object.entries({ event, request, rooted })) {
    for (const [name, sampler] of Object.entries(samplers)) {
      for (const unsampled of [undefined, 'ask'] as const) {
        const options = unsampled === undefined ? {} : { unsampled };
        lines.push(`${what}, ${name}, ${unsampled ?? 'default'}: ${await ofUnsampled(sampler, options, init)}`);
      }
    }
  }
  const none = '0 spans, same trace, flags 00';
  const both = '2 spans, same trace, flags 01';
  const fresh = '2 spans, new trace, flags 01';
  assert.deepEqual(lines, [
    ...['event', 'request'].flatMap((what) => [
      `${what}, parent based, default: ${none}`,
      `${what}, parent based, ask: ${none}`,
      `${what}, always on, default: ${none}`,
      `${what}, always on, ask: ${both}`,
      `${what}, always off, default: ${none}`,
      `${what}, always off, ask: ${none}`,
    ]),
    `rooted, parent based, default: ${fresh}`,
    `rooted, parent based, ask: ${fresh}`,
    `rooted, always on, default: ${fresh}`,
    `rooted, always on, ask: ${fresh}`,
    `rooted, always off, default: 0 spans, new trace, flags 00`,
    `rooted, always off, ask: 0 spans, new trace, flags 00`,
  ]);
});

test('follow asks nobody: neither the sampler nor a hook', async () => {
  let asked = 0;
  const sampler: Sampler = {
    shouldSample: () => {
      asked++;
      return { decision: SamplingDecision.RECORD_AND_SAMPLED };
    },
    toString: () => 'counting',
  };
  const attributes = (): Attributes => ({ n: asked++ });
  assert.equal(await ofUnsampled(sampler, { attributes }, {}), '0 spans, same trace, flags 00');
  assert.equal(asked, 0);
});

test('an unsampled span of this process is the sampler’s to judge: only what came from elsewhere is followed', async () => {
  const recorder = new Recorder({ sampler: new AlwaysOnSampler() });
  const local = api.setSpanContext(ROOT_CONTEXT, { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 0 });
  await context.with(local, () => steps(recorder).send(sendContext(), done));
  assert.equal(recorder.only.parentSpanContext?.spanId, SPAN_ID);
});

test('ids that are none, of a propagator that does not check them, are no parent, no link and no decision to follow', async () => {
  const ids: readonly (readonly [traceId: unknown, spanId: unknown])[] = [
    [undefined, undefined],
    [7, 7n],
    [TRACE_ID, undefined],
    [TRACE_ID, '0'.repeat(16)],
    ['0'.repeat(32), SPAN_ID],
    [TRACE_ID.slice(1), SPAN_ID],
  ];
  for (const [traceId, spanId] of ids) {
    const recorder = new Recorder();
    const given = { traceId, spanId, traceFlags: 0, isRemote: true } as SpanContext;
    const propagator = { inject: () => undefined, extract: (to: Context) => api.setSpanContext(to, given) };
    const step = steps(recorder, { propagator });
    let handled = 0;
    await step.receive(receiveContext(), async () => {
      handled++;
    });
    assert.equal(handled, 1);
    assert.equal(relation(recorder.only), 'root');
    await context.with(api.setSpanContext(ROOT_CONTEXT, given), async () => step.send(sendContext(), done));
    assert.equal(recorder.ended.length, 2);
    recorder.expectBalance();
  }
});

test('the message id is on messaging spans alone, on the sender’s where somebody has set it', async () => {
  const recorder = new Recorder();
  const step = steps(recorder);
  await step.send(sendContext(), done);
  await step.send(sendContext({ headers: { 'message-id': 'given' } }), done);
  const later = sendContext();
  await step.send(later, async () => void later.headers.set('message-id', 'later'));
  await step.send(sendContext({ pattern: 'request', headers: { 'message-id': 'given' } }), done);
  await step.receive(receiveContext({ pattern: 'request', headers: { 'message-id': 'given' } }), done);
  await step.receive(receiveContext({ headers: { 'message-id': 'given' } }), done);
  assert.deepEqual(
    recorder.ended.map(({ attributes }) => attributes['messaging.message.id']),
    [undefined, 'given', 'later', undefined, undefined, 'given'],
  );
});

test('a gap before a message is an event of its span', async () => {
  const recorder = new Recorder();
  const step = steps(recorder);
  const ctx: ReceiveContext = receiveContext({ headers: { traceparent: SAMPLED } });
  ctx.missed = 3;
  await step.receive(ctx, done);
  assert.deepEqual(
    recorder.only.events.map(({ name, attributes }) => [name, attributes]),
    [['messagebus.gap', { 'messagebus.missed': 3 }]],
  );
});

test('the span is on the context while it is recorded, and no longer', async () => {
  const recorder = new Recorder();
  const step = steps(recorder);
  for (const ctx of [sendContext(), receiveContext()]) {
    await (ctx.direction === 'send' ? step.send : step.receive)(ctx as never, async () => {
      assert.equal(ctx.span, api.getActiveSpan());
      ctx.span?.addEvent('mine');
    });
    assert.equal(ctx.span, undefined);
  }
  assert.deepEqual(
    recorder.ended.map(({ events }) => events.map(({ name }) => name)),
    [['mine'], ['mine']],
  );
  const off = steps(new Recorder({ sampler: new AlwaysOffSampler() }));
  const unsampled = sendContext();
  await off.send(unsampled, async () => assert.equal(unsampled.span, undefined));
});

test('messages that travel in one packet each keep their own trace and parent', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder });
  const packets = new Set<string>();
  bus.subscribe('topic', (message) => void packets.add(String(Reflect.get(message, 'receivedAt'))));
  await bus.ready();
  await Promise.all([0, 1, 2, 3, 4].map((n) => bus.publish('topic', n)));
  await until(() => recorder.ended.length === 10);
  assert.equal(packets.size, 2, 'the first came alone, the others in one packet');
  const producers = new Map(recorder.of(SpanKind.PRODUCER).map((span) => [span.spanContext().spanId, span]));
  const parents = recorder.of(SpanKind.CONSUMER).map((span) => producers.get(span.parentSpanContext?.spanId ?? ''));
  assert.equal(new Set(parents).size, 5);
  assert.equal(new Set(parents.map((span) => span?.spanContext().traceId)).size, 5);
});

const broken = (): never => {
  throw new Error('broken');
};
const processor = (parts: Partial<SpanProcessor>): SpanProcessor => ({
  onStart: () => {},
  onEnd: () => {},
  forceFlush: done,
  shutdown: done,
  ...parts,
});
const brokenParts: Readonly<Record<string, (t: TestContext) => Bus>> = {
  'a sampler that throws': (t) =>
    tracedBus(t, { recorder: new Recorder({ sampler: { shouldSample: broken, toString: () => 'broken' } }) }),
  'a processor that throws at the start': (t) =>
    tracedBus(t, { recorder: new Recorder({ processors: [processor({ onStart: broken })] }) }),
  'a processor that throws at the end': (t) =>
    tracedBus(t, { recorder: new Recorder({ processors: [processor({ onEnd: broken })] }) }),
  'a propagator that throws': (t) =>
    tracedBus(t, { recorder: new Recorder(), options: { propagator: { inject: broken, extract: broken } } }),
  'a propagator that writes what is no header': (t) =>
    tracedBus(t, {
      recorder: new Recorder(),
      options: {
        propagator: {
          inject: (_context, carrier, setter) => setter.set(carrier, 'not a header\n', 'x'.repeat(100_000)),
          extract: (_context, carrier, getter) => getter.get(carrier, 'x') as never,
        },
      },
    }),
  'a span that cannot say whether it records': (t) => {
    const span = api.wrapSpanContext({ traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1 });
    const tracer = { startSpan: () => Object.assign(span, { isRecording: broken }), startActiveSpan: broken };
    return tracedBus(t, { recorder: new Recorder(), options: { tracerProvider: { getTracer: () => tracer } } });
  },
  'a span whose every method throws': (t) => {
    const span = new Proxy(api.wrapSpanContext({ traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1 }), {
      get: (target, name) =>
        name === 'isRecording' ? () => true : name === 'spanContext' ? () => target.spanContext() : broken,
    });
    const tracer = { startSpan: () => span, startActiveSpan: broken };
    return tracedBus(t, { recorder: new Recorder(), options: { tracerProvider: { getTracer: () => tracer } } });
  },
};

for (const [what, make] of Object.entries(brokenParts)) {
  test(`${what} changes no delivery, in no pattern`, async (t) => {
    const bus = make(t);
    const got: unknown[] = [];
    bus.subscribe('event', ({ body }) => void got.push(body));
    bus.pull('task', ({ body }) => void got.push(body));
    bus.respond('call', ({ body }) => body);
    bus.respond('bad', broken);
    bus.respond('slow', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
    await bus.ready();
    for (let n = 0; n < 3; n++) {
      await bus.publish('event', n);
      await bus.push('task', n);
      assert.equal(await bus.request('call', n), n);
    }
    await assert.rejects(bus.request('bad', 1), { code: 'HANDLER_FAILED' });
    await assert.rejects(bus.request('slow', 1, { timeoutMs: 10 }), { code: 'REQUEST_TIMEOUT' });
    await until(() => got.length === 6);
    assert.deepEqual(await bus.close(), { undelivered: 0, cancelled: 0, byTopic: {} });
  });
}

const breaches: Record<string, (next: Next) => Promise<void> | void> = {
  'does not call next()': () => undefined,
  'calls next() twice': (next) => {
    const first = next();
    void next();
    return first;
  },
};
for (const [what, breach] of Object.entries(breaches)) {
  test(`a step that ${what}: the span and the duration fail like the call and the message`, async (t) => {
    const recorder = new Recorder();
    const collected = new Collected();
    let breaks: 'send' | 'receive' = 'send';
    const bus = tracedBus(t, {
      recorder,
      steps: [
        metrics({ meterProvider: collected.provider }),
        (ctx, next) => (ctx.direction === breaks ? breach(next) : next()),
      ],
      bus: { onError: () => undefined },
    });
    bus.subscribe('event', () => undefined);
    await bus.ready();
    await assert.rejects(bus.publish('event', 1), { code: 'MIDDLEWARE_MISUSE' });
    breaks = 'receive';
    await bus.publish('event', 2);
    const failed = (kind: SpanKind) =>
      recorder
        .of(kind)
        .filter((span) => outcomeOf(span) !== 'ok')
        .map(outcomeOf);
    // What was sent all the same, before next() was called again, arrives too.
    const sent = what.endsWith('twice') ? 2 : 1;
    await until(() => recorder.of(SpanKind.CONSUMER).length === sent);
    assert.deepEqual(failed(SpanKind.PRODUCER), ['error: middleware_misuse']);
    assert.deepEqual([...new Set(failed(SpanKind.CONSUMER))], ['error: middleware_misuse']);
    for (const metric of ['messaging.client.operation.duration', 'messaging.process.duration']) {
      const lines = await collected.lines(metric);
      assert.equal(lines.filter((line) => line.includes('"error.type":"middleware_misuse"')).length, 1, metric);
    }
  });
}

test('an exporter that never answers holds up neither messages nor the close', async (t) => {
  const stuck = new Promise<never>(() => undefined);
  const recorder = new Recorder({ processors: [processor({ forceFlush: () => stuck, shutdown: () => stuck })] });
  const bus = tracedBus(t, { recorder });
  bus.respond('call', () => 1);
  assert.equal(await bus.request('call', 1), 1);
  await bus.close();
  assert.deepEqual(recorder.ended.map(outcomeOf), ['ok', 'ok']);
});
