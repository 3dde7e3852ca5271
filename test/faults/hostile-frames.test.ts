import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Dealer, Publisher, Push, Router } from 'zeromq';
import type { Socket } from 'zeromq';
import { encodeHeaderBlock, MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Kind } from '../../src/core/kinds.ts';
import { decodePacket, encodePacket } from '../../src/core/packet.ts';
import { PACKET_HEADER_BYTES } from '../../src/core/packet-layout.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';

/** Good messages of a good peer, sent while the hostile ones come in. */
const GOOD = 500;

const MANY_FRAMES = 100_001;
const MAX_MESSAGE_BYTES = 131_072;

type Frames = (Uint8Array | string)[];

function packetOf(
  kind: Kind,
  headers: Record<string, string>,
  ...payloads: readonly (string | Uint8Array)[]
): Uint8Array[] {
  const records = payloads.map((payload) => ({
    headerBlock: encodeHeaderBlock(KIND_NUMBERS[kind], MessageHeaders.from(headers)),
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
  }));
  return encodePacket(records, { epoch: 7, firstSequence: 1, sentAtUs: 1 });
}

/** A copy with a number written over a place. */
function overwritten(packet: Uint8Array, at: number, value: number, bytes: 1 | 2 | 4): Buffer {
  const copy = Buffer.from(packet);
  copy.writeUIntBE(value, at, bytes);
  return copy;
}

/** How many of the {@link unreadable} are over a limit: two of records and headers, two of frames. */
const OVER_A_LIMIT = 4;

/** Packets that nobody can read, made from one that is good. */
function unreadable(kind: Kind, headers: Record<string, string>): Frames[] {
  const [good = Buffer.alloc(0)] = packetOf(kind, headers, '"a body"', '"another"');
  const [withExtra = Buffer.alloc(0), extra = Buffer.alloc(0)] = packetOf(kind, headers, Buffer.alloc(9000, 0x20));
  const recordAt = PACKET_HEADER_BYTES;
  const truncated = Array.from({ length: good.length }, (_, length): Frames => [good.subarray(0, length)]);
  return [
    ...truncated,
    ['', good],
    [good, good],
    [Buffer.concat([good, good])],
    [Buffer.concat([good, Buffer.from([0])])],
    // Payload frames: missing, of another length, in the wrong place, one too many.
    [withExtra],
    [withExtra, extra.subarray(1)],
    [extra, withExtra],
    [withExtra, extra, extra],
    // Lengths and counts that claim more than there is.
    [overwritten(good, 4, 0xffff, 2)],
    [overwritten(good, 4, 0, 2)],
    [overwritten(good, recordAt, 0xffff, 2)],
    [Buffer.concat([good.subarray(0, recordAt), Buffer.from('0000ffffffff', 'hex')])],
    // Another magic, version and kind, and numbers that are no safe integers.
    [overwritten(good, 0, 0x5443, 2)],
    [overwritten(good, 2, 99, 1)],
    [overwritten(good, recordAt + 2, 0xee, 1)],
    [overwritten(good, 6, 0xffff_ffff, 4)],
    [overwritten(good, 14, 0xffff_ffff, 4)],
    [overwritten(good, 22, 0xffff_ffff, 4)],
    [randomBytes(1024)],
    [Buffer.alloc(1024)],
    [Buffer.from('{"json":true}')],
    Array.from({ length: MANY_FRAMES }, () => Buffer.alloc(0)),
    [good, ...Array.from({ length: MANY_FRAMES - 1 }, () => Buffer.from('x'))],
  ];
}

/** A bare socket of the test, closed when it ends. */
function bare<S extends Socket>(t: TestContext, socket: S): S {
  t.after(() => socket.close());
  return socket;
}

const OPTIONS = { linger: 0, sendHighWaterMark: 0 };

async function sendEach(socket: { send(frames: Frames): Promise<void> }, list: readonly Frames[]): Promise<void> {
  for (const frames of list) await bounded(socket.send(frames), 'a hostile message to leave');
}

interface Watched {
  readonly bus: { metrics(): { inbound_dropped: number; errors: number } };
  readonly errors: readonly Error[];
}

/** Each hostile message was dropped, counted and told, as what it is; nothing else went wrong. */
async function assertDropped({ bus, errors }: Watched, hostile: number): Promise<void> {
  await until(
    () => bus.metrics().inbound_dropped >= hostile,
    () => `${String(hostile)} drops, got ${String(bus.metrics().inbound_dropped)}`,
  );
  const { inbound_dropped, errors: counted } = bus.metrics();
  assert.deepEqual(
    { inbound_dropped, counted, told: errors.length },
    { inbound_dropped: hostile, counted: hostile, told: hostile },
  );
  const told = { MALFORMED_PACKET: 0, MESSAGE_TOO_LARGE: 0 };
  for (const error of errors) told[(error as Error & { code: keyof typeof told }).code] += 1;
  assert.deepEqual(told, { MALFORMED_PACKET: hostile - OVER_A_LIMIT, MESSAGE_TOO_LARGE: OVER_A_LIMIT });
}

