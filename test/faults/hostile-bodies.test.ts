/** Packets that can be read and hold what must not get further: too many headers, and JSON made to hurt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Push } from 'zeromq';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import { encodePacket } from '../../src/core/packet.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import { allWell, Ledger } from './ledger.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';

const GOOD = 300;
const TOPIC = 1;

/** A header block by hand: the encoder refuses what is over a limit. */
function block(...headers: readonly (readonly [name: string, value: string])[]): Buffer {
  const entries = headers.map(([name, value]) => {
    const key =
      name === 'topic' ? Buffer.from([TOPIC]) : Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name)]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(value.length);
    return Buffer.concat([key, length, Buffer.from(value)]);
  });
  return Buffer.concat([Buffer.from([KIND_NUMBERS.message]), ...entries]);
}

function packet(headerBlock: Buffer, ...payloads: readonly (string | Uint8Array)[]): Uint8Array[] {
  const records = payloads.map((payload) => ({ headerBlock, payload: Buffer.from(payload) }));
  return encodePacket(records, { epoch: 7, firstSequence: 1, sentAtUs: 1 });
}

const many = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, index) => [`x-${String(index)}`, 'v']);
const task: [string, string] = ['topic', 'task'];
const plain = block(task);

/** Over a limit of the receiver. */
const OVERSIZE: Readonly<Record<string, Uint8Array[]>> = {
  '65 headers': packet(block(task, ...many(64)), '1'),
  '500 headers': packet(block(task, ...many(500)), '1'),
  'headers of 60 KB': packet(block(task, ['x-a', 'v'.repeat(30_000)], ['x-b', 'v'.repeat(30_000)]), '1'),
  '101 records': packet(plain, ...Array<string>(101).fill('1')),
  'a record among good ones with 65 headers': encodePacket(
    [plain, block(task, ...many(64)), plain].map((headerBlock) => ({ headerBlock, payload: Buffer.from('1') })),
    { epoch: 7, firstSequence: 1, sentAtUs: 1 },
  ),
  '9 frames': packet(plain, ...Array<Buffer>(8).fill(Buffer.alloc(8193, 0x20))),
};

/** Bodies that no handler may see. */
const BOMBS: Readonly<Record<string, string | Uint8Array>> = {
  'arrays a million deep': '['.repeat(1_000_000) + ']'.repeat(1_000_000),
  'objects 100,000 deep': '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000),
  'arrays without an end': '['.repeat(1_000_000),
  'one level too deep': '['.repeat(65) + ']'.repeat(65),
  'depth hidden behind strings': `{"a":"${']'.repeat(1000)}","b":${'['.repeat(65)}${']'.repeat(65)}}`,
  'a prototype': '{"__proto__":{"isAdmin":true}}',
  'a prototype in an escape': '{"\\u005f_proto__":{"isAdmin":true}}',
  'a prototype in escapes only': '{"\\u005f\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f\\u005f":{"isAdmin":true}}',
  'a prototype far inside': `{"a":[{"b":[[{"__proto__":1}]]}]}`,
  'a constructor': '{"constructor":{"prototype":{"isAdmin":true}}}',
  'bytes that are not UTF-8': Buffer.from([0x22, 0xc3, 0x28, 0x22]),
  'an overlong NUL': Buffer.from([0x22, 0xc0, 0x80, 0x22]),
  'half a surrogate pair in UTF-8': Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
  'a byte order mark': Buffer.from([0xef, 0xbb, 0xbf, 0x31]),
  'UTF-16': Buffer.from('{"a":1}', 'utf16le'),
  'two values': '1 2',
  NaN: 'NaN',
};

test(
  'headers and bodies made to hurt are dropped as what they are, and the good ones between them arrive',
  {
    timeout: 60_000,
  },
  async (t) => {
    const ledger = new Ledger();
    const puller = party(t, 'puller', {
      endpoints: { pull: { bind: FREE } },
      transport: zeromq({ maxRecords: 100, maxFrames: 8 }),
    });
    puller.bus.pull('>', ({ body }) => ledger.saw(body));
    const endpoint = await addressOf(puller.bus, 'pull');
    const pusher = party(t, 'pusher', { endpoints: { push: { connect: [endpoint] } } });
    const enemy = new Push({ linger: 0, sendHighWaterMark: 0 });
    t.after(() => enemy.close());
    enemy.connect(endpoint);
    const hostile = [...Object.values(OVERSIZE), ...Object.values(BOMBS).map((bomb) => packet(plain, bomb))];
    const since = performance.now();
    await Promise.all([
      (async () => {
        for (const frames of hostile) await bounded(enemy.send(frames), 'a hostile message to leave');
      })(),
      inParallel(GOOD, 1, (index) => ledger.attempt(String(index), () => pusher.bus.push('task', index))),
    ]);
    await until(
      () => ledger.seen.length >= GOOD && puller.bus.metrics().inbound_dropped >= hostile.length,
      () =>
        `${String(ledger.seen.length)} good ones, ${String(puller.bus.metrics().inbound_dropped)} dropped, ${ledger.seen
          .filter((name) => name.length > 3)
          .join()
          .slice(0, 200)}|`,
    );
    assert.ok(performance.now() - since < 5000, 'in little time');
    assert.deepEqual(ledger.account, allWell(GOOD));
    const told: Record<string, number> = {};
    for (const error of puller.errors) {
      const { code } = error as Error & { code: string };
      told[code] = (told[code] ?? 0) + 1;
      // No line of the log is written by a stranger.
      assert.doesNotMatch(error.message, /[\r\n]/);
      assert.ok(error.message.length < 1000);
    }
    assert.deepEqual(told, {
      MESSAGE_TOO_LARGE: Object.keys(OVERSIZE).length,
      DESERIALIZE_FAILED: Object.keys(BOMBS).length,
    });
    assert.equal(puller.bus.metrics().inbound_dropped, hostile.length);
    assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
  },
);

test('no limit of the receiver is in the way of what the bus itself packs', { timeout: 60_000 }, async (t) => {
  const seen: unknown[] = [];
  const publisher = party(t, 'publisher', { endpoints: { publish: { bind: FREE } }, slowSubscribers: 'wait' });
  await publisher.bus.ready();
  const endpoint = await addressOf(publisher.bus, 'publish');
  const subscriber = party(t, 'subscriber', { endpoints: { subscribe: { connect: [endpoint] } } });
  subscriber.bus.subscribe('>', ({ body }) => void seen.push(body));
  await publisher.bus.ready({ topic: 'a', subscribers: 1, timeoutMs: 8000 });
  // Small ones by the thousand, and some that travel as frames of their own.
  const bodies = [...Array.from({ length: 3000 }, (_, index) => index), ...Array<string>(40).fill('x'.repeat(9000))];
  await Promise.all(bodies.map((body) => publisher.bus.publish('a', body)));
  await until(
    () => seen.length === bodies.length,
    () => `${String(bodies.length)} messages, got ${String(seen.length)}`,
  );
  assert.deepEqual(subscriber.errors, []);
});
