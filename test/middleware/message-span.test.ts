/** Every span ends exactly once, whatever becomes of its message: over real buses, with a processor that counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import type { Bus } from '../../src/core/bus.ts';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware, MiddlewareFunction } from '../../src/core/middleware.ts';
import { retry } from '../../src/middleware/retry.ts';
import { until } from './memory-bus.ts';
import { Recorder, eventsOf, outcomeOf, tracedBus } from './traced.ts';

const never = new Promise<never>(() => undefined);

interface Rig {
  readonly bus: Bus;
  readonly recorder: Recorder;
  /** Waits until so many spans have ended, and checks the balance. */
  readonly spans: (count: number) => Promise<string[]>;
}

function rig(t: TestContext, steps: readonly (Middleware | MiddlewareFunction)[] = []): Rig {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder, steps });
  const spans = async (count: number): Promise<string[]> => {
    await until(() => recorder.ended.length >= count);
    await new Promise((resolve) => setImmediate(resolve));
    recorder.expectBalance();
    return recorder.ended.map((span) => `${SpanKind[span.kind]} ${span.name} ${outcomeOf(span)}`).sort();
  };
  return { bus, recorder, spans };
}

test('all patterns that succeed: one span per side, without an error', async (t) => {
  const { bus, spans } = rig(t);
  bus.subscribe('event', () => {});
  bus.pull('task', async () => Promise.resolve());
  bus.respond('call', () => 1);
  await bus.ready();
  await bus.publish('event', 1);
  await bus.push('task', 1);
  await bus.request('call', 1);
  assert.deepEqual(await spans(6), [
    'CLIENT call ok',
    'CONSUMER process event ok',
    'CONSUMER process task ok',
    'PRODUCER publish event ok',
    'PRODUCER push task ok',
    'SERVER call ok',
  ]);
});

for (const how of ['throw', 'reject'] as const) {
  test(`handlers of all patterns that ${how}: the receiving side and the caller of a request end with handler_failed`, async (t) => {
    const { bus, spans } = rig(t);
    const fail = (): Promise<never> => {
      if (how === 'throw') throw new Error('boom');
      return Promise.reject(new Error('boom'));
    };
    bus.subscribe('event', fail);
    bus.subscribe('event', fail);
    bus.pull('task', fail);
    bus.respond('call', fail);
    await bus.ready();
    await bus.publish('event', 1);
    await bus.push('task', 1);
    await assert.rejects(bus.request('call', 1), { code: 'HANDLER_FAILED' });
    assert.deepEqual(await spans(6), [
      'CLIENT call error: handler_failed',
      'CONSUMER process event error: handler_failed',
      'CONSUMER process task error: handler_failed',
      'PRODUCER publish event ok',
      'PRODUCER push task ok',
      'SERVER call error: handler_failed',
    ]);
  });
}

test('steps that throw, on the way out and in', async (t) => {
  const throwing: MiddlewareFunction = (ctx, next) => {
    if (ctx.pattern !== 'reply' && ctx.topic === `bad.${ctx.direction}`) throw new Error('no');
    return next();
  };
  const { bus, spans } = rig(t, [throwing]);
  bus.subscribe('bad.*', () => {});
  bus.respond('bad.receive', () => 1);
  await bus.ready();
  await assert.rejects(bus.publish('bad.send', 1), /no/);
  await bus.publish('bad.receive', 1);
  await assert.rejects(bus.request('bad.receive', 1), { code: 'REJECTED' });
  assert.deepEqual(await spans(5), [
    'CLIENT bad.receive error: rejected',
    'CONSUMER process bad.* error: rejected',
    'PRODUCER publish bad.receive ok',
    'PRODUCER publish bad.send error: handler_failed',
    'SERVER bad.receive error: rejected',
  ]);
});

test('a request that times out: timeout at the caller, the cancel visible at the responder', async (t) => {
  const { bus, recorder, spans } = rig(t);
  bus.respond('slow', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
  await assert.rejects(bus.request('slow', 1, { timeoutMs: 20 }), { code: 'REQUEST_TIMEOUT' });
  assert.deepEqual(await spans(2), ['CLIENT slow error: timeout', 'SERVER slow ok']);
  assert.deepEqual(eventsOf(recorder.of(SpanKind.SERVER)[0]!), ['messagebus.cancel {"error.type":"expired"}']);
  assert.equal(recorder.of(SpanKind.CLIENT)[0]!.attributes['rpc.status_code'], 'timeout');
});

test('a request that its caller aborts: aborted at the caller, cancelled at the responder', async (t) => {
  const { bus, recorder, spans } = rig(t);
  const abort = new AbortController();
  bus.respond('slow', ({ signal }) => {
    abort.abort();
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
      });
    });
  });
  await assert.rejects(bus.request('slow', 1, { signal: abort.signal }), { code: 'ABORTED' });
  assert.deepEqual(await spans(2), ['CLIENT slow error: aborted', 'SERVER slow error: cancelled']);
  const [server] = recorder.of(SpanKind.SERVER);
  assert.deepEqual(eventsOf(server!), ['messagebus.cancel {"error.type":"cancelled"}']);
  assert.equal(server!.attributes['rpc.status_code'], 'cancelled');
});

