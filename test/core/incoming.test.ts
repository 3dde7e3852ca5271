import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Admission, Middleware } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { until } from '../transports/conformance/waiting.ts';
import { turns } from '../support/fake-clock.ts';
import { codeOf, codesTold, deferred, memoryBus } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';

/** A step that only admits. */
function gate(name: string, admit: (ctx: ReceiveContext) => Admission): Middleware {
  return { name, stage: 'body', admit };
}

test('admit is asked in the order of the stack, before the chain, and its release called once when all has settled', async (t) => {
  const log: string[] = [];
  const noting = (name: string, wait: boolean): Middleware =>
    gate(name, ({ topic }) => {
      log.push(`${name} ${topic}`);
      const release = (): void => void log.push(`release ${name}`);
      return wait ? Promise.resolve(release) : release;
    });
  const { bus } = memoryBus(t, {
    stack: [noting('a', false), gate('none', () => undefined), noting('b', true), noting('c', false), serialize()],
  });
  bus.subscribe('x', async () => {
    log.push('handler');
    await turns(1);
    log.push('handled');
  });
  await bus.ready();
  await bus.publish('x', 1);
  await until(() => log.length === 8, 'the releases');
  await turns();
  assert.deepEqual(log, ['a x', 'b x', 'c x', 'handler', 'handled', 'release a', 'release b', 'release c']);
});

test('the receive loop reads no further until admit has answered', async (t) => {
  const hold = deferred<undefined>();
  const asked: unknown[] = [];
  const { bus } = memoryBus(t, {
    stack: [
      gate('slow', ({ topic }) => {
        asked.push(topic);
        return asked.length === 1 ? hold.promise : undefined;
      }),
      serialize(),
    ],
  });
  const got: string[] = [];
  bus.subscribe('>', ({ topic }) => got.push(topic));
  await bus.ready();
  for (const topic of ['a', 'b', 'c']) await bus.publish(topic, 1);
  await turns(20);
  assert.deepEqual([asked, got], [['a'], []]);
  hold.resolve(undefined);
  await until(() => got.length === 3, 'the rest');
  assert.deepEqual(got, ['a', 'b', 'c']);
});

test('events, pushed messages and requests are admitted; replies, error replies and cancels are not asked for', async (t) => {
  const asked: string[] = [];
  const { bus } = memoryBus(t, {
    stack: [gate('note', ({ pattern, kind, topic }) => void asked.push(`${pattern} ${kind} ${topic}`)), serialize()],
  });
  let signal: AbortSignal | undefined;
  bus.subscribe('event', () => {});
  bus.pull('task', () => {});
  bus.respond('well', () => 1);
  bus.respond('ill', () => {
    throw new Error('no');
  });
  bus.respond('long', (message) => {
    signal = message.signal;
    return new Promise(() => {});
  });
  await bus.ready();
  await bus.publish('event', 1);
  await bus.push('task', 1);
  await bus.request('well', 1);
  await codeOf(bus.request('ill', 1));
  const abort = new AbortController();
  const long = codeOf(bus.request('long', 1, { signal: abort.signal }));
  await until(() => signal !== undefined, 'the handler');
  abort.abort();
  await long;
  await until(() => signal!.aborted, 'the cancel');
  assert.deepEqual(asked.sort(), [
    'publish message event',
    'push message task',
    'request request ill',
    'request request long',
    'request request well',
  ]);
});

test('an admit that throws or rejects drops the message, gives back what others had granted, and the loop goes on', async (t) => {
  forbidUnhandledRejections(t);
  for (const refuse of [
    () => {
      throw new BusError('OVERFLOW', 'no room');
    },
    () => Promise.reject(new BusError('OVERFLOW', 'no room')),
  ]) {
    let granted = 0;
    const first = (): Admission => {
      granted++;
      return () => granted--;
    };
    const { bus, told } = memoryBus(t, {
      stack: [
        gate('first', first),
        gate('slow', () => Promise.resolve(undefined)),
        gate('also', first),
        gate('refuse', ({ topic }) => (topic === 'bad' ? refuse() : undefined)),
        serialize(),
      ],
    });
    const got: string[] = [];
    bus.subscribe('>', ({ topic }) => got.push(topic));
    bus.respond('>', ({ topic }) => topic);
    await bus.ready();
    await bus.publish('bad', 1);
    await bus.publish('good', 1);
    await until(() => got.length === 1, 'the good one');
    assert.equal(await codeOf(bus.request('bad', 1)), 'OVERFLOW');
    assert.equal(await bus.request('good', 1), 'good');
    await turns();
    assert.deepEqual(got, ['good']);
    assert.equal(granted, 0);
    assert.equal(bus.metrics().inbound_dropped, 2);
    assert.deepEqual(codesTold(told), ['OVERFLOW', 'OVERFLOW']);
  }
});

test('a refusal without a slow step before it gives back as well', async (t) => {
  let granted = 0;
  const { bus } = memoryBus(t, {
    stack: [
      gate('first', () => {
        granted++;
        return () => granted--;
      }),
      gate('refuse', () => {
        throw new Error('no');
      }),
      serialize(),
    ],
  });
  bus.subscribe('>', () => {});
  await bus.ready();
  await bus.publish('a', 1);
  await until(() => bus.metrics().inbound_dropped === 1, 'the refusal');
  assert.equal(granted, 0);
});

test('an admission may be a thenable of another make', async (t) => {
  let released = 0;
  const thenable = {
    then(resolve: (release: () => void) => void) {
      setImmediate(() => resolve(() => released++));
    },
  };
  const { bus } = memoryBus(t, { stack: [gate('thenable', () => thenable as unknown as Admission), serialize()] });
  let got = 0;
  bus.subscribe('a', () => got++);
  await bus.ready();
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  await until(() => got === 2 && released === 2, 'both');
});

test('a release that throws is told and keeps no place: the next messages come', async (t) => {
  forbidUnhandledRejections(t);
  let others = 0;
  const { bus, told } = memoryBus(t, {
    hwmInbound: 1,
    stack: [
      gate('throws', () => () => {
        throw new Error('release');
      }),
      gate('other', () => () => others++),
      serialize(),
    ],
  });
  let got = 0;
  bus.subscribe('a', () => got++);
  bus.respond('a', () => 'answer');
  await bus.ready();
  for (let index = 0; index < 3; index++) await bus.publish('a', index);
  await until(() => got === 3, 'all of them');
  assert.equal(await bus.request('a', 1), 'answer');
  await until(() => told.length === 4, 'the failures');
  assert.equal(others, 4, 'those of the other steps are called all the same');
  assert.equal(bus.stats().in_flight_handlers, 0);
});

test('what a step throws is REJECTED unless it has a code of its own, and is counted under its type', async (t) => {
  const { bus, told } = memoryBus(t, {
    stack: [
      serialize(),
      {
        name: 'refuse',
        stage: 'body',
        receive(ctx) {
          if (ctx.body === 1) throw new BusError('VALIDATION_FAILED', 'no');
          throw new Error('plain');
        },
      },
    ],
  });
  bus.subscribe('a', () => {});
  await bus.ready();
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  await until(() => told.length === 2, 'both');
  assert.deepEqual(codesTold(told), ['VALIDATION_FAILED', 'REJECTED']);
  assert.equal((told[1]!.error.cause as Error).message, 'plain');
});
