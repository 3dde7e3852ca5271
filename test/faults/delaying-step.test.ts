import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Subscriber } from 'zeromq';
import type { Middleware, Next, Stage } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { bounded, Gate, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger, names, seenOf } from './ledger.ts';
import type { Party } from './scene.ts';
import { addressOf, FREE, party } from './scene.ts';

const MESSAGES = 3000;

/** A step takes up to so long, and in one of three cases no time at all: fast messages are tempted to overtake slow ones. */
const LONGEST_MS = 8;

/** One message in so many is refused by the step; the others must not wait for it. */
const REFUSES_ONE_IN = 10;

/** So often that some arrive while messages they tell of are still in a step, and not so often that a busy machine counts as silent. */
const HEARTBEAT_MS = 50;

/** Many more than a silent publisher is granted before its subscribers connect anew. */
const HEARTBEATS = 12;

const TOPICS = ['price.a', 'price.b', 'price.c'];

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A step that takes its time in both directions, and refuses some messages where it is told to. */
function delaying(stage: Stage, refuses: 'send' | 'receive' | 'neither' = 'neither'): Middleware {
  const step = async (ctx: ReceiveContext | SendContext, next: Next): Promise<void> => {
    if (Math.random() < 2 / 3) await pause(Math.random() * LONGEST_MS);
    if (ctx.direction === refuses && ctx.headers.has('x-refused')) throw new Error('refused');
    await next();
  };
  return { name: `delaying-${stage}`, stage, verifies: stage === 'payload', send: step, receive: step };
}

/** Sender and receiver, both with steps that delay, joined by every pattern. */
async function pair(
  t: TestContext,
  refuses: 'send' | 'receive' | 'neither' = 'neither',
): Promise<{ left: Party; right: Party }> {
  const patient = {
    publishTimeoutMs: 60_000,
    pushTimeoutMs: 60_000,
    requestTimeoutMs: 60_000,
    hwmInbound: 5000,
    heartbeatMs: HEARTBEAT_MS,
  };
  const left = party(t, 'left', { endpoints: { publish: { bind: FREE } }, slowSubscribers: 'wait', ...patient });
  left.bus.use(delaying('body')).use(delaying('payload', refuses));
  await left.bus.ready();
  const right = party(t, 'right', {
    endpoints: {
      pull: { bind: FREE },
      respond: { bind: FREE },
      subscribe: { connect: [await addressOf(left.bus, 'publish')] },
    },
    ...patient,
  });
  right.bus.use(delaying('payload', refuses)).use(delaying('body'));
  return { left, right };
}

