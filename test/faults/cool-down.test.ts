import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Transport } from '../../src/core/transport.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { PeerProcess } from './peer-process.ts';
import { addressOf, FREE, freeEndpoint, inParallel, party } from './scene.ts';

/** On the clock of the test, which stands still until it is moved. */
const COOL_DOWN_MS = 10_000;
const TIMEOUT_MS = 100;

const CALLS = 50;

/** Long enough for a reply to come meanwhile on a busy machine. */
const BUSY_MS = 2000;

/** The ZeroMQ transport, with a count of the links it opened. */
function counted(): { transport: Transport; opened: () => number } {
  let opened = 0;
  const transport = zeromq({ reconnectMs: 5, reconnectMaxMs: 40 });
  return {
    transport: {
      ...transport,
      openRequester: (spec) => (opened++, transport.openRequester(spec)),
      openPusher: (spec) => (opened++, transport.openPusher(spec)),
    },
    opened: () => opened,
  };
}

/** The bus works with a clock of the test; what waits for the operating system still takes real time. */
const coolingParty = (clock: FakeClock, transport: Transport) => ({
  clock,
  transport,
  failedSocketCooldownMs: COOL_DOWN_MS,
  requestTimeoutMs: TIMEOUT_MS,
  pushTimeoutMs: TIMEOUT_MS,
});

/** Lets a call run into its deadline. */
async function timesOut(clock: FakeClock, call: Promise<unknown>, code: string): Promise<void> {
  const settled = bounded(assert.rejects(call, { code }), `${code} of a call whose time is up`);
  await clock.pass(TIMEOUT_MS + 10);
  await settled;
}

