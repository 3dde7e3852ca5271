import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT_CONTEXT, SpanKind, context, propagation, trace as api } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { MessageHeaders } from '../../src/core/headers.ts';
import type { HeaderValue } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { TraceHeaders } from '../../src/middleware/trace-headers.ts';
import { until } from './memory-bus.ts';
import { Recorder, SAMPLED, SPAN_ID, TRACE_ID, outcomeOf, tracedBus, w3c } from './traced.ts';

const sampled = api.setSpanContext(ROOT_CONTEXT, { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1 });
const withBaggage = (entries: Readonly<Record<string, string>>): Context =>
  propagation.setBaggage(
    sampled,
    propagation.createBaggage(Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, { value }]))),
  );

const entriesOf = (extracted: Context): string[] =>
  propagation
    .getBaggage(extracted)
    ?.getAllEntries()
    .map(([key, { value }]) => `${key}=${value}`) ?? [];

test('baggage travels both ways, unless it is turned off', () => {
  for (const [baggage, expected] of [
    [true, ['tenant=a']],
    [false, []],
  ] as const) {
    const trace = new TraceHeaders(w3c, baggage);
    const headers = new MessageHeaders();
    trace.inject(withBaggage({ tenant: 'a' }), headers);
    assert.equal(headers.getText('traceparent'), SAMPLED);
    assert.equal(headers.has('baggage'), baggage);
    const extracted = trace.extract(MessageHeaders.from({ traceparent: SAMPLED, baggage: 'tenant=a' }));
    assert.equal(api.getSpanContext(extracted)?.spanId, SPAN_ID);
    assert.deepEqual(entriesOf(extracted), expected);
  }
});

test('on a bus, baggage: false keeps what the application has set for itself', async (t) => {
  const recorder = new Recorder();
  let inSend: string[] = [];
  const bus = tracedBus(t, {
    recorder,
    options: { baggage: false },
    steps: [
      (ctx, next) => {
        if (ctx.direction === 'send' && ctx.pattern === 'request') inSend = entriesOf(context.active());
        return next();
      },
    ],
  });
  bus.respond('call', () => entriesOf(context.active()).join());
  assert.equal(await context.with(withBaggage({ tenant: 'a' }), () => bus.request('call', 1)), '');
  assert.deepEqual(inSend, ['tenant=a']);
});

const hostile: [what: string, headers: Readonly<Record<string, HeaderValue>>][] = [
  ['an oversized traceparent', { traceparent: SAMPLED + '0'.repeat(10_000) }],
  ['a traceparent of a future version that is none', { traceparent: 'ff'.repeat(27) }],
  ['zero ids', { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }],
  ['a traceparent in upper case', { traceparent: SAMPLED.toUpperCase() }],
  ['control characters', { traceparent: '\u0000\n\r', baggage: '\u0000=\n' }],
  ['oversized baggage', { baggage: `a=${'b'.repeat(16_000)}` }],
  ['a thousand members', { baggage: Array.from({ length: 1000 }, (_, n) => `k${String(n)}=v`).join(',') }],
  ['names of the prototype', { baggage: '__proto__=1,constructor=2,toString=3' }],
  ['broken escapes', { baggage: 'a=%E0%A4%A,b=%' }],
  ['a tracestate alone', { tracestate: 'a=b,'.repeat(2000) }],
];

test('hostile headers: each message is handled, in a new root span', async (t) => {
  const recorder = new Recorder();
  let given: Readonly<Record<string, HeaderValue>> = {};
  const forging: Middleware = {
    name: 'forge',
    stage: 'payload',
    send: (ctx, next) => {
      for (const [name] of [...ctx.headers.entries()]) if (name !== 'topic') ctx.headers.delete(name);
      for (const [name, value] of Object.entries(given)) ctx.headers.set(name, value);
      return next();
    },
  };
  const bus = tracedBus(t, { recorder, steps: [forging] });
  const baggage: string[][] = [];
  bus.subscribe('event', () => void baggage.push(entriesOf(context.active())));
  await bus.ready();
  for (const [what, headers] of hostile) {
    recorder.reset();
    given = headers;
    await bus.publish('event', 1);
    await until(() => recorder.ended.length === 2);
    const [consumer] = recorder.of(SpanKind.CONSUMER);
    assert.deepEqual(
      [what, consumer?.parentSpanContext, consumer?.links.length, outcomeOf(consumer!)],
      [what, undefined, 0, 'ok'],
    );
  }
  assert.equal(baggage.length, hostile.length);
  assert.ok(baggage.every((entries) => entries.join().length <= 8192));
  recorder.expectBalance();
});

test('what is longer than the W3C limit is not looked at', () => {
  const trace = new TraceHeaders(w3c, true);
  const member = `a=${'b'.repeat(3000)}`;
  const baggage = (size: number) => `${member},c=${'d'.repeat(size - member.length - 3)}`;
  assert.equal(entriesOf(trace.extract(MessageHeaders.from({ baggage: baggage(5000) }))).length, 2);
  assert.equal(entriesOf(trace.extract(MessageHeaders.from({ baggage: baggage(8193) }))).length, 0);
});

test('trace headers never take the room that the bus’s own headers need', () => {
  const recorder = new Recorder();
  const trace = new TraceHeaders(w3c, true);
  const large = withBaggage({ a: 'b'.repeat(4000), c: 'd'.repeat(4000) });
  const bytes = MessageHeaders.from({ mine: 'x'.repeat(9000) });
  const many = MessageHeaders.from(Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`h${String(n)}`, 'v'])));
  const full = MessageHeaders.from({ mine: 'x'.repeat(16_200) });
  const named = MessageHeaders.from(
    Object.fromEntries(Array.from({ length: 46 }, (_, n) => [String(n).padStart(64, 'n'), 'v'.repeat(287)])),
  );
  for (const headers of [bytes, many, full, named]) {
    trace.inject(large, headers);
    for (const name of ['topic', 'sender', 'correlation', 'timeout-ms']) headers.set(name, 'x');
    assert.ok(headers.encode(KIND_NUMBERS.request).length <= 16_384);
  }
  assert.equal(bytes.has('traceparent'), true, 'what is small still fits');
  assert.equal(bytes.has('baggage'), false);
  for (const headers of [many, full, named]) assert.equal(headers.has('traceparent'), false);
  const usual = new MessageHeaders();
  trace.inject(large, usual);
  assert.equal(usual.getText('baggage')?.length, 8005);
  assert.ok(recorder.complaints.length > 0, 'and it is told');
});
