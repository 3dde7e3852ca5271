import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger, names, seenOf } from './ledger.ts';
import { addressOf, FREE, party } from './scene.ts';

/** 1,000 sends in one turn: more than the 512 after which the binding defers one, and a second one meanwhile throws EBUSY. */
const CALLERS = 50;
const PER_CALLER = 20;
const SENDS = CALLERS * PER_CALLER;

/** Far fewer than the sends, so that nearly all of them find the queue full. */
const MARKS = { hwmOutbound: 16, hwmPackets: 2 };

/** Nobody times out: here everything waits and everything arrives. */
const PATIENT = { publishTimeoutMs: 60_000, pushTimeoutMs: 60_000, requestTimeoutMs: 60_000 };

/** Starts all calls in one turn, caller by caller in rounds. */
function sendAll(ledger: Ledger, send: (name: string) => Promise<unknown>): Promise<unknown> {
  const calls: Promise<void>[] = [];
  for (let index = 0; index < PER_CALLER; index++) {
    for (let caller = 0; caller < CALLERS; caller++) {
      const name = `${String(caller)} ${String(index)}`;
      calls.push(ledger.attempt(name, () => send(name)));
    }
  }
  return Promise.all(calls);
}

function assertOrderPerCaller(seen: readonly string[]): void {
  for (let caller = 0; caller < CALLERS; caller++) {
    assert.deepEqual(seenOf(String(caller), seen), names(String(caller), PER_CALLER));
  }
}

test('1,000 pushes in one turn against a full queue: none is busy, all arrive, in the order of each caller', async (t) => {
  const gate = new Gate();
  const ledger = new Ledger();
  const puller = party(t, 'puller', { endpoints: { pull: { bind: FREE } }, hwmInbound: 4, hwmPackets: 2 });
  puller.bus.pull('>', async ({ body }) => {
    await gate.opened;
    ledger.saw(body);
  });
  const endpoint = await addressOf(puller.bus, 'pull');
  const pusher = party(t, 'pusher', { endpoints: { push: { connect: [endpoint] } }, ...MARKS, ...PATIENT });
  const sending = sendAll(ledger, (name) => pusher.bus.push('task', name));
  await until(() => pusher.bus.metrics().backpressure_events > 0, 'calls that find the queue full');
  gate.open();
  await bounded(sending, 'all pushes');
  await until(
    () => ledger.seen.length >= SENDS,
    () => `${String(SENDS)} arrivals, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(SENDS));
  assertOrderPerCaller(ledger.seen);
  const { messages_sent, outbound_dropped, errors, backpressure_events } = pusher.bus.metrics();
  assert.deepEqual(
    { messages_sent, outbound_dropped, errors },
    { messages_sent: SENDS, outbound_dropped: 0, errors: 0 },
  );
  assert.equal(backpressure_events, SENDS - MARKS.hwmOutbound);
});

test('1,000 publishes in one turn against a full queue: none is busy, all arrive, in the order of each caller', async (t) => {
  const gate = new Gate();
  const ledger = new Ledger();
  const publisher = party(t, 'publisher', {
    endpoints: { publish: { bind: FREE } },
    slowSubscribers: 'wait',
    ...MARKS,
    ...PATIENT,
  });
  await publisher.bus.ready();
  const endpoint = await addressOf(publisher.bus, 'publish');
  const subscriber = party(t, 'subscriber', { endpoints: { subscribe: { connect: [endpoint] } }, hwmInbound: 4 });
  subscriber.bus.subscribe('price.*', async ({ body }) => {
    await gate.opened;
    ledger.saw(body);
  });
  await subscriber.bus.ready();
  // Two topics in turn: each packet holds one message, as the order goes across topics.
  const sending = sendAll(ledger, (name) => publisher.bus.publish(name.endsWith('1') ? 'price.a' : 'price.b', name));
  await until(() => publisher.bus.metrics().backpressure_events > 0, 'calls that find the queue full');
  gate.open();
  await bounded(sending, 'all publishes');
  await until(
    () => ledger.seen.length >= SENDS,
    () => `${String(SENDS)} arrivals, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(SENDS));
  assertOrderPerCaller(ledger.seen);
  const { messages_sent, outbound_dropped, errors, backpressure_events } = publisher.bus.metrics();
  assert.deepEqual(
    { messages_sent, outbound_dropped, errors },
    { messages_sent: SENDS, outbound_dropped: 0, errors: 0 },
  );
  assert.equal(backpressure_events, SENDS - MARKS.hwmOutbound);
  assert.equal(subscriber.bus.stats().gaps, 0);
});

test('1,000 requests in one turn against a full queue: none is busy, each gets its own reply, handled in the order of each caller', async (t) => {
  const ledger = new Ledger();
  const responder = party(t, 'responder', { endpoints: { respond: { bind: FREE } }, ...MARKS });
  responder.bus.respond('state', ({ body }) => {
    ledger.saw(body);
    return body;
  });
  const endpoint = await addressOf(responder.bus, 'respond');
  const asker = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } }, ...MARKS, ...PATIENT });
  const sending = sendAll(ledger, async (name) => {
    assert.equal(await asker.bus.request('state', name), name);
  });
  await bounded(sending, 'all replies');
  assert.deepEqual(ledger.rejections, {});
  assert.deepEqual(ledger.account, allWell(SENDS));
  assertOrderPerCaller(ledger.seen);
  const { messages_sent, messages_received, errors, backpressure_events } = asker.bus.metrics();
  assert.deepEqual(
    { messages_sent, messages_received, errors },
    { messages_sent: SENDS, messages_received: SENDS, errors: 0 },
  );
  assert.ok(backpressure_events >= SENDS - MARKS.hwmOutbound);
});

test('one bus that sends and receives thousands of messages through all its sockets at once meets no busy socket', async (t) => {
  const ledgers = { push: new Ledger(), publish: new Ledger(), request: new Ledger() };
  const bound = { publish: { bind: FREE }, pull: { bind: FREE }, respond: { bind: FREE } };
  const left = party(t, 'left', { endpoints: bound, slowSubscribers: 'wait', ...PATIENT });
  await left.bus.ready();
  left.bus.pull('>', ({ body }) => ledgers.push.saw(body));
  left.bus.respond('state', ({ body }) => {
    ledgers.request.saw(body);
    return body;
  });
  const right = party(t, 'right', {
    endpoints: {
      subscribe: { connect: [await addressOf(left.bus, 'publish')] },
      push: { connect: [await addressOf(left.bus, 'pull')] },
      request: { connect: [await addressOf(left.bus, 'respond')] },
    },
    ...PATIENT,
  });
  right.bus.subscribe('price', ({ body }) => ledgers.publish.saw(body));
  await right.bus.ready();
  await bounded(
    Promise.all([
      sendAll(ledgers.push, (name) => right.bus.push('task', name)),
      sendAll(ledgers.request, (name) => right.bus.request('state', name)),
      sendAll(ledgers.publish, (name) => left.bus.publish('price', name)),
    ]),
    'all calls',
  );
  for (const ledger of Object.values(ledgers)) {
    await until(
      () => ledger.seen.length >= SENDS,
      () => `${String(SENDS)} arrivals, got ${String(ledger.seen.length)}`,
    );
    assert.deepEqual(ledger.account, allWell(SENDS));
    assertOrderPerCaller(ledger.seen);
  }
  assert.deepEqual([...left.warnings, ...right.warnings], []);
});
