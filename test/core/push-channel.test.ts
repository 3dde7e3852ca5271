import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { memory } from '../../src/transports/memory.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, memoryBus, RecordingLogger } from '../support/memory-bus.ts';

test('a push waits for a puller, and resolves when its socket has accepted the message', async (t) => {
  const { bus } = memoryBus(t);
  let resolved = false;
  const call = bus.push('a', 1).then(() => (resolved = true));
  await turns(20);
  assert.equal(resolved, false, 'nobody is there');
  assert.equal(bus.metrics().messages_sent, 0);
  const got: unknown[] = [];
  bus.pull('>', ({ body }) => void got.push(body));
  await bounded(call, 'the push');
  assert.equal(bus.metrics().messages_sent, 1);
  await until(() => got.length === 1, 'the message');
});

test('without a puller a push rejects at pushTimeoutMs, is dropped, and the endpoint cools down', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, pushTimeoutMs: 200 });
  const call = bus.push('a', 1);
  await turns();
  await clock.pass(195);
  assert.equal(bus.metrics().errors, 0);
  await clock.pass(20);
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof BusError);
    assert.equal(error.code, 'SEND_TIMEOUT');
    assert.equal(error.retryable, true);
    assert.match(error.message, /endpoint memory:\/\/results, after 20\d ms, limit 200 ms.*peer is running/);
    return true;
  });
  assert.equal(await codeOf(bus.push('a', 2)), 'COOLING_DOWN');
  assert.equal(bus.metrics().outbound_dropped, 2);
  assert.equal(bus.metrics().messages_sent, 0);
  assert.equal(bus.stats().cooling_down, 1);
  assert.equal(bus.stats().queued_messages, 0, 'nothing is kept for later');
});

test('a puller that comes ends the cool-down at once', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, pushTimeoutMs: 50 });
  const call = codeOf(bus.push('a', 1));
  await turns();
  await clock.pass(70);
  assert.equal(await call, 'SEND_TIMEOUT');
  bus.pull('>', () => {});
  await until(() => bus.stats().cooling_down === 0, 'the end of the cool-down');
  assert.equal(await codeOf(bus.push('a', 2)), 'resolved');
});

test('a message that was given up never leaves, also not when a puller comes later', async (t) => {
  const clock = new FakeClock();
  const { bus } = memoryBus(t, { clock, pushTimeoutMs: 50 });
  const abort = new AbortController();
  const calls = [codeOf(bus.push('a', 'times out')), codeOf(bus.push('a', 'is aborted', { signal: abort.signal }))];
  await turns();
  abort.abort();
  await clock.pass(70);
  assert.deepEqual(await Promise.all(calls), ['SEND_TIMEOUT', 'ABORTED']);
  const got: unknown[] = [];
  bus.pull('>', ({ body }) => void got.push(body));
  await until(() => bus.stats().cooling_down === 0, 'the puller');
  await bus.push('a', 'later');
  await until(() => got.length === 1, 'the later one');
  await turns(20);
  assert.deepEqual(got, ['later']);
});

/** How many messages each packet has that a puller below the bus gets. */
async function packetSizes(pack: number | undefined, count: number): Promise<number[]> {
  const transport = memory();
  const sizes: number[] = [];
  const gate = new Gate();
  gate.open();
  const puller = await transport.openPuller({
    endpoint: 'memory://results',
    mode: 'bind',
    hwmPackets: 1000,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events: { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} },
    onMalformed: (error) => assert.fail(error),
    onPacket: ({ packet }) => void sizes.push(packet.records.length),
  });
  const closers: (() => unknown)[] = [];
  const { bus } = memoryBus({ after: (run: () => unknown) => closers.push(run) } as never, {
    transport,
    ...(pack !== undefined && { pack }),
  });
  await Promise.all(Array.from({ length: count }, (_, index) => bus.push('a', index)));
  await until(() => sizes.reduce((sum, size) => sum + size, 0) === count, 'all');
  for (const close of closers) await close();
  await puller.close();
  return sizes;
}

test('by default each pushed message is a packet of its own, so that a burst is dealt to all pullers', async () => {
  assert.deepEqual(await packetSizes(undefined, 5), [1, 1, 1, 1, 1]);
});

test('pack: n shares a packet between up to n; after silence the first of a burst leaves alone', async () => {
  assert.deepEqual(await packetSizes(3, 7), [1, 3, 3]);
});

test('pushes leave in the order of the calls, also when a step of some takes longer', async (t) => {
  const { bus } = memoryBus(t, {
    stack: [
      {
        name: 'delay',
        stage: 'payload',
        async send(ctx, next) {
          await turns(ctx.payload[0]! % 3);
          await next();
        },
      },
    ],
  });
  const got: number[] = [];
  bus.pull('>', ({ body }) => void got.push((body as Uint8Array)[0]!));
  const numbers = Array.from({ length: 20 }, (_, index) => index);
  await Promise.all(numbers.map((number) => bus.push('a', Uint8Array.of(number))));
  await until(() => got.length === 20, 'all');
  assert.deepEqual(got, numbers);
});