test('a hand-over that times out: calls fail at once and are counted until the window ends, then the socket is rebuilt', async (t) => {
  const clock = new FakeClock();
  const { transport, opened } = counted();
  const endpoint = await freeEndpoint();
  const { bus } = party(t, 'asker', {
    endpoints: { request: { connect: [endpoint] } },
    ...coolingParty(clock, transport),
  });
  await timesOut(clock, bus.request('state', 1), 'SEND_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 1);
  assert.equal(bus.stats().cool_downs, 1);
  assert.equal(opened(), 1);

  const before = bus.metrics();
  const began = clock.now();
  for (let index = 0; index < CALLS; index++) {
    await assert.rejects(bus.request('state', index), (error) => {
      assert.ok(error instanceof BusError && error.code === 'COOLING_DOWN');
      assert.match(error.message, /left alone for another \d+ ms .*endpoint tcp:/);
      assert.equal(error.retryable, false);
      return true;
    });
  }
  assert.equal(clock.now(), began, 'none of them waited');
  const after = bus.metrics();
  assert.equal(after.outbound_dropped - before.outbound_dropped, CALLS);
  assert.equal(after.errors - before.errors, CALLS);
  assert.equal(after.messages_sent, 0);
  assert.equal(after.request_timeouts, 0);

  await clock.pass(COOL_DOWN_MS, COOL_DOWN_MS / 10);
  assert.equal(bus.stats().cooling_down, 0);
  assert.equal(opened(), 1, 'nothing is rebuilt before it is called');
  await timesOut(clock, bus.request('state', 2), 'SEND_TIMEOUT');
  assert.equal(opened(), 2);
});

test('the cool-down of an endpoint ends at once when its peer connects, without a new socket', async (t) => {
  const clock = new FakeClock();
  const { transport, opened } = counted();
  const endpoint = await freeEndpoint();
  const { bus } = party(t, 'asker', {
    endpoints: { request: { connect: [endpoint] } },
    ...coolingParty(clock, transport),
  });
  await timesOut(clock, bus.request('state', 1), 'SEND_TIMEOUT');
  await assert.rejects(bus.request('state', 2), { code: 'COOLING_DOWN' });

  const responder = party(t, 'responder', { endpoints: { respond: { bind: endpoint } } });
  responder.bus.respond('state', ({ body }) => body);
  await until(() => bus.stats().cooling_down === 0, 'the cool-down to end while the clock stands still');
  const ledger = new Ledger();
  await inParallel(CALLS, CALLS, (index) =>
    ledger.attempt(String(index), async () => ledger.saw(await bus.request('state', index))),
  );
  assert.deepEqual(ledger.account, allWell(CALLS));
  assert.equal(opened(), 1);
});

test('a responder that is connected and says nothing at all cools down; after the window a new socket finds it well', async (t) => {
  const clock = new FakeClock();
  const { transport, opened } = counted();
  let mute = true;
  const responder = party(t, 'responder', { endpoints: { respond: { bind: FREE } } });
  responder.bus.respond('state', ({ body }) => (mute ? new Promise(() => {}) : body));
  const endpoint = await addressOf(responder.bus, 'respond');
  const { bus } = party(t, 'asker', {
    endpoints: { request: { connect: [endpoint] } },
    ...coolingParty(clock, transport),
  });
  const call = bus.request('state', 1);
  await until(() => bus.metrics().messages_sent === 1, 'the request to leave');
  await timesOut(clock, call, 'REQUEST_TIMEOUT');
  assert.equal(bus.metrics().request_timeouts, 1);
  assert.equal(bus.stats().cooling_down, 1);
  await assert.rejects(bus.request('state', 2), { code: 'COOLING_DOWN' });

  mute = false;
  await clock.pass(COOL_DOWN_MS, COOL_DOWN_MS / 10);
  assert.equal(await bounded(bus.request('state', 3), 'a reply through the new socket'), 3);
  assert.equal(opened(), 2);
});

test('a slow topic of a responder that answers others does not put it into cool-down', async (t) => {
  const clock = new FakeClock();
  const { transport } = counted();
  const responder = party(t, 'responder', { endpoints: { respond: { bind: FREE } } });
  responder.bus.respond('slow', () => new Promise(() => {}));
  responder.bus.respond('fast', ({ body }) => body);
  const endpoint = await addressOf(responder.bus, 'respond');
  const { bus } = party(t, 'asker', {
    endpoints: { request: { connect: [endpoint] } },
    ...coolingParty(clock, transport),
  });
  const slow = bus.request('slow', 1);
  assert.equal(await bounded(bus.request('fast', 2), 'the fast reply'), 2);
  await timesOut(clock, slow, 'REQUEST_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 0);
  assert.equal(await bounded(bus.request('fast', 3), 'another fast reply'), 3);
});

test('with several endpoints those that are dead are passed over: every call succeeds', async (t) => {
  const { transport } = counted();
  const ledger = new Ledger();
  const live = party(t, 'responder', { endpoints: { respond: { bind: FREE } } });
  live.bus.respond('state', ({ body }) => body);
  const endpoints = [await freeEndpoint(), await addressOf(live.bus, 'respond'), await freeEndpoint()];
  const clock = new FakeClock();
  const { bus } = party(t, 'asker', {
    endpoints: { request: { connect: endpoints } },
    ...coolingParty(clock, transport),
  });
  const [dead = '', alive = '', alsoDead = ''] = endpoints;
  await bounded(bus.request('state', 0, { endpoint: alive }), 'a reply of the live one');
  for (const endpoint of [dead, alsoDead]) await timesOut(clock, bus.request('state', 0, { endpoint }), 'SEND_TIMEOUT');
  assert.equal(bus.stats().cooling_down, 2);
  assert.equal(bus.stats().cool_downs, 2);
  await inParallel(CALLS, 1, (index) =>
    ledger.attempt(String(index), async () => ledger.saw(await bus.request('state', index))),
  );
  assert.deepEqual(ledger.account, allWell(CALLS));
});

test('a bound socket that times out is not torn down: its peer loses nothing and goes on with the same connection', async (t) => {
  const clock = new FakeClock();
  const { transport, opened } = counted();
  const gate = new Gate();
  const ledger = new Ledger();
  const marks = { hwmPackets: 4 };
  const { bus } = party(t, 'pusher', {
    endpoints: { push: { bind: FREE } },
    ...coolingParty(clock, transport),
    ...marks,
  });
  const filling = 'x'.repeat(64 * 1024);
  const push = (index: number): Promise<void> =>
    ledger.attempt(String(index), () => bus.push('task', { index, filling }));
  // The first call opens the socket; then the puller is there and does not read.
  const first = push(0);
  const endpoint = await addressOf(bus, 'push');
  const puller = party(t, 'puller', { endpoints: { pull: { connect: [endpoint] } }, hwmInbound: 1, ...marks });
  puller.bus.pull('>', async ({ body }) => {
    await gate.opened;
    ledger.saw((body as { index: number }).index);
  });
  await bounded(first, 'the first push');

  // Push until there is no room, which shows as a call that nothing settles for a good while of real time.
  let pushed = 1;
  let stuck: Promise<void> | undefined;
  while (stuck === undefined) {
    const call = push(pushed++);
    const sent = bus.metrics().messages_sent;
    await Promise.race([call, new Promise((resolve) => setTimeout(resolve, 500))]);
    if (bus.metrics().messages_sent === sent) stuck = call;
    assert.ok(pushed < 2000, 'the puller takes everything');
  }
  await clock.pass(TIMEOUT_MS + 10);
  await bounded(stuck, 'the push that found no room');
  assert.deepEqual(ledger.rejections, { SEND_TIMEOUT: 1 });
  await push(pushed++);
  assert.deepEqual(ledger.rejections, { SEND_TIMEOUT: 1, COOLING_DOWN: 1 });

  gate.open();
  await until(
    () => ledger.seen.length === pushed - 2,
    () => `${String(pushed - 2)} messages, got ${String(ledger.seen.length)}`,
  );
  await clock.pass(COOL_DOWN_MS, COOL_DOWN_MS / 10);
  await bounded(push(pushed++), 'a push after the window');
  await until(() => ledger.seen.length === pushed - 2, 'its arrival');
  assert.deepEqual(ledger.account, {
    attempted: pushed,
    accepted: pushed - 2,
    rejected: 2,
    seen: pushed - 2,
    lost: 0,
    duplicated: 0,
    unexpected: 0,
  });
  assert.equal(opened(), 1);
  assert.equal(puller.bus.stats().reconnects, 0);
  assert.equal(await addressOf(bus, 'push'), endpoint);
});

test('a taken port is counted as a failed bind, with an error that says what to do, and tried again until it is free', async (t) => {
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
  const endpoint = `tcp://127.0.0.1:${String((squatter.address() as AddressInfo).port)}`;
  t.after(() => squatter.close());
  const clock = new FakeClock();
  const { bus, errors } = party(t, 'responder', {
    endpoints: { respond: { bind: endpoint }, publish: { bind: endpoint } },
    clock,
    failedSocketCooldownMs: COOL_DOWN_MS,
  });
  bus.respond('state', ({ body }) => body);
  await until(() => bus.metrics().failed_bind_count === 1, 'the failed bind');
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof BusError && errors[0].code === 'BIND_FAILED' && errors[0].endpoint === endpoint);
  assert.match(String(errors[0].hint), /another port/);
  await clock.pass(COOL_DOWN_MS, COOL_DOWN_MS / 10);
  await until(() => bus.metrics().failed_bind_count === 2, 'the second attempt');

  // A call to the same endpoint meets the same, and then the cool-down.
  await assert.rejects(bus.publish('price', 1), { code: 'BIND_FAILED' });
  await assert.rejects(bus.publish('price', 1), { code: 'COOLING_DOWN' });
  assert.equal(bus.metrics().failed_bind_count, 3);

  await new Promise((resolve) => squatter.close(resolve));
  await clock.pass(COOL_DOWN_MS, COOL_DOWN_MS / 10);
  await until(
    () => bus.describe().links.some(({ pattern, state }) => pattern === 'respond' && state === 'open'),
    'the bind',
  );
  const asker = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } } });
  assert.equal(await bounded(asker.bus.request('state', 'now'), 'a reply'), 'now');
});

test('a process that was busy past a deadline finds the reply that is there, and its endpoint stays in use', async (t) => {
  const peer = new PeerProcess(t, 'rude-responder');
  const { endpoint } = await peer.next<{ endpoint: string }>('its endpoint');
  const { bus } = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } } });
  const ask = { delayMs: 50 };
  await bus.request('state', ask);
  const sent = bus.metrics().messages_sent;
  const call = bus.request('state', ask, { timeoutMs: BUSY_MS / 4 });
  await until(() => bus.metrics().messages_sent === sent + 1, 'the request to leave');
  // Busy after sockets were read and before timers run, which is when a time-out would win.
  await new Promise((resolve) => setImmediate(resolve));
  const busyUntil = performance.now() + BUSY_MS;
  while (performance.now() < busyUntil);
  assert.deepEqual(await call, ask);
  assert.equal(bus.stats().cooling_down, 0);
});
