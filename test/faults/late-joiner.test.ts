import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { PeerProcess } from './peer-process.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';

/** Subscribers that join, one after another or some at a time; each must see the first message after its ready(). */
const JOINERS = 1000;
const AT_ONCE = 4;

/** Joiners of a publisher in another process; each costs a round trip through that process. */
const REMOTE_JOINERS = 100;

/** Joiners of a stream that never pauses, with heartbeats so often that some fall between a joiner's connection and its subscription. */
const STREAM_JOINERS = 150;
const HEARTBEAT_MS = 5;
const BURST = 20;

/** Messages that a joiner takes before it leaves. */
const SEEN = 200;

test('after ready() the very first publish arrives: 1,000 of 1,000 subscribers that join late', async (t) => {
  const ledger = new Ledger();
  const publisher = party(t, 'publisher', { endpoints: { publish: { bind: FREE } } });
  await publisher.bus.ready();
  const endpoint = await addressOf(publisher.bus, 'publish');
  await inParallel(JOINERS, AT_ONCE, async (index) => {
    const topic = `price.${String(index)}`;
    const joiner = party(t, 'joiner', { endpoints: { subscribe: { connect: [endpoint] } } });
    joiner.bus.subscribe(topic, ({ body }) => ledger.saw(body));
    await joiner.bus.ready();
    await ledger.attempt(topic, () => publisher.bus.publish(topic, topic));
    await until(() => joiner.bus.metrics().messages_received === 1, `the first message of ${topic}`);
    await joiner.bus.close();
  });
  assert.deepEqual(ledger.account, allWell(JOINERS));
  assert.equal(publisher.bus.stats().unrouted, 0);
});

test('after ready() the first publish of another process arrives too', async (t) => {
  const ledger = new Ledger();
  const publisher = new PeerProcess(t, 'publisher');
  const { endpoint } = await publisher.next<{ endpoint: string }>('its endpoint');
  await inParallel(REMOTE_JOINERS, AT_ONCE, async (index) => {
    const topic = `price.${String(index)}`;
    const joiner = party(t, 'joiner', { endpoints: { subscribe: { connect: [endpoint] } } });
    joiner.bus.subscribe(topic, ({ body }) => ledger.saw(body));
    await joiner.bus.ready();
    await ledger.attempt(topic, async () => publisher.tell({ publish: [topic], body: topic }));
    await until(() => joiner.bus.metrics().messages_received === 1, `the first message of ${topic}`);
    await joiner.bus.close();
  });
  assert.deepEqual(ledger.account, allWell(REMOTE_JOINERS));
});

test('who joins in the middle of a stream counts nothing of what was before it as missed, whenever heartbeats come', async (t) => {
  const publisher = party(t, 'publisher', { endpoints: { publish: { bind: FREE } }, heartbeatMs: HEARTBEAT_MS });
  await publisher.bus.ready();
  const endpoint = await addressOf(publisher.bus, 'publish');
  const stop = new AbortController();
  let published = 0;
  const stream = (async () => {
    while (!stop.signal.aborted) {
      for (let index = 0; index < BURST; index++) await publisher.bus.publish('price.tick', published++);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const wrong: string[] = [];
  await inParallel(STREAM_JOINERS, 1, async () => {
    const joiner = party(t, 'joiner', { endpoints: { subscribe: { connect: [endpoint] } } });
    const seen: number[] = [];
    joiner.bus.subscribe('price.tick', ({ body }) => void seen.push(body as number));
    await until(() => seen.length >= SEEN, 'enough of the stream');
    await joiner.bus.close();
    const first = seen[0]!;
    const isWhole = seen.every((index, place) => index === first + place);
    const { gaps } = joiner.bus.stats();
    if (gaps > 0 || !isWhole) wrong.push(`${String(gaps)} missed from ${String(first)} on, whole: ${String(isWhole)}`);
  });
  stop.abort();
  await stream;
  assert.deepEqual(wrong, []);
});
