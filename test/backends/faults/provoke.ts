/** The faults, each by the public API alone. A function resolves when its fault is there; what lasts goes on until the process ends. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { BusError, MessageBus } from 'tracebus';
import type { MessageBusConfig } from 'tracebus';
import { importKey, sign } from 'tracebus/middleware';
import { addressOf, FREE, pause } from './healthy.ts';

/** A port of the system's where nobody listens. */
const NOBODY = 'tcp://127.0.0.1:1';

const LARGE = 'x'.repeat(64 * 1024);
const ENOUGH_FAILURES = 20;
/** What ZeroMQ's greeting never begins with. */
const NO_GREETING = 'GET / HTTP/1.1\r\n\r\n'.padEnd(64, 'x');
const NEARLY_FULL = 900;
const SLOW_MS = 1500;
const SLOW_EVERY_MS = 200;

/** Far more than any queue of the sockets and the system holds. */
const MANY = 5000;

const QUIET: MessageBusConfig = {
  logger: { debug() {}, info() {}, warn() {}, error() {} },
  failedSocketCooldownMs: 50,
};

/** A publisher and a subscriber of it. */
async function pair(publishing: MessageBusConfig = {}, subscribing: MessageBusConfig = {}) {
  const publisher = new MessageBus('publisher', { ...QUIET, endpoints: { publish: { bind: FREE } }, ...publishing });
  await publisher.ready();
  const subscriber = new MessageBus('subscriber', {
    ...QUIET,
    endpoints: { subscribe: { connect: [await addressOf(publisher, 'publish')] } },
    ...subscribing,
  });
  return { publisher, subscriber };
}

/** A responder and who asks it. */
async function asking(handler: () => unknown, requestTimeoutMs: number): Promise<MessageBus> {
  const responder = new MessageBus('responder', { ...QUIET, endpoints: { respond: { bind: FREE } } });
  responder.respond('state', handler);
  const endpoint = await addressOf(responder, 'respond');
  return new MessageBus('asker', { ...QUIET, endpoints: { request: { connect: [endpoint] } }, requestTimeoutMs });
}

async function fails(call: Promise<unknown>, code: string): Promise<void> {
  const failure: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof BusError && failure.code === code)) {
    throw new Error(`Expected ${code}`, { cause: failure });
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (condition()) return;
    await pause(5);
  }
  throw new Error(`Waited in vain for ${what}`);
}

