import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { Ledger } from './ledger.ts';
import { PeerProcess } from './peer-process.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';

const REQUESTS = 10_000;
const IN_FLIGHT = 300;

/** Replies take up to the longest delay, callers wait between the two limits: about a third of them has gone when the reply comes. */
const LONGEST_DELAY_MS = 500;
const SHORTEST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 500;

/** One caller in so many ends its call by its signal, at a random time. */
const CANCELS_ONE_IN = 5;

/** For a responder of this project's, whose handlers notice that their caller has gone. */
const POLITE_REQUESTS = 1000;
const POLITE_IN_FLIGHT = 100;

/** A generator with a fixed seed (mulberry32), so that each run is the same storm. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Stats {
  readonly requests: number;
  readonly replies: number;
  readonly pending: number;
}

test('10,000 requests, slow, late, doubled and made-up replies, callers that give up: nobody gets the reply of another', async (t) => {
  const peer = new PeerProcess(t, 'rude-responder');
  const { endpoint } = await peer.next<{ endpoint: string }>('its endpoint');
  const { bus } = party(t, 'asker', {
    endpoints: { request: { connect: [endpoint] } },
    // Where a busy machine stalls for longer than these waits, nothing arrives for a whole call: that is cool-down.test.ts's matter.
    failedSocketCooldownMs: 0,
  });
  // Before the storm, so that its first wave does not time out while the code is still being compiled.
  const warmUp = IN_FLIGHT;
  await inParallel(warmUp, warmUp, async () => {
    await bus.request('state', { id: -1, delayMs: 0 });
  });
  const random = seeded(1);
  const ledger = new Ledger();
  const wrong: string[] = [];
  await inParallel(REQUESTS, IN_FLIGHT, async (id) => {
    const delayMs = Math.floor(random() * LONGEST_DELAY_MS);
    const timeoutMs = SHORTEST_WAIT_MS + Math.floor(random() * (LONGEST_WAIT_MS - SHORTEST_WAIT_MS));
    const caller = new AbortController();
    const timer =
      random() * CANCELS_ONE_IN < 1 ? setTimeout(() => caller.abort(), random() * LONGEST_WAIT_MS) : undefined;
    await ledger.attempt(String(id), async () => {
      const reply = await bus.request('state', { id, delayMs }, { timeoutMs, signal: caller.signal });
      ledger.saw((reply as { id: number }).id);
      if ((reply as { id: number }).id !== id) wrong.push(`${String(id)} got ${JSON.stringify(reply)}`);
    });
    clearTimeout(timer);
  });
  assert.deepEqual(wrong, []);
  const { rejections, account } = ledger;
  const { REQUEST_TIMEOUT: timeouts = 0, ABORTED: aborted = 0, ...others } = rejections;
  assert.deepEqual(others, {});
  assert.ok(timeouts > REQUESTS / 20 && aborted > REQUESTS / 20, `a storm: ${JSON.stringify(rejections)}`);
  const fulfilled = REQUESTS - timeouts - aborted;
  assert.deepEqual(account, {
    attempted: REQUESTS,
    accepted: fulfilled,
    rejected: timeouts + aborted,
    seen: fulfilled,
    lost: 0,
    duplicated: 0,
    unexpected: 0,
  });

  // Every reply that was sent is accounted for: it settled its call, or it was late.
  let stats = await peer.ask<Stats>({ stats: true });
  while (stats.pending > 0) stats = await peer.ask<Stats>({ stats: true });
  await until(
    () => bus.metrics().messages_received === stats.replies,
    () => `${String(stats.replies)} replies, got ${String(bus.metrics().messages_received)}`,
  );
  const metrics = bus.metrics();
  assert.equal(metrics.messages_sent, stats.requests);
  assert.equal(metrics.request_timeouts, timeouts);
  assert.equal(metrics.errors, timeouts + aborted);
  assert.equal(bus.stats().late_replies, stats.replies - fulfilled - warmUp);
  assert.equal(metrics.inbound_dropped, stats.replies - fulfilled - warmUp);
});

test('handlers whose callers have given up notice it, no request runs twice, and each call settles', async (t) => {
  const started = new Ledger();
  let noticed = 0;
  const responder = party(t, 'responder', { endpoints: { respond: { bind: FREE } } });
  responder.bus.respond('state', ({ body, signal }) => {
    const { id, delayMs } = body as { id: number; delayMs: number };
    started.saw(id);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, delayMs, { id });
      signal.addEventListener('abort', () => {
        noticed++;
        clearTimeout(timer);
        reject(signal.reason as Error);
      });
    });
  });
  const asker = party(t, 'asker', {
    endpoints: { request: { connect: [await addressOf(responder.bus, 'respond')] } },
    failedSocketCooldownMs: 0,
  });
  const warmUp = POLITE_IN_FLIGHT;
  await inParallel(warmUp, warmUp, async () => {
    await asker.bus.request('state', { id: -1, delayMs: 0 });
  });
  started.seen.length = 0;
  const random = seeded(2);
  const wrong: unknown[] = [];
  await inParallel(POLITE_REQUESTS, POLITE_IN_FLIGHT, async (id) => {
    const caller = new AbortController();
    const delayMs = Math.floor(random() * LONGEST_DELAY_MS);
    const timeoutMs = SHORTEST_WAIT_MS + Math.floor(random() * (LONGEST_WAIT_MS - SHORTEST_WAIT_MS));
    const timer =
      random() * CANCELS_ONE_IN < 1 ? setTimeout(() => caller.abort(), random() * LONGEST_WAIT_MS) : undefined;
    await started.attempt(String(id), async () => {
      const reply = await asker.bus.request('state', { id, delayMs }, { timeoutMs, signal: caller.signal });
      if ((reply as { id: number }).id !== id) wrong.push([id, reply]);
    });
    clearTimeout(timer);
  });
  assert.deepEqual(wrong, []);
  const { REQUEST_TIMEOUT: timeouts = 0, ABORTED: aborted = 0, ...others } = started.rejections;
  assert.deepEqual(others, {});
  assert.ok(timeouts > 0 && aborted > 0);
  // Those that were rejected may have run too: that is what a time-out leaves unknown.
  const { attempted, accepted, rejected, lost, duplicated } = started.account;
  assert.deepEqual(
    { attempted, accepted, rejected, lost, duplicated },
    {
      attempted: POLITE_REQUESTS,
      accepted: POLITE_REQUESTS - timeouts - aborted,
      rejected: timeouts + aborted,
      lost: 0,
      duplicated: 0,
    },
  );
  await until(() => responder.bus.stats().in_flight_handlers === 0, 'no handler to run any more');
  assert.ok(noticed > 0);
  assert.ok(noticed <= timeouts + aborted);
});

test('a handler at its limit that awaits a request of its own does not deadlock', async (t) => {
  const ledger = new Ledger();
  const count = 50;
  const prices = party(t, 'prices', { endpoints: { respond: { bind: FREE } } });
  prices.bus.respond('price', async ({ body }) => body, { concurrency: 1 });

  const publisher = party(t, 'publisher', { endpoints: { publish: { bind: FREE } } });
  await publisher.bus.ready();
  const service = party(t, 'service', {
    endpoints: {
      subscribe: { connect: [await addressOf(publisher.bus, 'publish')] },
      respond: { bind: FREE },
      request: { connect: [await addressOf(prices.bus, 'respond')] },
    },
    handlerMaxConcurrency: 1,
  });
  service.bus.subscribe('tick', async ({ body }) => ledger.saw(await service.bus.request('price', body)));
  // The same through its own responder: the second service asks back while the first handles.
  service.bus.respond('relay', async ({ body }) => service.bus.request('price', body), { concurrency: 1 });
  await service.bus.ready();
  const asker = party(t, 'asker', { endpoints: { request: { connect: [await addressOf(service.bus, 'respond')] } } });

  const asked = new Ledger();
  await bounded(
    Promise.all([
      inParallel(count, count, (index) => ledger.attempt(String(index), () => publisher.bus.publish('tick', index))),
      inParallel(count, count, (index) =>
        asked.attempt(String(index), async () => asked.saw(await asker.bus.request('relay', index))),
      ),
    ]),
    'all calls',
  );
  await until(() => ledger.seen.length >= count, 'every event to be handled');
  for (const { account } of [ledger, asked]) {
    assert.deepEqual(account, {
      attempted: count,
      accepted: count,
      rejected: 0,
      seen: count,
      lost: 0,
      duplicated: 0,
      unexpected: 0,
    });
  }
});
