/** What every sending endpoint promises about the messages that wait in front of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { codeOf, deferred, memoryBus } from '../support/memory-bus.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A step that holds the messages of one topic back until it is told. */
function holding(topic: string, until: Promise<void>): Middleware {
  return {
    name: 'holding',
    stage: 'body',
    async send(ctx, next) {
      if (ctx.topic === topic) await until;
      await next();
    },
  };
}

test('a publish that finds the queue full behind its own slow step resolves once it is accepted', async (t) => {
  const open = deferred();
  const { bus } = memoryBus(t, { hwmOutbound: 20, stack: [serialize(), holding('slow', open.promise)] });
  const seen: string[] = [];
  bus.subscribe('>', ({ topic }) => void seen.push(topic));
  await bus.ready();
  const first = bus.publish('slow', 1);
  const rest = Array.from({ length: 20 }, () => bus.publish('fast', 'x'.repeat(3000)));
  open.resolve();
  await Promise.all([first, ...rest]);
  while (seen.length < 21) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([bus.metrics().messages_sent, bus.metrics().outbound_dropped], [21, 0]);
  assert.equal(seen[0], 'slow');
});

test('a push that timed out behind a slow step opens no cool-down: the endpoint was never asked', async (t) => {
  const open = deferred();
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, pushTimeoutMs: 20, stack: [serialize(), holding('slow', open.promise)] });
  bus.pull('>', () => undefined);
  await bus.ready();
  await bus.push('fast', 0);
  const slow = bus.push('slow', 1);
  const behind = codeOf(bus.push('fast', 2));
  await clock.pass(30);
  assert.equal(await behind, 'SEND_TIMEOUT');
  open.resolve();
  await codeOf(slow);
  assert.equal(await codeOf(bus.push('fast', 3)), 'resolved');
  assert.equal(bus.stats().cooling_down, 0);
});

test('a link that timed out is not replaced while a peer is connected: what it accepted would be lost', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  let opened = 0;
  const counting = {
    ...transport,
    openPusher: (spec: Parameters<typeof transport.openPusher>[0]) => {
      opened++;
      return transport.openPusher(spec);
    },
  };
  const go = deferred();
  const { bus: puller } = memoryBus(t, { transport, hwmInbound: 1, hwmPackets: 1 });
  const handled: unknown[] = [];
  puller.pull('>', async ({ body }) => {
    await go.promise;
    handled.push(body);
  });
  await puller.ready();
  const { bus } = memoryBus(t, {
    transport: counting,
    clock,
    hwmPackets: 1,
    pushTimeoutMs: 100,
    failedSocketCooldownMs: 50,
  });
  const outcomes: unknown[] = [];
  for (let n = 0; n < 5; n++) {
    const push = codeOf(bus.push('job', n));
    // A full peer lets the push wait; the clock ends the wait, and the cool-down after it.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    await clock.pass(200);
    outcomes.push(await push);
  }
  assert.ok(outcomes.includes('SEND_TIMEOUT'), String(outcomes));
  const accepted = outcomes.filter((one) => one === 'resolved').length;
  go.resolve();
  while (handled.length < accepted) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(handled.length, accepted);
  assert.equal(opened, 1);
});

test('an error of the transport while sending opens the cool-down', async (t) => {
  const transport = memory();
  const broken = {
    ...transport,
    openPusher: async (spec: Parameters<typeof transport.openPusher>[0]) => {
      const link = await transport.openPusher(spec);
      link.trySend = () => {
        throw new BusError('TRANSPORT_FAILED', 'the line is dead');
      };
      return link;
    },
  };
  const { bus } = memoryBus(t, { transport: broken });
  bus.pull('>', () => undefined);
  await bus.ready();
  assert.equal(await codeOf(bus.push('job', 1)), 'TRANSPORT_FAILED');
  assert.equal(await codeOf(bus.push('job', 2)), 'COOLING_DOWN');
});

test('calls that are open when the bus closes are told', async (t) => {
  const never = new Promise<void>(() => undefined);
  const { bus } = memoryBus(t, { requireSubscribers: true, stack: [serialize(), holding('hung', never)] });
  const waiting = bus.publish('unheard', 1);
  const hung = bus.push('hung', 2);
  await bus.close({ timeoutMs: 0 });
  assert.deepEqual([await codeOf(waiting), await codeOf(hung)], ['CLOSED', 'CLOSED']);
});

test('a step that hangs after next() does not make a publish hang: it was sent, and the step is to blame', async (t) => {
  const hanging: Middleware = {
    name: 'hanging',
    stage: 'body',
    async send(_ctx, next) {
      await next();
      await new Promise(() => undefined);
    },
  };
  const { bus } = memoryBus(t, { publishTimeoutMs: 20, stack: [serialize(), hanging] });
  await bus.ready();
  assert.equal(await codeOf(bus.publish('x', 1)), 'MIDDLEWARE_MISUSE');
  assert.deepEqual([bus.metrics().messages_sent, bus.metrics().outbound_dropped], [1, 0]);
});

test('rejected calls hold no bytes in the queue', async (t) => {
  const { bus } = memoryBus(t, { pushTimeoutMs: 1, failedSocketCooldownMs: 60_000 });
  assert.equal(await codeOf(bus.push('job', 0)), 'SEND_TIMEOUT');
  const before = process.memoryUsage();
  for (let n = 0; n < 2000; n++) await codeOf(bus.push('job', 'x'.repeat(10_000)));
  const after = process.memoryUsage();
  const grown = after.external + after.arrayBuffers - before.external - before.arrayBuffers;
  assert.ok(grown < 5_000_000, `20 MB were pushed into a cool-down, ${String(grown)} bytes are held`);
});