/** By name. */
export const FAULTS: Readonly<Record<string, () => Promise<void>>> = {
  /** One push that nobody takes. */
  async drop() {
    const bus = new MessageBus('pusher', { ...QUIET, endpoints: { push: { connect: [NOBODY] } }, pushTimeoutMs: 100 });
    await fails(bus.push('task', 1), 'SEND_TIMEOUT');
  },

  /** One event that a step of the receiver refuses. */
  async refusal() {
    const { publisher, subscriber } = await pair();
    subscriber.use({
      name: 'refuse',
      stage: 'body',
      receive() {
        throw new BusError('REJECTED', 'refused by a test');
      },
    });
    subscriber.subscribe('refused', () => {});
    await subscriber.ready();
    await publisher.publish('refused', 1);
    await until(() => subscriber.metrics().inbound_dropped === 1, 'a refused message');
  },

  /** One request that is never answered. */
  async timeout() {
    const bus = await asking(() => new Promise(() => {}), 200);
    await fails(bus.request('state', 1), 'REQUEST_TIMEOUT');
  },

  /** Handlers that fail, one after the other. */
  async failing() {
    const { publisher, subscriber } = await pair();
    subscriber.subscribe('bad', () => {
      throw new Error('fails on purpose');
    });
    await subscriber.ready();
    for (let count = 0; count < ENOUGH_FAILURES; count++) await publisher.publish('bad', count);
    await until(() => subscriber.metrics().errors >= ENOUGH_FAILURES, 'failed handlers');
  },

  /** A send that succeeds at the second attempt. No alert: a retry that helps is everyday. */
  async retry() {
    const pulling = new MessageBus('puller', { ...QUIET, endpoints: { pull: { bind: FREE } } });
    pulling.pull('task', () => {});
    const pushing = new MessageBus('pusher', {
      ...QUIET,
      endpoints: { push: { connect: [await addressOf(pulling, 'pull')] } },
    });
    let attempts = 0;
    pushing.use({
      name: 'flaky',
      stage: 'payload',
      send(_, next) {
        if (++attempts === 1) throw new BusError('TRANSPORT_FAILED', 'fails once, on purpose');
        return next();
      },
    });
    await pushing.push('task', 1);
    if (attempts !== 2) throw new Error(`Expected 2 attempts, got ${String(attempts)}`);
  },

  /** A subscriber that does not read: it is left behind, and knows afterwards what it missed. */
  async 'left-behind'() {
    const { publisher, subscriber } = await pair(
      { hwmPackets: 2, hwmOutbound: 4, publishTimeoutMs: 1000, heartbeatMs: 100 },
      { hwmPackets: 2, hwmInbound: 2 },
    );
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    subscriber.subscribe('large', () => released, { concurrency: 1 });
    await subscriber.ready();
    for (let count = 0; count < MANY && publisher.stats().subscribers_left_behind === 0; count++) {
      await Promise.all(Array.from({ length: 8 }, () => publisher.publish('large', LARGE)));
    }
    await publisher.publish('large', LARGE);
    release();
    await until(() => subscriber.stats().gaps > 0, 'a gap');
  },

  /** A peer that is not there, and calls that go on. */
  async 'dead-endpoint'() {
    const bus = new MessageBus('asker', {
      ...QUIET,
      failedSocketCooldownMs: 400,
      endpoints: { request: { connect: [NOBODY] } },
      requestTimeoutMs: 100,
    });
    await fails(bus.request('state', 1), 'SEND_TIMEOUT');
    setInterval(() => void bus.request('state', 1).catch(() => {}), 50);
  },

  /** Handlers and answers that take longer than a second. */
  async slow() {
    const { publisher, subscriber } = await pair();
    subscriber.subscribe('slow', () => pause(SLOW_MS));
    await subscriber.ready();
    const bus = await asking(() => pause(SLOW_MS), 10 * SLOW_MS);
    await bus.request('state', 1);
    setInterval(() => {
      void publisher.publish('slow', 1);
      void bus.request('state', 1);
    }, SLOW_EVERY_MS);
  },

  /** A queue that fills because nobody takes anything. */
  async 'full-queue'() {
    const bus = new MessageBus('pusher', {
      ...QUIET,
      endpoints: { push: { connect: [NOBODY] } },
      pushTimeoutMs: 600_000,
    });
    for (let count = 0; count < NEARLY_FULL; count++) void bus.push('task', count).catch(() => {});
    await until(() => bus.stats().queued_messages === NEARLY_FULL, 'a full queue');
  },

  /** One event without a signature to a subscriber that wants one. */
  async forged() {
    const { publisher, subscriber } = await pair({}, { audience: 'test' });
    const key = importKey({ kid: 'test', alg: 'hmac-sha256', secret: Buffer.alloc(32, 7).toString('base64url') });
    subscriber.use(sign({ keys: [key], direction: 'receive' }));
    subscriber.subscribe('signed', () => {});
    await subscriber.ready();
    await publisher.publish('signed', 1);
    await until(() => subscriber.stats().unverified === 1, 'a message that is not authentic');
  },

  /** Somebody who speaks no ZeroMQ knocks, again and again. */
  async stranger() {
    const bus = new MessageBus('puller', { ...QUIET, endpoints: { pull: { bind: FREE } } });
    bus.pull('task', () => {});
    const { hostname, port } = new URL(await addressOf(bus, 'pull'));
    for (let count = 1; count <= ENOUGH_FAILURES; count++) {
      const socket = connect(Number(port), hostname).resume();
      socket.on('error', () => {}); // it is cut off, which is what it is here for
      socket.end(NO_GREETING);
      await once(socket, 'close');
    }
    await until(() => bus.stats().handshake_failures >= ENOUGH_FAILURES, 'refused handshakes');
  },
};