test('a puller drops and counts what it cannot read, and its good pusher loses nothing', async (t) => {
  const ledger = new Ledger();
  const puller = party(t, 'puller', { endpoints: { pull: { bind: FREE } } });
  puller.bus.pull('>', ({ body }) => ledger.saw(body));
  const endpoint = await addressOf(puller.bus, 'pull');
  const pusher = party(t, 'pusher', { endpoints: { push: { connect: [endpoint] } } });
  const hostile = [
    ...unreadable('message', { topic: 'task' }),
    // Readable, and without a topic that could be anybody's.
    packetOf('message', {}, '1'),
    packetOf('message', { topic: 'a..b' }, '1'),
    packetOf('message', { topic: '_tb.heartbeat' }, '1'),
  ];
  const enemy = bare(t, new Push(OPTIONS));
  enemy.connect(endpoint);
  await Promise.all([
    sendEach(enemy, hostile),
    inParallel(GOOD, 1, (index) => ledger.attempt(String(index), () => pusher.bus.push('task', index))),
  ]);
  await until(
    () => ledger.seen.length >= GOOD,
    () => `${String(GOOD)} good ones, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(GOOD));
  await assertDropped(puller, hostile.length);
});

test('a responder drops and counts what it cannot read, and its good requester gets every reply', async (t) => {
  const ledger = new Ledger();
  const responder = party(t, 'responder', { endpoints: { respond: { bind: FREE } } });
  responder.bus.respond('state', ({ body }) => {
    ledger.saw(body);
    return body;
  });
  const endpoint = await addressOf(responder.bus, 'respond');
  const asker = party(t, 'asker', { endpoints: { request: { connect: [endpoint] } } });
  const headers = { topic: 'state', correlation: '1' };
  const hostile: Frames[] = [
    ...unreadable('request', headers).map((frames): Frames => ['', ...frames]),
    // Without the delimiter, with nothing behind it, and with the packet before it.
    packetOf('request', headers, '1'),
    [''],
    [...packetOf('request', headers, '1'), ''],
    // Readable, and no request.
    ['', ...packetOf('request', { correlation: '1' }, '1')],
    ['', ...packetOf('request', { topic: '_tb.heartbeat', correlation: '1' }, '1')],
    ['', ...packetOf('message', headers, '1')],
    ['', ...packetOf('reply', headers, '1')],
    ['', ...packetOf('heartbeat', headers, '1')],
  ];
  const enemy = bare(t, new Dealer(OPTIONS));
  enemy.connect(endpoint);
  await Promise.all([
    sendEach(enemy, hostile),
    inParallel(GOOD, 10, (index) =>
      ledger.attempt(String(index), async () => assert.equal(await asker.bus.request('state', index), index)),
    ),
  ]);
  assert.deepEqual(ledger.account, allWell(GOOD));
  await assertDropped(responder, hostile.length);
  // A cancel of somebody else's request, or of none, changes nothing and is nothing to complain of.
  await sendEach(enemy, [['', ...packetOf('cancel', headers, '')]]);
  assert.equal(await asker.bus.request('state', 'after'), 'after');
  assert.equal(responder.bus.metrics().errors, hostile.length);
});

test('a requester drops and counts replies that it cannot read, and its calls get theirs', async (t) => {
  const router = bare(t, new Router({ ...OPTIONS, sendTimeout: 0 }));
  router.bindSync(FREE);
  const asker = party(t, 'asker', { endpoints: { request: { connect: [router.lastEndpoint!] } } });
  const call = asker.bus.request('state', 'question');
  const [routingId = Buffer.alloc(0), , ...asked] = await bounded(router.receive(), 'the request');
  const correlation = decodePacket(asked).records[0]?.headers.getText('correlation') ?? '';
  const headers = { topic: 'state', correlation };
  const hostile: Frames[] = [
    ...unreadable('reply', headers).map((frames): Frames => ['', ...frames]),
    packetOf('reply', headers, '1'),
    ['', ...packetOf('request', headers, '1')],
    ['', ...packetOf('message', headers, '1')],
    ['', ...packetOf('cancel', headers, '1')],
  ];
  await sendEach({ send: (frames) => router.send([routingId, ...frames]) }, hostile);
  await router.send([routingId, '', ...packetOf('reply', headers, '"answer"')]);
  assert.equal(await bounded(call, 'the reply'), 'answer');
  await assertDropped(asker, hostile.length);
});

test('a subscriber drops and counts what it cannot read, and its good publisher loses nothing', async (t) => {
  const ledger = new Ledger();
  const publisher = party(t, 'publisher', { endpoints: { publish: { bind: FREE } }, slowSubscribers: 'wait' });
  await publisher.bus.ready();
  const enemy = bare(t, new Publisher(OPTIONS));
  enemy.bindSync(FREE);
  const endpoints = [await addressOf(publisher.bus, 'publish'), enemy.lastEndpoint!];
  const subscriber = party(t, 'subscriber', { endpoints: { subscribe: { connect: endpoints } } });
  const greetings: string[] = [];
  subscriber.bus.subscribe('>', ({ body }) => (body === 'hello' ? void greetings.push('hello') : ledger.saw(body)));
  // The enemy has no ready(): it greets until it is heard.
  const hello: Frames = ['price.tick\0', ...packetOf('message', {}, '"hello"')];
  await until(() => (void enemy.send(hello).catch(() => {}), greetings.length > 0), 'the enemy to be heard');
  await publisher.bus.ready({ topic: 'price.tick', subscribers: 1 });

  const topic = 'price.tick\0';
  const hostile: Frames[] = [
    ...unreadable('message', {}).map((frames): Frames => [topic, ...frames]),
    // Topics without the end, with an end inside, no topic at all, and the packet first.
    ['price.tick', ...packetOf('message', {}, '1')],
    ['price\0tick\0', ...packetOf('message', {}, '1')],
    ['price..tick\0', ...packetOf('message', {}, '1')],
    ['\0', ...packetOf('message', {}, '1')],
    ['', ...packetOf('message', {}, '1')],
    [...packetOf('message', {}, '1'), topic],
    [topic],
    // Heartbeats that name no streams.
    ['_tb.heartbeat\0', ...packetOf('heartbeat', {}, 'no JSON')],
    ['_tb.heartbeat\0', ...packetOf('heartbeat', {}, '{"streams":[["price.tick"]]}')],
    ['_tb.heartbeat\0', ...packetOf('heartbeat', {}, '{"streams":[["price.tick","7",1e300]]}')],
    ['_tb.heartbeat\0', ...packetOf('heartbeat', {}, '[]')],
  ];
  await Promise.all([
    sendEach(enemy, hostile),
    inParallel(GOOD, 1, (index) => ledger.attempt(String(index), () => publisher.bus.publish('price.tick', index))),
  ]);
  await until(
    () => ledger.seen.length >= GOOD,
    () => `${String(GOOD)} good ones, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(GOOD));
  await assertDropped(subscriber, hostile.length);
  assert.equal(subscriber.bus.stats().gaps, 0);
});

