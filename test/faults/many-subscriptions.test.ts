import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { PeerProcess } from './peer-process.ts';
import { freeEndpoint, party } from './scene.ts';

/** Of so many at once libzmq alone loses all beyond a thousand, and again with each reconnect. */
const SUBSCRIPTIONS = 5000;

/** How often the publisher is killed and started again. */
const RESTARTS = 2;

const BOUND_MS = 20_000;

test('5,000 subscriptions made in one turn are all there, and all there again when the publisher was killed and restarted', async (t) => {
  const endpoint = await freeEndpoint();
  const topics = Array.from({ length: SUBSCRIPTIONS }, (_, index) => `price.${String(index)}`);
  const { bus, warnings } = party(t, 'subscriber', { endpoints: { subscribe: { connect: [endpoint] } } });
  let ledger = new Ledger();
  for (const topic of topics) bus.subscribe(topic, (message) => ledger.saw(`${message.topic} ${String(message.body)}`));

  for (let start = 0; start <= RESTARTS; start++) {
    ledger = new Ledger();
    // Asked for before there is a publisher: on a new connection the subscriptions travel in another order than they were made in.
    const ready = bus.ready({ timeoutMs: BOUND_MS });
    ready.catch(() => {});
    const publisher = new PeerProcess(t, 'publisher', endpoint);
    await publisher.next('its endpoint');
    await ready;
    // At once, and those first that arrive last: none may have been waited for by chance.
    const names = topics.map((topic) => `${topic} ${String(start)}`);
    await Promise.all(names.map((name) => ledger.attempt(name, async () => {})));
    publisher.tell({ publish: [...topics].sort().reverse(), body: start });
    await until(
      () => ledger.seen.length >= SUBSCRIPTIONS,
      () => `${String(SUBSCRIPTIONS)} messages, got ${String(ledger.seen.length)}`,
      BOUND_MS,
    );
    assert.deepEqual(ledger.account, allWell(SUBSCRIPTIONS), `start ${String(start)}`);
    const { unrouted, messages_sent } = await publisher.ask<Record<string, number>>({ stats: true });
    assert.deepEqual({ unrouted, messages_sent }, { unrouted: 0, messages_sent: SUBSCRIPTIONS });
    await publisher.kill();
  }
  assert.equal(bus.stats().gaps, 0, 'a new publisher is a new stream');
  // A connection may be reset by the kill while it shakes hands; nothing else is out of order.
  assert.deepEqual(
    warnings.filter((warning) => !warning.includes('A handshake failed')),
    [],
  );
});
