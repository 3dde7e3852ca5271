/** When spans and their events are, to the microsecond, by the clock of the bus. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import type { HrTime } from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { BusError } from '../../src/core/errors.ts';
import { RunningTime, hrTime } from '../../src/middleware/span-times.ts';
import { retry } from '../../src/middleware/retry.ts';
import { trace } from '../../src/middleware/trace.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { receiveContext, sendContext } from './contexts.ts';
import { until } from './memory-bus.ts';
import { middlewareHost } from './middleware-host.ts';
import { Recorder, tracedBus, w3c } from './traced.ts';

/** A traced step under a clock that stands; times are told as seconds and nanoseconds since it was made. */
function rig(recorder = new Recorder()) {
  const clock = new FakeClock();
  clock.setBy(1000 - clock.wallUs() / 1000);
  const step = trace({ tracerProvider: recorder.provider, propagator: w3c });
  step.attach?.(middlewareHost({ clock }));
  return { recorder, clock, send: step.send!.bind(step), receive: step.receive!.bind(step), step };
}

/** Nanoseconds since 1970, exactly. */
function ns([seconds, rest]: HrTime): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest);
}

const times = ({ startTime, endTime, duration }: ReadableSpan): HrTime[] => [startTime, endTime, duration];

test('microseconds become seconds and nanoseconds', () => {
  assert.deepEqual(hrTime(0), [0, 0]);
  assert.deepEqual(hrTime(999_999), [0, 999_999_000]);
  assert.deepEqual(hrTime(1_700_000_000_000_001), [1_700_000_000, 1000]);
});

test('a span starts, fails and ends when its message does', async () => {
  const { recorder, clock, send, receive } = rig();
  await send(sendContext(), () => {
    clock.advance(0.25);
    return Promise.resolve();
  });
  const failing = receive(receiveContext(), (): Promise<void> => {
    clock.advance(1500.004);
    return Promise.reject(new Error('boom'));
  });
  await assert.rejects(async () => failing);
  const [sent, received] = recorder.ended;
  assert.deepEqual(times(sent!), [
    [1, 0],
    [1, 250_000],
    [0, 250_000],
  ]);
  assert.deepEqual(times(received!), [
    [1, 250_000],
    [2, 500_254_000],
    [1, 500_004_000],
  ]);
  assert.deepEqual(received!.events[0]?.time, [2, 500_254_000]);
});

test('the events of gaps, retries and cancels have the time by the same clock', async () => {
  const { recorder, clock, receive } = rig();
  const ctx = receiveContext();
  ctx.missed = 3;
  const again = retry({ handlers: { maxAttempts: 2, baseMs: 0 }, clock });
  again.attach?.(middlewareHost({ clock }));
  let attempts = 0;
  const handled = receive(ctx, async () =>
    again.receive!(ctx, (): Promise<void> => {
      clock.advance(0.005);
      if (attempts++ === 0) return Promise.reject(new Error('once'));
      ctx.cancel(new BusError('CANCELLED', 'over'));
      clock.advance(0.001);
      return Promise.resolve();
    }),
  );
  for (let turn = 0; turn < 100 && recorder.ended.length === 0; turn++) {
    await Promise.resolve();
    clock.advance(0); // the wait between the attempts
  }
  await handled;
  assert.deepEqual(
    recorder.only.events.map(({ name, time }) => [name, time]),
    [
      ['messagebus.gap', [1, 0]],
      ['messagebus.retry', [1, 5000]],
      ['messagebus.cancel', [1, 10_000]],
    ],
  );
  assert.deepEqual(recorder.only.endTime, [1, 11_000]);
});

test('a span that the end of the bus ends, ends then', async () => {
  const { recorder, clock, receive, step } = rig();
  void receive(receiveContext(), () => new Promise(() => undefined));
  clock.advance(2);
  void step.detach?.();
  assert.deepEqual(times(recorder.only), [
    [1, 0],
    [1, 2_000_000],
    [0, 2_000_000],
  ]);
});

test('a span does not end before it starts where the time is set back, and OpenTelemetry has nothing to say', async () => {
  const { recorder, clock, send } = rig();
  await send(sendContext(), () => {
    clock.setBy(-500);
    return Promise.resolve();
  });
  recorder.expectBalance();
  assert.deepEqual(times(recorder.only), [
    [1, 0],
    [1, 0],
    [0, 0],
  ]);
  assert.deepEqual(new RunningTime(clock, 7_000_000).now(), [7, 0]);
});

test('a message whose span is not sampled is asked for its time once, for the sampler', async () => {
  const { clock, send, receive } = rig(new Recorder({ sampler: new AlwaysOffSampler() }));
  let asked = 0;
  const wallUs = clock.wallUs.bind(clock);
  clock.wallUs = () => (asked++, wallUs());
  await send(sendContext(), () => Promise.resolve());
  await receive(receiveContext(), () => Promise.resolve());
  assert.equal(asked, 2);
});

test('the span of a refused message has the time of the bus', async (t) => {
  const recorder = new Recorder();
  const refuse = {
    name: 'refuse',
    stage: 'payload',
    receive: () => Promise.reject(new BusError('REJECTED', 'no')),
  } as const;
  const clock = new FakeClock();
  const bus = tracedBus(t, { recorder, steps: [refuse], bus: { clock } });
  bus.subscribe('event', () => {});
  await bus.ready();
  await bus.publish('event', 1);
  await until(() => recorder.ended.length === 2);
  for (const span of recorder.ended) assert.deepEqual(span.startTime, hrTime(clock.wallUs()), span.name);
  const [refused] = recorder.of(SpanKind.CONSUMER);
  assert.deepEqual(times(refused!), [hrTime(clock.wallUs()), hrTime(clock.wallUs()), [0, 0]]);
  assert.deepEqual(refused!.events[0]?.time, refused!.endTime);
});

test('answering lies within the request, and processing begins after the send has begun, by the real clock', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder });
  let got = 0;
  bus.respond('call', ({ body }) => body);
  bus.subscribe('event', () => got++);
  await bus.ready();
  for (let n = 0; n < 50; n++) {
    await bus.request('call', n);
    await bus.publish('event', n);
  }
  await until(() => got === 50 && recorder.ended.length === 200);
  const fine = recorder.ended.filter(({ startTime }) => ns(startTime) % 1_000_000n !== 0n);
  assert.ok(fine.length > 100, 'starts are no whole milliseconds');
  const spans = new Map(recorder.ended.map((span) => [span.spanContext().spanId, span]));
  for (const child of recorder.ended) {
    const parent = spans.get(child.parentSpanContext?.spanId ?? '');
    if (parent === undefined) continue;
    assert.ok(ns(child.startTime) >= ns(parent.startTime), `${child.name} begins before its parent`);
    if (child.kind === SpanKind.SERVER) assert.ok(ns(child.endTime) <= ns(parent.endTime), 'the answer ends later');
  }
});
