import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Transport } from '../../src/core/transport.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';

/** A transport whose responder can be bound only when the test says so. */
function taken() {
  const transport = memory();
  const state = { free: false, attempts: 0 };
  const refusing: Transport = {
    ...transport,
    openResponder: (spec) => {
      state.attempts++;
      if (state.free) return transport.openResponder(spec);
      return Promise.reject(new BusError('BIND_FAILED', 'the address is in use', { endpoint: spec.endpoint }));
    },
  };
  return { transport: refusing, state };
}

test('ready() waits through a failed bind that is tried again in time', async (t) => {
  const clock = new FakeClock();
  const { transport, state } = taken();
  const { bus } = memoryBus(t, { transport, clock, publish: false, failedSocketCooldownMs: 300, logLevel: 'silent' });
  bus.respond('state', () => 1);
  await turns();
  const ready = codeOf(bus.ready({ timeoutMs: 5000 }));
  await clock.pass(400, 50);
  assert.ok(state.attempts >= 2, String(state.attempts));
  state.free = true;
  await clock.pass(400, 50);
  assert.equal(await ready, 'resolved');
});

test('ready() says why an endpoint did not open until its time was up', async (t) => {
  const clock = new FakeClock();
  const { transport } = taken();
  const { bus } = memoryBus(t, { transport, clock, publish: false, failedSocketCooldownMs: 300, logLevel: 'silent' });
  bus.respond('state', () => 1);
  const ready = assert.rejects(
    bus.ready({ timeoutMs: 1000 }),
    /^BusError: NOT_READY: not ready: respond memory:\/\/state: BIND_FAILED: the address is in use/,
  );
  await clock.pass(1100, 50);
  await ready;
});

test('ready() gives up at once on an endpoint that is not tried again before its time is up', async (t) => {
  const clock = new FakeClock();
  const { transport } = taken();
  const { bus } = memoryBus(t, {
    transport,
    clock,
    publish: false,
    failedSocketCooldownMs: 10_000,
    logLevel: 'silent',
  });
  bus.respond('state', () => 1);
  assert.equal(await codeOf(bus.ready({ timeoutMs: 5000 })), 'NOT_READY');
});

test('ready() waits through the cool-down of an endpoint that did not answer: a peer that connects ends it', async (t) => {
  const clock = new FakeClock();
  const transport = memory();
  const { bus } = memoryBus(t, { transport, clock, publish: false, logLevel: 'silent' });
  const call = codeOf(bus.request('state', 1, { timeoutMs: 50 }));
  await clock.pass(200);
  assert.equal(await call, 'SEND_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 1);
  const ready = codeOf(bus.ready({ timeoutMs: 5000 }));
  await clock.pass(500, 50);
  const other = memoryBus(t, { transport, clock, publish: false });
  other.bus.respond('state', () => 1);
  await clock.pass(500, 50);
  assert.equal(await ready, 'resolved');
});
