import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounded } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { PeerProcess } from './peer-process.ts';
import { freeEndpoint, inParallel, party } from './scene.ts';

const IN_FLIGHT = 200;
const TIMEOUT_MS = 1500;

/** The coarse timer, the unwinding of the chain and a busy machine. */
const LATE_MS = 1000;

test('requests in flight to a responder that is killed all settle by their deadline; its successor is used at once', async (t) => {
  const endpoint = await freeEndpoint();
  const { bus } = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } }, requestTimeoutMs: TIMEOUT_MS });
  const first = new PeerProcess(t, 'responder', endpoint, 'hold', String(IN_FLIGHT));
  await first.next('its endpoint');
  const ledger = new Ledger();
  const settledAfter: number[] = [];
  const start = performance.now();
  const asking = inParallel(IN_FLIGHT, IN_FLIGHT, async (index) => {
    await ledger.attempt(String(index), () => bus.request('state', index));
    settledAfter.push(performance.now() - start);
  });
  await first.next('that it holds all of them');
  await first.kill();
  await bounded(asking, 'all calls to settle');
  assert.deepEqual(ledger.rejections, { REQUEST_TIMEOUT: IN_FLIGHT });
  assert.deepEqual(
    settledAfter.filter((ms) => ms < TIMEOUT_MS - 1 || ms > TIMEOUT_MS + LATE_MS),
    [],
    'each at its deadline',
  );
  assert.equal(bus.metrics().request_timeouts, IN_FLIGHT);
  assert.equal(bus.stats().cooling_down, 1, 'nothing came from that endpoint');
  await assert.rejects(bus.request('state', 'meanwhile'), { code: 'COOLING_DOWN' });

  // Asked for while the endpoint cools down: it waits for the peer, and not for the window.
  const ready = bounded(bus.ready(), 'ready()');
  const second = new PeerProcess(t, 'responder', endpoint, 'echo');
  await second.next('its endpoint');
  await ready;
  assert.equal(bus.stats().cooling_down, 0, 'the connection has ended the cool-down');
  const after = new Ledger();
  await inParallel(IN_FLIGHT, IN_FLIGHT, (index) =>
    after.attempt(String(index), async () => after.saw(await bus.request('state', index))),
  );
  assert.deepEqual(after.rejections, {});
  assert.deepEqual(after.account, allWell(IN_FLIGHT));
});
