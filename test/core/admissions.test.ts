import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Release } from '../../src/core/middleware.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { turns } from '../support/fake-clock.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';

/** One request at a time of each topic; says who holds a place and in which order they were asked for. */
function oneEach(topics: readonly string[]): { step: Middleware; asked: string[]; held: Map<string, number> } {
  const asked: string[] = [];
  const held = new Map<string, number>();
  const waiting: { topic: string; start: () => void }[] = [];
  const place = (topic: string): Release => {
    held.set(topic, (held.get(topic) ?? 0) + 1);
    return () => {
      held.set(topic, (held.get(topic) ?? 0) - 1);
      const next = waiting.findIndex((one) => one.topic === topic);
      if (next >= 0) waiting.splice(next, 1)[0]?.start();
    };
  };
  const step: Middleware = {
    name: 'one-each',
    stage: 'body',
    admit(ctx) {
      if (ctx.pattern !== 'request' || !topics.includes(ctx.topic)) return undefined;
      asked.push(ctx.topic);
      if ((held.get(ctx.topic) ?? 0) === 0) return place(ctx.topic);
      return new Promise((resolve) => {
        const start = (): void => {
          resolve(place(ctx.topic));
        };
        waiting.push({ topic: ctx.topic, start });
      });
    },
  };
  return { step, asked, held };
}

test('one that waits to be admitted does not hold up requests of other topics: a handler may ask its own bus', async (t) => {
  const { step } = oneEach(['heavy']);
  const { bus } = memoryBus(t, { stack: [serialize(), step] });
  const both = deferred();
  let arrived = 0;
  bus.respond('heavy', async ({ body }) => {
    // Only when the second waits for admission.
    await both.promise;
    return [body, await bus.request('light', body)];
  });
  bus.respond('light', ({ body }) => `light ${String(body)}`);
  await bus.ready();
  const calls = [bus.request('heavy', 1), bus.request('heavy', 2)];
  for (let turn = 0; turn < 1000 && arrived < 2; turn++) {
    await turns(1);
    arrived = bus.metrics().messages_received;
  }
  await turns();
  both.resolve();
  assert.deepEqual(await Promise.all(calls), [
    [1, 'light 1'],
    [2, 'light 2'],
  ]);
});

test('of one topic they are admitted in the order in which they came; who is given up holds up nobody', async (t) => {
  const { step, asked, held } = oneEach(['a']);
  const transport = memory();
  const { bus } = memoryBus(t, { transport, stack: [serialize(), step] });
  const { bus: asking } = memoryBus(t, { transport });
  const gate = deferred();
  const started: unknown[] = [];
  bus.respond('a', async ({ body }) => {
    started.push(body);
    await gate.promise;
  });
  await bus.ready();
  const controllers = [1, 2, 3, 4].map(() => new AbortController());
  const calls = controllers.map(({ signal }, index) => asking.request('a', index + 1, { signal }));
  for (let turn = 0; turn < 1000 && bus.metrics().messages_received < 4; turn++) await turns(1);
  await turns();
  assert.deepEqual({ asked: asked.length, started }, { asked: 2, started: [1] }, 'the second waits, two are behind it');
  // The third is given up in the queue: the fourth does not pass the second for it.
  controllers[2]?.abort();
  assert.equal(await codeOf(calls[2]!), 'ABORTED');
  await turns();
  assert.equal(asked.length, 2);
  // The second is given up while it is asking: now the fourth asks.
  controllers[1]?.abort();
  assert.equal(await codeOf(calls[1]!), 'ABORTED');
  await turns(20);
  assert.deepEqual(asked, ['a', 'a', 'a']);
  assert.equal(bus.stats().in_flight_handlers, 2);
  gate.resolve();
  assert.deepEqual([await codeOf(calls[0]!), await codeOf(calls[3]!)], ['resolved', 'resolved']);
  await turns();
  assert.deepEqual(started, [1, 4], 'the place that came for the second went straight back');
  assert.equal(held.get('a'), 0, 'every place was given back');
});
