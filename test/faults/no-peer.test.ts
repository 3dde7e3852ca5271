import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { addressOf, FREE, freeEndpoint, inParallel, party } from './scene.ts';

/** libzmq alone swallows exactly a thousand messages without a peer. */
const MESSAGES = 1000;
const TIMEOUT_MS = 200;

/** All at once, far below what a send without a deadline would take. */
const AT_ONCE = MESSAGES;

for (const side of ['connecting', 'bound'] as const) {
  test(`a thousand pushes of a ${side} socket without a peer all fail in time, are counted, and none is sent`, async (t) => {
    const endpoint = side === 'bound' ? FREE : await freeEndpoint();
    const role = side === 'bound' ? { bind: endpoint } : { connect: [endpoint] };
    const { bus } = party(t, 'pusher', { endpoints: { push: role }, pushTimeoutMs: TIMEOUT_MS });
    const ledger = new Ledger();
    const start = performance.now();
    await bounded(
      inParallel(MESSAGES, AT_ONCE, (index) => ledger.attempt(String(index), () => bus.push('task', index))),
      'a thousand pushes to settle',
    );
    assert.ok(performance.now() - start >= TIMEOUT_MS - 1, 'they waited for a peer');

    assert.deepEqual(ledger.rejections, { SEND_TIMEOUT: MESSAGES });
    const { messages_sent, outbound_dropped, errors, request_timeouts } = bus.metrics();
    assert.deepEqual(
      { messages_sent, outbound_dropped, errors, request_timeouts },
      { messages_sent: 0, outbound_dropped: MESSAGES, errors: MESSAGES, request_timeouts: 0 },
    );

    // Now there is one: it gets what is pushed now, and nothing of what was given up.
    const address = side === 'bound' ? await addressOf(bus, 'push') : endpoint;
    const pull = side === 'bound' ? { connect: [address] } : { bind: address };
    const puller = party(t, 'puller', { endpoints: { pull } });
    puller.bus.pull('>', ({ body }) => ledger.saw(body));
    await puller.bus.ready();
    await until(() => bus.stats().cooling_down === 0, 'the connection to end the cool-down');
    await ledger.attempt('after', () => bus.push('task', 'after'));
    await until(() => ledger.seen.length > 0, 'the message');
    assert.deepEqual(ledger.account, {
      attempted: MESSAGES + 1,
      accepted: 1,
      rejected: MESSAGES,
      seen: 1,
      lost: 0,
      duplicated: 0,
      unexpected: 0,
    });
    assert.equal(bus.metrics().messages_sent, 1);
  });
}

test('a thousand requests without a responder all fail in time, are counted as not sent, and reach nobody later', async (t) => {
  const endpoint = await freeEndpoint();
  const { bus } = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } } });
  const ledger = new Ledger();
  await bounded(
    inParallel(MESSAGES, AT_ONCE, (index) =>
      ledger.attempt(String(index), () => bus.request('state', index, { timeoutMs: TIMEOUT_MS })),
    ),
    'a thousand requests to settle',
  );
  assert.deepEqual(ledger.rejections, { SEND_TIMEOUT: MESSAGES });
  const { messages_sent, outbound_dropped, errors, request_timeouts } = bus.metrics();
  assert.deepEqual(
    { messages_sent, outbound_dropped, errors, request_timeouts },
    { messages_sent: 0, outbound_dropped: MESSAGES, errors: MESSAGES, request_timeouts: 0 },
  );

  const responder = party(t, 'responder', { endpoints: { respond: { bind: endpoint } } });
  responder.bus.respond('state', ({ body }) => ledger.saw(body));
  await until(() => bus.stats().cooling_down === 0, 'the connection to end the cool-down');
  await ledger.attempt('after', () => bus.request('state', 'after'));
  assert.deepEqual(ledger.account, {
    attempted: MESSAGES + 1,
    accepted: 1,
    rejected: MESSAGES,
    seen: 1,
    lost: 0,
    duplicated: 0,
    unexpected: 0,
  });
});

test('one push after another to nobody: the first waits, the rest fail at once while the endpoint cools down', async (t) => {
  const endpoint = await freeEndpoint();
  const { bus } = party(t, 'pusher', { endpoints: { push: { connect: [endpoint] } }, pushTimeoutMs: TIMEOUT_MS });
  const ledger = new Ledger();
  for (let index = 0; index < MESSAGES; index++) await ledger.attempt(String(index), () => bus.push('task', index));
  assert.deepEqual(ledger.rejections, { SEND_TIMEOUT: 1, COOLING_DOWN: MESSAGES - 1 });
  const { messages_sent, outbound_dropped, errors } = bus.metrics();
  assert.deepEqual(
    { messages_sent, outbound_dropped, errors },
    { messages_sent: 0, outbound_dropped: MESSAGES, errors: MESSAGES },
  );
});

test('a publish without subscribers resolves and is counted as sent and unrouted', async (t) => {
  const { bus } = party(t, 'publisher', { endpoints: { publish: { bind: FREE } } });
  const ledger = new Ledger();
  for (let index = 0; index < MESSAGES; index++) await ledger.attempt(String(index), () => bus.publish('price', index));
  await until(() => bus.metrics().messages_sent === MESSAGES, 'the queue to leave');
  assert.deepEqual(ledger.account, { ...allWell(MESSAGES), seen: 0, lost: MESSAGES });
  const { outbound_dropped, errors } = bus.metrics();
  assert.deepEqual(
    { unrouted: bus.stats().unrouted, outbound_dropped, errors },
    { unrouted: MESSAGES, outbound_dropped: 0, errors: 0 },
  );
});

test('under requireSubscribers a publish without subscribers waits, then rejects and is counted', async (t) => {
  const { bus } = party(t, 'publisher', {
    endpoints: { publish: { bind: FREE } },
    requireSubscribers: true,
    publishTimeoutMs: TIMEOUT_MS,
  });
  const ledger = new Ledger();
  await bounded(
    inParallel(MESSAGES, AT_ONCE, (index) => ledger.attempt(String(index), () => bus.publish('price', index))),
    'a thousand publishes to settle',
  );
  assert.deepEqual(ledger.rejections, { NO_SUBSCRIBERS: MESSAGES });
  const { messages_sent, outbound_dropped, errors } = bus.metrics();
  assert.deepEqual(
    { messages_sent, outbound_dropped, errors, unrouted: bus.stats().unrouted },
    { messages_sent: 0, outbound_dropped: MESSAGES, errors: MESSAGES, unrouted: 0 },
  );
});

test('under requireSubscribers a publish goes out to the subscriber that comes while it waits', async (t) => {
  const { bus } = party(t, 'publisher', {
    endpoints: { publish: { bind: FREE } },
    requireSubscribers: true,
    publishTimeoutMs: 8000,
  });
  const ledger = new Ledger();
  const publishing = inParallel(MESSAGES, AT_ONCE, (index) =>
    ledger.attempt(String(index), () => bus.publish('price', index)),
  );
  const address = await addressOf(bus, 'publish');
  const subscriber = party(t, 'subscriber', { endpoints: { subscribe: { connect: [address] } } });
  subscriber.bus.subscribe('price', ({ body }) => ledger.saw(body));
  await bounded(publishing, 'a thousand publishes to settle');
  await until(
    () => ledger.seen.length >= MESSAGES,
    () => `${String(MESSAGES)} messages, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(MESSAGES));
});