test('retries are events of the one span, on both sides', async (t) => {
  const again = retry({ baseMs: 0, handlers: { maxAttempts: 3, baseMs: 0 }, budget: false });
  let sends = 0;
  const flaky: MiddlewareFunction = (ctx, next) => {
    if (ctx.direction === 'send' && ++sends < 3) throw new BusError('TRANSPORT_FAILED', 'test');
    return next();
  };
  const { bus, recorder, spans } = rig(t, [again, flaky]);
  let calls = 0;
  bus.pull('task', () => {
    if (++calls < 3) throw new Error(`boom ${String(calls)}`);
  });
  await bus.ready();
  await bus.push('task', 1);
  assert.deepEqual(await spans(2), ['CONSUMER process task ok', 'PRODUCER push task ok']);
  assert.deepEqual(eventsOf(recorder.of(SpanKind.PRODUCER)[0]!), [
    'messagebus.retry {"messagebus.attempt":1,"error.type":"transport_failed"}',
    'messagebus.retry {"messagebus.attempt":2,"error.type":"transport_failed"}',
  ]);
  const consumer = recorder.of(SpanKind.CONSUMER)[0]!;
  assert.deepEqual(eventsOf(consumer), [
    'messagebus.retry {"messagebus.attempt":1,"error.type":"handler_failed"}',
    'messagebus.retry {"messagebus.attempt":2,"error.type":"handler_failed"}',
  ]);
});

test('for await: the span ends with the next iteration, a break ends it too', async (t) => {
  const { bus, recorder, spans } = rig(t);
  const seen: unknown[] = [];
  const loop = (async () => {
    for await (const { body } of bus.messages('event')) {
      seen.push(body);
      if (body === 3) break;
    }
  })();
  await bus.ready();
  for (const body of [1, 2, 3, 4]) await bus.publish('event', body);
  await loop;
  await until(() => recorder.open.length === 0);
  assert.deepEqual(seen, [1, 2, 3]);
  const ended = await spans(7);
  assert.ok(ended.every((line) => line.endsWith(' ok')));
});

test('a bus that closes ends the spans of handlers that do not: once, also when they settle afterwards', async (t) => {
  const { bus, recorder, spans } = rig(t);
  let finish = (): void => {};
  bus.subscribe('event', () => new Promise<void>((resolve) => (finish = resolve)));
  bus.pull('task', () => never);
  bus.respond('call', () => never);
  await bus.ready();
  await bus.publish('event', 1);
  await bus.push('task', 1);
  const call = assert.rejects(bus.request('call', 1));
  await until(() => recorder.open.length === 4);
  await bus.close({ timeoutMs: 0 });
  await call;
  const ended = await spans(6);
  assert.deepEqual(
    ended
      .filter((line) => !line.startsWith('PRODUCER'))
      .map((line) => line.replace(/error: (cancelled|closed)/, 'error')),
    ['CLIENT call error', 'CONSUMER process event error', 'CONSUMER process task error', 'SERVER call error'],
  );
  for (const span of [...recorder.of(SpanKind.CONSUMER), ...recorder.of(SpanKind.SERVER)]) {
    assert.deepEqual(eventsOf(span), ['messagebus.cancel {"error.type":"cancelled"}']);
    assert.equal(outcomeOf(span), 'error: closed');
  }
  finish();
  await new Promise((resolve) => setImmediate(resolve));
  recorder.expectBalance();
  assert.equal(recorder.ended.length, 6);
});

test('a step that never settles holds up its span no longer than its call, and on the way in than its bus', async (t) => {
  const stuck: MiddlewareFunction = async (ctx, next) => {
    await next();
    if (ctx.topic === ctx.direction) await never;
  };
  const { bus, recorder, spans } = rig(t, [stuck]);
  const abort = new AbortController();
  bus.pull('>', () => {
    abort.abort();
  });
  await bus.ready();
  await assert.rejects(bus.push('send', 1, { signal: abort.signal }), { code: 'ABORTED' });
  await until(() => recorder.open.length === 0);
  assert.ok(recorder.ended.some((span) => span.name === 'push send' && outcomeOf(span) === 'error: aborted'));
  await bus.push('receive', 1);
  await until(() => recorder.open.length === 1);
  await bus.close({ timeoutMs: 0 });
  assert.deepEqual(await spans(4), [
    'CONSUMER process > error: closed',
    'CONSUMER process > ok',
    'PRODUCER push receive ok',
    'PRODUCER push send error: aborted',
  ]);
});

test('calls on a bus without a peer, ended by their time-out or the close', async (t) => {
  const recorder = new Recorder();
  const bus = tracedBus(t, { recorder, bus: { pushTimeoutMs: 20 } });
  await assert.rejects(bus.push('task', 1), { code: 'SEND_TIMEOUT' });
  const call = assert.rejects(bus.request('call', 1), { code: 'CLOSED' });
  await bus.close({ timeoutMs: 0 });
  await call;
  recorder.expectBalance();
  assert.deepEqual(recorder.ended.map((span) => `${span.name} ${outcomeOf(span)}`).sort(), [
    'call error: closed',
    'push task error: send_timeout',
  ]);
});

test('a reply that comes after its call has ended adds nothing to the span of the call', async (t) => {
  const { bus, recorder, spans } = rig(t);
  let answer = (): void => {};
  bus.respond('late', () => new Promise<void>((resolve) => (answer = resolve)));
  await assert.rejects(bus.request('late', 1, { timeoutMs: 10 }), { code: 'REQUEST_TIMEOUT' });
  answer();
  assert.deepEqual(await spans(2), ['CLIENT late error: timeout', 'SERVER late ok']);
  assert.equal(recorder.of(SpanKind.CLIENT)[0]!.events.length, 1);
});
