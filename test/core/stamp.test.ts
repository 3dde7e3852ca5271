import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Middleware } from '../../src/core/middleware.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';
import type { TestContext } from 'node:test';

/** What a responder that comes `waitMs` after the request is told of the time that is left. */
async function leftAfter(t: TestContext, waitMs: number, timeoutMs: number, stack: readonly Middleware[]) {
  const transport = memory();
  const clock = new FakeClock();
  const asking = memoryBus(t, { transport, clock, stack });
  const seen: (string | undefined)[] = [];
  const answer = codeOf(asking.bus.request('state', 1, { timeoutMs }));
  await clock.pass(waitMs, 50);
  const answering = memoryBus(t, { transport, clock, stack });
  answering.bus.respond('state', ({ headers }) => {
    seen.push(headers.getText('timeout-ms'));
    return 1;
  });
  await turns(20);
  await clock.pass(20, 1);
  assert.equal(await answer, 'resolved');
  return Number(seen[0]);
}

test('the remaining time of a request is reckoned when it leaves, not when it was called', async (t) => {
  const left = await leftAfter(t, 1500, 2000, [serialize()]);
  assert.ok(left <= 500 && left > 450, String(left));
});

test('a request that leaves at once has all of its time', async (t) => {
  const left = await leftAfter(t, 0, 2000, [serialize()]);
  assert.ok(left <= 2000 && left > 1950, String(left));
});

test('where a step seals the headers the remaining time is that of its chain', async (t) => {
  const seals: Middleware = { name: 'seals', stage: 'payload', send: (_ctx, next) => next() };
  const left = await leftAfter(t, 1500, 2000, [serialize(), seals]);
  assert.equal(left, 2000);
});

test('every message but an event names its topic and sender in its headers', async (t) => {
  const { bus } = memoryBus(t, { serviceName: 'prices' });
  const seen: unknown[] = [];
  const note = ({ headers }: { headers: { getText(name: string): string | undefined } }): number =>
    seen.push([headers.getText('topic'), headers.getText('sender')]);
  bus.subscribe('a', note);
  bus.pull('b', note);
  bus.respond('c', note);
  await bus.ready();
  await bus.request('c', 1);
  await bus.push('b', 1);
  await bus.publish('a', 1);
  await turns(10);
  assert.deepEqual(seen, [
    ['c', 'prices'],
    ['b', 'prices'],
    [undefined, 'prices'],
  ]);
});
