import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import { Kernel } from '../../src/core/kernel.ts';
import { LinkKeeper } from '../../src/core/link-keeper.ts';
import type { KeeperOptions } from '../../src/core/link-keeper.ts';
import type { CoreBusOptions } from '../../src/core/options.ts';
import type { Link, LinkSpec } from '../../src/core/transport.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codeOf, deferred, RecordingLogger } from '../support/memory-bus.ts';
import type { Deferred } from '../support/memory-bus.ts';

/** A link of a transport that does as it is told. */
class FakeLink implements Link {
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  readonly sockets = 1;
  readonly spec: LinkSpec;
  closes = 0;
  closing: Promise<void> = Promise.resolve();

  constructor(spec: LinkSpec) {
    this.spec = spec;
    this.endpoint = spec.endpoint;
    this.mode = spec.mode;
  }

  close(): Promise<void> {
    this.closes++;
    return this.closing;
  }
}

function shop(options: Partial<KeeperOptions<FakeLink>> = {}, busOptions: Partial<CoreBusOptions> = {}) {
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const kernel = new Kernel({
    serviceName: 'test',
    transport: memory(),
    clock,
    logger,
    logLevel: 'debug',
    ...busOptions,
  });
  const opened: FakeLink[] = [];
  const log: string[] = [];
  let fail: Error | undefined;
  let hold: Deferred | undefined;
  const keeper = new LinkKeeper<FakeLink>(kernel, {
    operation: 'request',
    endpoint: 'tcp://127.0.0.1:5557',
    mode: 'connect',
    hwmPackets: 7,
    reopens: false,
    open: async (spec) => {
      log.push('open');
      if (hold !== undefined) await hold.promise;
      if (fail !== undefined) throw fail;
      const link = new FakeLink(spec);
      opened.push(link);
      return link;
    },
    onLink: (link) => void log.push(link === undefined ? 'gone' : 'link'),
    ...options,
  });
  return {
    clock,
    kernel,
    keeper,
    opened,
    log,
    logger,
    failWith: (error: Error | undefined) => (fail = error),
    holdOpening: () => (hold = deferred()),
    metrics: () => kernel.counters.documented(),
  };
}

const bindFailed = (): BusError => new BusError('BIND_FAILED', 'taken');
const timedOut = (): BusError => new BusError('REQUEST_TIMEOUT', 'no reply');

test('a link is opened when it is first needed, once for all who ask meanwhile', async () => {
  const { keeper, opened, log, kernel } = shop();
  assert.equal(keeper.link, undefined);
  assert.equal(keeper.sockets, 0);
  const [first, second] = [keeper.ensure(), keeper.ensure()];
  assert.equal(await first, await second);
  assert.equal(keeper.ensure(), opened[0], 'then at once');
  assert.deepEqual(log, ['open', 'link']);
  assert.equal(keeper.sockets, 1);
  const { spec } = opened[0]!;
  assert.deepEqual(
    [spec.endpoint, spec.mode, spec.hwmPackets, spec.closeLingerMs, spec.heartbeatMs, spec.clock],
    ['tcp://127.0.0.1:5557', 'connect', 7, 100, 1000, kernel.clock],
  );
});