/** Calls in one turn after another, some of them at once; the order of the calls is the order of the names. */
async function sendAll(
  ledger: Ledger,
  list: readonly string[],
  send: (name: string, index: number) => Promise<unknown>,
): Promise<void> {
  const calls: Promise<void>[] = [];
  for (const [index, name] of list.entries()) {
    calls.push(ledger.attempt(name, () => send(name, index)));
    if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await bounded(Promise.all(calls), 'all calls', 30_000);
}

test('published through steps that delay at random on both sides: each topic is handled in the order of the calls', async (t) => {
  const { left, right } = await pair(t);
  const ledger = new Ledger();
  right.bus.subscribe('price.*', ({ body }) => ledger.saw(body));
  await right.bus.ready();
  const list = Array.from({ length: MESSAGES }, (_, index) => `${TOPICS[index % TOPICS.length]!} ${String(index)}`);
  await sendAll(ledger, list, (name) => left.bus.publish(name.split(' ')[0]!, name));
  await until(
    () => ledger.seen.length >= MESSAGES,
    () => `${String(MESSAGES)} messages, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(MESSAGES));
  for (const topic of TOPICS) assert.deepEqual(seenOf(topic, ledger.seen), seenOf(topic, list));
  assert.equal(right.bus.stats().gaps, 0);
});

test('pushed through steps that delay at random on both sides: each topic is handled in the order of the calls', async (t) => {
  const { left, right } = await pair(t);
  const ledger = new Ledger();
  right.bus.pull('>', ({ body }) => ledger.saw(body));
  const endpoint = await addressOf(right.bus, 'pull');
  const list = Array.from({ length: MESSAGES }, (_, index) => `${TOPICS[index % TOPICS.length]!} ${String(index)}`);
  await sendAll(ledger, list, (name) => left.bus.push(name.split(' ')[0]!, name, { endpoint }));
  await until(
    () => ledger.seen.length >= MESSAGES,
    () => `${String(MESSAGES)} messages, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(MESSAGES));
  for (const topic of TOPICS) assert.deepEqual(seenOf(topic, ledger.seen), seenOf(topic, list));
});

test('requested through steps that delay at random on both sides: handled in the order of the calls, every reply is its own', async (t) => {
  const { left, right } = await pair(t);
  const ledger = new Ledger();
  right.bus.respond('state', ({ body }) => {
    ledger.saw(body);
    return body;
  });
  const endpoint = await addressOf(right.bus, 'respond');
  const list = names('state', MESSAGES);
  await sendAll(ledger, list, async (name) => assert.equal(await left.bus.request('state', name, { endpoint }), name));
  assert.deepEqual(ledger.account, allWell(MESSAGES));
  assert.deepEqual(ledger.seen, list);
});

for (const side of ['send', 'receive'] as const) {
  test(`messages that a slow step refuses on the way ${side === 'send' ? 'out' : 'in'} hold nobody up and change no order`, async (t) => {
    const { left, right } = await pair(t, side);
    const seen: string[] = [];
    right.bus.subscribe('price.*', ({ body }) => void seen.push(String(body)));
    right.bus.pull('>', ({ body }) => void seen.push(String(body)));
    const endpoint = await addressOf(right.bus, 'pull');
    left.bus.push('warm-up', 'warm up', { endpoint }).catch(() => {});
    await right.bus.ready();
    const refused = (index: number): boolean => index % REFUSES_ONE_IN === 0;
    const headers = (index: number): Record<string, string> => (refused(index) ? { 'x-refused': '1' } : {});
    const ledgers = { publish: new Ledger(), push: new Ledger() };
    await Promise.all([
      sendAll(ledgers.publish, names('publish', MESSAGES), (name, index) =>
        left.bus.publish('price.a', name, { headers: headers(index) }),
      ),
      sendAll(ledgers.push, names('push', MESSAGES), (name, index) =>
        left.bus.push('task', name, { headers: headers(index), endpoint }),
      ),
    ]);
    const passed = MESSAGES - MESSAGES / REFUSES_ONE_IN;
    await until(
      () => seen.length >= 2 * passed + 1,
      () => `${String(2 * passed + 1)} messages, got ${String(seen.length)}`,
    );
    for (const [pattern, ledger] of Object.entries(ledgers)) {
      const expected = names(pattern, MESSAGES).filter((_, index) => !refused(index));
      assert.deepEqual(seenOf(pattern, seen), expected);
      const { accepted, rejected } = ledger.account;
      const onTheWayOut = side === 'send' ? MESSAGES - passed : 0;
      assert.deepEqual({ accepted, rejected }, { accepted: MESSAGES - onTheWayOut, rejected: onTheWayOut });
    }
    assert.equal(left.bus.metrics().outbound_dropped, side === 'send' ? 2 * (MESSAGES - passed) : 0);
    assert.equal(right.bus.metrics().inbound_dropped, side === 'receive' ? 2 * (MESSAGES - passed) : 0);
    // What was never sent has no sequence. What the payload stage refused never vouched for its own: it is missed, from the first good one on.
    assert.equal(right.bus.stats().gaps, side === 'send' ? 0 : MESSAGES - passed - 1);
  });
}

test('a step that hangs holds up what comes after it, but neither heartbeats nor ready(): nobody takes the publisher for dead', async (t) => {
  const gate = new Gate();
  const ledger = new Ledger();
  const hanging: Middleware = {
    name: 'hanging',
    stage: 'payload',
    async send(ctx, next) {
      if (ctx.topic === 'price.stuck') await gate.opened;
      await next();
    },
  };
  const publisher = party(t, 'publisher', {
    endpoints: { publish: { bind: FREE } },
    heartbeatMs: HEARTBEAT_MS,
    publishTimeoutMs: 60_000,
  });
  publisher.bus.use(hanging);
  await publisher.bus.ready();
  const endpoints = { subscribe: { connect: [await addressOf(publisher.bus, 'publish')] } };
  const early = party(t, 'early', { endpoints, heartbeatMs: HEARTBEAT_MS });
  early.bus.subscribe('price.*', ({ body }) => ledger.saw(body));
  await early.bus.ready();

  const list = ['price.stuck', 'price.next', 'price.last'];
  const publishing = sendAll(ledger, list, (name) => publisher.bus.publish(name, name));
  const heartbeats = bare(t, endpoints.subscribe.connect[0]!);
  for (let heard = 0; heard < HEARTBEATS; heard++) await bounded(heartbeats.receive(), 'a heartbeat');
  const late = party(t, 'late', { endpoints, heartbeatMs: HEARTBEAT_MS });
  late.bus.subscribe('price.*', () => {});
  await late.bus.ready();
  assert.deepEqual(ledger.seen, []);
  assert.deepEqual([early.bus.stats().reconnects, late.bus.stats().reconnects], [0, 0]);

  gate.open();
  await publishing;
  await until(() => ledger.seen.length >= list.length, 'what was held up');
  assert.deepEqual(ledger.seen, list);
  assert.deepEqual(ledger.account, allWell(list.length));
});

/** A bare socket that hears nothing but heartbeats. */
function bare(t: TestContext, endpoint: string): Subscriber {
  const socket = new Subscriber({ linger: 0 });
  t.after(() => socket.close());
  socket.connect(endpoint);
  socket.subscribe('_tb.heartbeat\0');
  return socket;
}