test('a peer that sends more than a bound socket allows loses its connection, and nobody else notices', async (t) => {
  const ledger = new Ledger();
  const transport = zeromq({ maxMessageBytes: MAX_MESSAGE_BYTES, reconnectMs: 5, reconnectMaxMs: 40 });
  const puller = party(t, 'puller', { endpoints: { pull: { bind: FREE } }, transport });
  puller.bus.pull('>', ({ body }) => ledger.saw(body));
  const endpoint = await addressOf(puller.bus, 'pull');
  const pusher = party(t, 'pusher', { endpoints: { push: { connect: [endpoint] } }, transport });
  const enemy = bare(t, new Push(OPTIONS));
  let lost = 0;
  const watching = (async () => {
    for await (const { type } of enemy.events) if (type === 'disconnect') lost++;
  })();
  enemy.connect(endpoint);
  const oversize = [Buffer.alloc(MAX_MESSAGE_BYTES + 1)];
  await Promise.all([
    sendEach(enemy, [oversize]),
    inParallel(GOOD, 1, (index) => ledger.attempt(String(index), () => pusher.bus.push('task', index))),
  ]);
  await until(() => lost > 0, 'the enemy to lose its connection');
  await until(
    () => ledger.seen.length >= GOOD,
    () => `${String(GOOD)} good ones, got ${String(ledger.seen.length)}`,
  );
  assert.deepEqual(ledger.account, allWell(GOOD));
  assert.equal(puller.bus.metrics().inbound_dropped, 0, 'libzmq never read it');
  // Its own side refuses it before it can do harm.
  await assert.rejects(pusher.bus.push('task', 'x'.repeat(MAX_MESSAGE_BYTES)), { code: 'MESSAGE_TOO_LARGE' });
  await pusher.bus.push('task', 'after');
  await until(() => ledger.seen.at(-1) === 'after', 'the next push');
  enemy.close();
  await watching;
});