test('a failed opening rejects who asked, is reported once and begins the cool-down', async () => {
  const { keeper, log, failWith, logger, metrics } = shop();
  failWith(new BusError('TRANSPORT_FAILED', 'no such device'));
  const asked = [keeper.ensure(), keeper.ensure()] as Promise<FakeLink>[];
  for (const one of asked) assert.equal(await codeOf(one), 'TRANSPORT_FAILED');
  assert.equal(keeper.coolingDown, true);
  assert.throws(() => keeper.ensure('price.tick'), /^BusError: COOLING_DOWN: .*\(topic "price.tick", endpoint tcp:/);
  assert.deepEqual(log, ['open']);
  assert.deepEqual(logger.at('error'), ['error tcp://127.0.0.1:5557 failed: TRANSPORT_FAILED: no such device.']);
  assert.equal(metrics().errors, 1);
  assert.equal(metrics().failed_bind_count, 0);
});

test('a cool-down counts once when it begins, not for the failures while it lasts', async () => {
  const { keeper, clock, kernel, failWith, logger } = shop({ mode: 'bind', operation: 'publish' });
  const counted = (): number[] => [...kernel.counters.coolDowns.all()].map(({ value }) => value);
  assert.deepEqual(counted(), []);
  failWith(new BusError('TRANSPORT_FAILED', 'x'));
  await codeOf(Promise.resolve(keeper.ensure()));
  assert.deepEqual(
    [...kernel.counters.coolDowns.all()],
    [{ operation: 'publish', destination: undefined, errorType: undefined, value: 1 }],
  );
  clock.advance(5000);
  keeper.timedOut(timedOut());
  keeper.timedOut(timedOut());
  assert.equal(keeper.coolingDown, true);
  assert.deepEqual(counted(), [1], 'it is left alone already');
  clock.advance(10_000);
  assert.equal(keeper.coolingDown, false);
  assert.deepEqual(counted(), [1], 'the end counts nothing');
  keeper.timedOut(timedOut());
  assert.deepEqual(counted(), [2]);
  assert.equal(logger.at('error').length, 1, 'time-outs are told by their calls');
});

test('where the cool-down time is 0 none is counted', () => {
  const { keeper, kernel } = shop({}, { failedSocketCooldownMs: 0 });
  keeper.timedOut(timedOut());
  assert.equal(keeper.coolingDown, false);
  assert.equal(kernel.counters.coolDowns.total, 0);
});

test('a transport that throws instead of rejecting is the same', async () => {
  const { keeper } = shop({
    open: () => {
      throw new BusError('UNSUPPORTED', 'not here');
    },
  });
  assert.equal(await codeOf(Promise.resolve(keeper.ensure())), 'UNSUPPORTED');
  assert.equal(keeper.coolingDown, true);
});

test('the next call after the cool-down opens anew', async () => {
  const { keeper, clock, failWith, opened } = shop();
  failWith(new BusError('TRANSPORT_FAILED', 'x'));
  await codeOf(Promise.resolve(keeper.ensure()));
  failWith(undefined);
  clock.advance(9999);
  assert.throws(() => keeper.ensure(), /COOLING_DOWN/);
  assert.equal(clock.pending, 0, 'a sender opens with the next call, not by a timer');
  clock.advance(1);
  assert.equal(await keeper.ensure(), opened[0]);
});

test('a failed bind counts, and is tried again by itself until it works', async () => {
  const { keeper, clock, failWith, opened, metrics, log } = shop({ mode: 'bind', operation: 'publish' });
  failWith(bindFailed());
  assert.equal(await codeOf(Promise.resolve(keeper.ensure())), 'BIND_FAILED');
  await clock.pass(10_000, 5000);
  await clock.pass(10_000, 5000);
  assert.equal(metrics().failed_bind_count, 3);
  assert.equal(log.length, 3);
  assert.equal(clock.holding, 0, 'the timer lets the process exit');
  failWith(undefined);
  await clock.pass(10_000, 5000);
  assert.equal(opened.length, 1);
  assert.equal(keeper.ensure(), opened[0], 'no call was needed');
  assert.equal(keeper.coolingDown, false);
  assert.equal(clock.pending, 0);
});

test('a receiver opens again by itself after any failure', async () => {
  const { keeper, clock, failWith, opened } = shop({ reopens: true, operation: 'subscribe' });
  failWith(new BusError('TRANSPORT_FAILED', 'x'));
  await codeOf(Promise.resolve(keeper.ensure()));
  failWith(undefined);
  await clock.pass(10_000, 5000);
  assert.equal(opened.length, 1);
});

test('a link that breaks is closed at once, and the writer learns that it is gone', async () => {
  const { keeper, opened, log, clock, metrics } = shop();
  await keeper.ensure();
  opened[0]!.spec.events.onFailure(new BusError('TRANSPORT_FAILED', 'reset'));
  assert.deepEqual(log, ['open', 'link', 'gone']);
  assert.equal(opened[0]!.closes, 1);
  assert.equal(keeper.link, undefined);
  assert.equal(keeper.coolingDown, true);
  assert.equal(metrics().errors, 1);
  clock.advance(10_000);
  await keeper.ensure();
  assert.equal(opened.length, 2);
});

test('a time-out leaves the link open, and the next call after the cool-down replaces it', async () => {
  const { keeper, opened, clock } = shop();
  await keeper.ensure();
  keeper.timedOut(timedOut());
  assert.equal(opened[0]!.closes, 0);
  assert.equal(keeper.link, opened[0]);
  assert.throws(() => keeper.ensure(), /COOLING_DOWN/);
  clock.advance(10_000);
  assert.equal(opened[0]!.closes, 0, 'not before it is needed');
  await keeper.ensure();
  assert.equal(opened[0]!.closes, 1);
  assert.equal(keeper.link, opened[1]);
});

test('a peer that connects ends the cool-down at once, and the link that it came to stays', async () => {
  const { keeper, opened, clock } = shop();
  await keeper.ensure();
  keeper.timedOut(timedOut());
  opened[0]!.spec.events.onPeerConnected();
  assert.equal(keeper.coolingDown, false);
  assert.equal(keeper.ensure(), opened[0]);
  clock.advance(20_000);
  assert.equal(keeper.ensure(), opened[0]);
});

test('a bound link is never replaced for a time-out: its other peers are well', async () => {
  const { keeper, opened, clock } = shop({ mode: 'bind' });
  await keeper.ensure();
  keeper.timedOut(timedOut());
  assert.throws(() => keeper.ensure(), /COOLING_DOWN/);
  clock.advance(10_000);
  assert.equal(keeper.ensure(), opened[0]);
  assert.equal(opened[0]!.closes, 0);
});

test('peers are counted as the transport tells, never below none, and from none again with a new link', async () => {
  const { keeper, opened, clock } = shop();
  await keeper.ensure();
  const { events } = opened[0]!.spec;
  events.onPeerConnected();
  events.onPeerConnected();
  events.onPeerDisconnected();
  assert.equal(keeper.peers, 1);
  events.onPeerDisconnected();
  events.onPeerDisconnected();
  assert.equal(keeper.peers, 0);
  events.onPeerConnected();
  keeper.timedOut(timedOut());
  clock.advance(10_000);
  await keeper.ensure();
  assert.equal(keeper.peers, 0);
});

test('facts that a link tells are counted under the operation', async () => {
  const { keeper, opened, kernel } = shop();
  await keeper.ensure();
  const { events } = opened[0]!.spec;
  for (const fact of ['reconnects', 'reconnects', 'handshakeFailures', 'subscribersLeftBehind'] as const) {
    events.onFact(fact);
  }
  events.onFact('handshakeFailures', 'auth_failed');
  events.onFact('handshakeFailures', 'auth_failed');
  events.onFact('handshakeFailures', 'handshake_failed');
  events.onFact('subscriptionsRefused');
  const { reconnects, handshakeFailures, subscribersLeftBehind, inboundDropped } = kernel.counters;
  assert.deepEqual([reconnects.total, handshakeFailures.total, subscribersLeftBehind.total], [2, 4, 1]);
  const byReason = [...handshakeFailures.all()].map(({ errorType, value }) => [errorType, value]);
  assert.deepEqual(byReason, [
    [undefined, 1],
    ['auth_failed', 2],
    ['handshake_failed', 1],
  ]);
  const dropped = [...inboundDropped.all()].map(({ operation, errorType, value }) => [operation, errorType, value]);
  assert.deepEqual(dropped, [['request', 'overflow', 1]]);
  assert.equal([...reconnects.all()][0]!.operation, 'request');
});

test('warm() opens the link ahead of the first call, and leaves alone what is open, opening, cooling down or closed', async () => {
  const { keeper, log, failWith, clock } = shop();
  keeper.warm();
  keeper.warm();
  await turns();
  keeper.warm();
  assert.deepEqual(log, ['open', 'link']);
  const other = shop();
  other.failWith(new BusError('TRANSPORT_FAILED', 'x'));
  other.keeper.warm();
  await turns();
  other.keeper.warm();
  assert.deepEqual(other.log, ['open'], 'a failure is reported, not thrown');
  await keeper.close();
  failWith(undefined);
  clock.advance(10_000);
  keeper.warm();
  assert.deepEqual(log, ['open', 'link', 'gone']);
});

test('close() closes the link, waits for it, and forbids what comes after', async () => {
  const { keeper, opened, log } = shop();
  await keeper.ensure();
  const closing = deferred();
  opened[0]!.closing = closing.promise;
  let closed = false;
  const done = keeper.close().then(() => (closed = true));
  await turns();
  assert.equal(closed, false);
  closing.resolve();
  await done;
  assert.deepEqual(log, ['open', 'link', 'gone']);
  assert.throws(() => keeper.ensure(), /^BusError: CLOSED: the bus is closed/);
  assert.equal(keeper.sockets, 0);
  await keeper.close();
  assert.equal(opened[0]!.closes, 1);
});

test('close() waits for a link that is still opening and closes it, and no writer ever gets it', async () => {
  const { keeper, opened, log, holdOpening } = shop();
  const hold = holdOpening();
  const asked = keeper.ensure() as Promise<FakeLink>;
  const done = keeper.close();
  hold.resolve();
  await Promise.all([asked, done]);
  assert.equal(opened[0]!.closes, 1);
  assert.ok(!log.includes('link'));
});

test('close() also waits for a link that was replaced and is still closing', async () => {
  const { keeper, opened, clock } = shop();
  await keeper.ensure();
  const closing = deferred();
  opened[0]!.closing = closing.promise;
  keeper.timedOut(timedOut());
  clock.advance(10_000);
  await keeper.ensure();
  let closed = false;
  const done = keeper.close().then(() => (closed = true));
  await turns();
  assert.equal(closed, false);
  closing.resolve();
  await done;
});

test('close() ends the retries of a failed bind', async () => {
  const { keeper, clock, failWith, log } = shop({ mode: 'bind' });
  failWith(bindFailed());
  await codeOf(Promise.resolve(keeper.ensure()));
  await keeper.close();
  assert.equal(clock.pending, 0);
  await clock.pass(20_000, 10_000);
  assert.deepEqual(log, ['open']);
});

test('a link that does not close is reported and does not keep the bus from closing', async () => {
  const { keeper, opened, logger } = shop();
  await keeper.ensure();
  opened[0]!.closing = Promise.reject(new Error('busy'));
  await keeper.close();
  assert.match(logger.at('error').join(), /closing tcp:\/\/127\.0\.0\.1:5557 failed: busy/);
});

test('what a link tells after the bus has closed changes nothing', async () => {
  const { keeper, opened, metrics, clock } = shop();
  await keeper.ensure();
  await keeper.close();
  opened[0]!.spec.events.onFailure(new BusError('TRANSPORT_FAILED', 'x'));
  keeper.timedOut(timedOut());
  assert.equal(metrics().errors, 0);
  assert.equal(clock.pending, 0);
});
