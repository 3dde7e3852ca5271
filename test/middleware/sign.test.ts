import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Counters } from '../../src/core/counters.ts';
import type { BusError } from '../../src/core/errors.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import type { Key } from '../../src/middleware/key.ts';
import { sign } from '../../src/middleware/sign.ts';
import type { SignOptions } from '../../src/middleware/sign.ts';
import { done } from './contexts.ts';
import { aesKey, ed25519Keys, hmacKey } from './keys-for-tests.ts';
import { arrived, outgoing, received, sent, started, verdict, withHeaders } from './over-the-wire.ts';
import type { Outgoing, Travelling } from './over-the-wire.ts';

const NOW = 1_700_000_000_000;

/** A step that has started, and what it counted, by reason. */
function signer(
  keys: SignOptions['keys'],
  options: Partial<SignOptions> = {},
  audience = 'demo',
): { step: Middleware; reasons: () => Record<string, number>; log: string[] } {
  const counters = new Counters();
  const log: string[] = [];
  const note = (line: string): void => void log.push(line);
  const logger = { debug: note, info: note, warn: note, error: note };
  const step = started(sign({ keys, now: () => NOW, ...options }), { counters, audience, logger });
  const reasons = (): Record<string, number> =>
    Object.fromEntries([...counters.unverified.all()].map(({ errorType, value }) => [errorType ?? '', value]));
  return { step, reasons, log };
}

describe('sign', () => {
  it('waits for a key that never comes as long as its provider says, else 5 s, in both directions', async (t) => {
    const { step: good } = signer([hmacKey()]);
    const message = await sent([good], outgoing());
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const never = (): Promise<undefined> => new Promise(() => {});
    for (const [timeoutMs, limit] of [
      [undefined, 5000],
      [50, 50],
    ] as const) {
      const { step, reasons } = signer({ get: never, current: never, ...(timeoutMs !== undefined && { timeoutMs }) });
      const ends: string[] = [];
      const both = [
        verdict([step], message),
        sent([step]).then(String, (error: unknown) => (error as BusError).code),
      ].map((end) => end.then((code) => ends.push(code)));
      t.mock.timers.tick(limit - 1);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(ends, []);
      t.mock.timers.tick(1);
      await Promise.all(both);
      assert.deepEqual(ends.sort(), ['REJECTED', 'UNVERIFIED']);
      assert.deepEqual(reasons(), { keys_unavailable: 1 });
    }
    assert.throws(() => signer({ get: never, current: never, timeoutMs: 0 }), { message: /`keys\.timeoutMs`/ });
  });

  it('lets through what was signed, of every pattern and kind, with HMAC and with Ed25519', async () => {
    const pair = ed25519Keys();
    const shared = hmacKey();
    const pairs: readonly (readonly [Key, Key])[] = [
      [shared, shared],
      [pair.signs, pair.verifies],
    ];
    const messages: Outgoing[] = [
      {},
      { payload: Buffer.alloc(0) },
      { payload: Buffer.alloc(400_000, 7) },
      { pattern: 'push' },
      { pattern: 'request', headers: { 'x-lot': '7', 'x-raw': Buffer.from([0, 255]) } },
      { pattern: 'request', kind: 'cancel', correlation: 'c' },
    ];
    for (const [signs, verifies] of pairs) {
      const [from, to] = [signer([signs]).step, signer([verifies]).step];
      for (const message of messages) {
        const ctx = outgoing(message);
        const before = Buffer.from(ctx.payload);
        const got = await received([to], arrived(await sent([from], ctx)));
        assert.deepEqual(Buffer.from(got.payload), before);
      }
    }
  });

  it('refuses every flipped bit and every truncation of a signed message, headers, payload and signature alike', async () => {
    const pair = ed25519Keys();
    const shared = hmacKey();
    for (const [signs, verifies] of [[shared, shared] as const, [pair.signs, pair.verifies] as const]) {
      const { step, reasons } = signer([verifies]);
      const message = await sent([signer([signs]).step], outgoing({ headers: { 'x-lot': '7' } }));
      let tried = 0;
      for (const part of ['headerBlock', 'payload'] as const) {
        for (let bit = 0; bit < message[part].length * 8; bit++) {
          const bytes = Buffer.from(message[part]);
          bytes[bit >> 3]! ^= 1 << (bit & 7);
          assert.notEqual(await verdict([step], { ...message, [part]: bytes }), 'ok', `${part} bit ${bit}`);
          tried++;
        }
        for (let length = 0; length < message[part].length; length++) {
          const cut = { ...message, [part]: message[part].subarray(0, length) };
          assert.notEqual(await verdict([step], cut), 'ok', `${part} cut to ${length}`);
        }
        const longer = { ...message, [part]: Buffer.concat([message[part], Buffer.from([0])]) };
        assert.notEqual(await verdict([step], longer), 'ok', `${part} longer`);
      }
      assert.ok(tried > 600, String(tried));
      assert.ok((reasons()['signature'] ?? 0) > 200, inspect(reasons()));
      assert.equal(await verdict([step], message), 'ok', 'none of them moved the window');
    }
  });

  it('refuses a message under another topic, pattern, kind, bus, sender, header or payload', async () => {
    const key = hmacKey();
    const { step } = signer([key]);
    const elsewhere = signer([key], {}, 'other').step;
    const text = fc
      .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 8 })
      .map((one) => `x${one.replace(/[^a-z]/gi, '')}`);
    const shape = fc.record({ topic: text, lot: text, payload: fc.uint8Array({ maxLength: 24 }) });
    await fc.assert(
      fc.asyncProperty(shape, shape, async (one, two) => {
        const make = ({ topic, lot, payload }: typeof one): Outgoing => ({ topic, headers: { 'x-lot': lot }, payload });
        const [a, b] = [await sent([step], outgoing(make(one))), await sent([step], outgoing(make(two)))];
        const swaps: Travelling[] = [
          { ...a, pattern: 'push' },
          { ...a, topic: `${a.topic}x` },
          { ...a, headerBlock: withHeaders(a.headerBlock, (headers) => headers.set('x-lot', `${one.lot}x`)) },
          { ...a, headerBlock: withHeaders(a.headerBlock, (headers) => headers.set('sender', 'svc-b')) },
          { ...a, headerBlock: withHeaders(a.headerBlock, (headers) => headers.delete('x-lot')) },
          { ...a, headerBlock: Buffer.concat([Buffer.from([KIND_NUMBERS.request]), a.headerBlock.subarray(1)]) },
          { ...a, payload: Buffer.concat([a.payload, Buffer.from([0])]) },
          // A byte that moves from the end of the topic to the headers, as far as that is possible.
          {
            ...a,
            topic: a.topic.slice(0, -1),
            headerBlock: withHeaders(a.headerBlock, (headers) => headers.set('x-lot', a.topic.slice(-1) + one.lot)),
          },
        ];
        if (one.topic !== two.topic) swaps.push({ ...a, topic: b.topic });
        if (!a.payload.equals(b.payload)) swaps.push({ ...a, payload: b.payload });
        if (one.lot !== two.lot)
          swaps.push({
            ...a,
            headerBlock: Buffer.concat([b.headerBlock.subarray(0, -(32 + 29)), a.headerBlock.subarray(-(32 + 29))]),
          });
        for (const swapped of swaps) assert.notEqual(await verdict([step], swapped), 'ok');
        assert.equal(await verdict([elsewhere], a), 'UNVERIFIED', 'another bus');
        assert.equal(await verdict([step], a), 'ok');
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a second time, the past and the future', async () => {
    const key = hmacKey();
    const { step, reasons } = signer([key], { maxAgeMs: 1000 });
    const message = await sent([step]);
    const socket = {};
    assert.equal(await verdict([step], message, { socket }), 'ok');
    assert.equal(await verdict([step], message, { socket }), 'UNVERIFIED');
    assert.equal(await verdict([step], message, { socket: {} }), 'ok', 'another socket has its own window');
    const at = async (now: number): Promise<string> =>
      verdict([step], await sent([signer([key], { now: () => now }).step]));
    assert.deepEqual(await Promise.all([-1001, -1000, 1000, 1001].map((by) => at(NOW + by))), [
      'UNVERIFIED',
      'ok',
      'ok',
      'UNVERIFIED',
    ]);
    assert.deepEqual(reasons(), { replayed: 1, stale: 1, future: 1 });
  });

  it('refuses unsigned messages on protected topics only, and signs no others', async () => {
    const { step, reasons } = signer([hmacKey()], { protect: ['price.*'] });
    const unsigned = await sent([]);
    assert.equal(await verdict([step], unsigned), 'UNVERIFIED');
    const open = await sent([step], outgoing({ topic: 'news.today', headers: { signature: Buffer.alloc(80) } }));
    assert.equal(arrived(open).headers.has('signature'), false, 'one that was copied does not travel');
    assert.equal(await verdict([step], open), 'ok');
    assert.deepEqual(reasons(), { missing: 1 });
  });

  it('refuses unknown, disabled, expired and not-allowed keys, whatever their name', async () => {
    const scoped = (rest: Partial<Key>): Key => hmacKey({ kid: 'k', ...rest });
    const cases: readonly (readonly [reason: string, verifies: Key, kid?: string])[] = [
      ['unknown_key', scoped({ kid: 'other' })],
      ['unknown_key', scoped({}), '__proto__'],
      ['unknown_key', scoped({}), 'constructor'],
      ['key_disabled', scoped({ state: 'disabled' })],
      ['key_expired', scoped({ notAfter: NOW })],
      ['key_expired', scoped({ notBefore: NOW + 1 })],
      ['key_expired', scoped({ notAfter: '2020-01-01' })],
      ['key_not_allowed', scoped({ topics: ['news.>'] })],
      ['key_not_allowed', scoped({ roles: ['push', 'request'] })],
      ['sender', scoped({ sender: 'svc-b' })],
      ['signature', scoped({})],
    ];
    for (const [reason, verifies, kid = 'k'] of cases) {
      const { step, reasons } = signer([verifies]);
      // The same secret, except in the last case.
      const signs = { ...(reason === 'signature' ? hmacKey() : verifies), kid };
      const {
        state: _state,
        notBefore: _before,
        notAfter: _after,
        topics: _topics,
        roles: _roles,
        sender: _sender,
        ...bare
      } = signs;
      const message = await sent([signer([bare]).step]);
      assert.equal(await verdict([step], message), 'UNVERIFIED', reason);
      assert.deepEqual(reasons(), { [reason]: 1 });
    }
    const named = signer([scoped({ kid: '__proto__', sender: 'svc-a' })]).step;
    assert.equal(await verdict([named], await sent([named])), 'ok', 'a name like any other');
  });

  it('takes the algorithm from the key: a public key is no secret, and a block that says otherwise is refused', async () => {
    const { signs, verifies } = ed25519Keys({ kid: 'k' });
    const public32 = Buffer.from(verifies.key.export({ format: 'jwk' }).x!, 'base64url');
    const forged = await sent([signer([hmacKey({ kid: 'k' }, public32)]).step]);
    const { step, reasons } = signer([signs]);
    assert.equal(await verdict([step], forged), 'UNVERIFIED');
    assert.deepEqual(reasons(), { algorithm: 1 });
  });

  it('refuses a signature of a number that no version has, by length before anything else', async () => {
    const { step, reasons } = signer([hmacKey()]);
    const message = await sent([step]);
    const block = arrived(message).headers.get('signature') as Buffer;
    const changed: Buffer[] = [Buffer.alloc(0), Buffer.concat([block, Buffer.alloc(1)]), block.subarray(0, -1)];
    for (const [at, value] of [
      [0, 2],
      [1, 0],
      [1, 3],
      [2, 0],
      [2, 65],
      [3, 0x20],
      [5, 0xff],
    ] as const) {
      const copy = Buffer.from(block);
      copy[at] = value;
      changed.push(copy);
    }
    for (const one of changed) {
      const headerBlock = withHeaders(message.headerBlock, (headers) => headers.set('signature', one));
      assert.equal(await verdict([step], { ...message, headerBlock }), 'UNVERIFIED');
    }
    assert.deepEqual(reasons(), { malformed: changed.length });
  });

  it('keeps a bounded number of streams, refuses new ones when full, and forgets those that are too old', async () => {
    const key = hmacKey();
    let now = NOW;
    const { step, reasons } = signer([key], { maxStreams: 3, now: () => now });
    const socket = {};
    const fresh = async (): Promise<Travelling> => sent([signer([key], { now: () => now }).step]);
    const known = signer([key], { now: () => now }).step;
    assert.equal(await verdict([step], await sent([known]), { socket }), 'ok');
    const old = await fresh();
    assert.equal(await verdict([step], old, { socket }), 'ok');
    assert.equal(await verdict([step], await fresh(), { socket }), 'ok');
    assert.equal(await verdict([step], await fresh(), { socket }), 'UNVERIFIED');
    assert.equal(await verdict([step], await sent([known]), { socket }), 'ok', 'a stream that is known goes on');
    now += 300_001;
    assert.equal(await verdict([step], await fresh(), { socket }), 'ok');
    now = NOW;
    assert.equal(await verdict([step], old, { socket }), 'UNVERIFIED', 'a clock set back lets nothing in again');
    assert.deepEqual(reasons(), { streams_full: 1, replayed: 1 });
  });

  it('freezes the headers: a later step may set none', async () => {
    const { step } = signer([hmacKey()]);
    const ctx = outgoing();
    await step.send?.(ctx, async () => {
      assert.throws(() => ctx.headers.set('x-late', '1'), { code: 'HEADERS_FROZEN' });
    });
    assert.equal(ctx.headers.frozen, true);
  });

  it('covers the bytes that travelled, whatever a step has changed in the headers before', async () => {
    const { step } = signer([hmacKey()]);
    const ctx = arrived(await sent([step], outgoing({ headers: { 'x-lot': '7' } })));
    ctx.headers.delete('x-lot');
    ctx.headers.set('x-mine', '1');
    await step.receive?.(ctx, done);
    const copied = arrived(await sent([step], outgoing({ headers: { 'x-lot': '7' } })));
    // A copy is another message: what it was copied from says nothing about it.
    const forwarded = outgoing({ headers: copied.headers.toObject() });
    forwarded.headers.set('x-hop', '2');
    assert.equal(await verdict([step], await sent([step], forwarded)), 'ok');
  });

  it('sends nothing without a key that may', async () => {
    const cases: readonly Key[] = [
      hmacKey({ state: 'pending' }),
      hmacKey({ state: 'verify' }),
      hmacKey({ notAfter: NOW }),
      hmacKey({ topics: ['news.>'] }),
      hmacKey({ roles: ['reply'] }),
      ed25519Keys().verifies,
    ];
    for (const key of cases) {
      assert.throws(() => signer([key]).step.send?.(outgoing(), done), { code: 'REJECTED', message: /no key/ });
    }
  });

  it('lets keys be changed under way without a refusal: known everywhere, then used, then only verified, then disabled', async () => {
    const [old, next] = [hmacKey({ kid: 'old' }), hmacKey({ kid: 'next' })];
    const phases: readonly (readonly Key[])[] = [
      [old],
      [old, { ...next, state: 'pending' }],
      [{ ...old, state: 'verify' }, next],
      [{ ...old, state: 'disabled' }, next],
    ];
    for (const [index, phase] of phases.entries()) {
      // Services are in one phase or the next one.
      for (const other of phases.slice(index, index + 2)) {
        for (const [from, to] of [
          [phase, other],
          [other, phase],
        ] as const) {
          // A message that was sent before the last phase is not under way any more in it.
          if (index === 2 && from === phase && other !== phase) continue;
          assert.equal(await verdict([signer(to).step], await sent([signer(from).step])), 'ok', `phase ${index}`);
        }
      }
    }
  });

  it('takes keys from a provider that has to fetch them, and refuses when it cannot', async () => {
    const key = hmacKey();
    const later = { get: async () => key, current: async () => key };
    const { step } = signer(later);
    assert.equal(await verdict([step], await sent([step])), 'ok');
    const message = await sent([step]);
    const failing: SignOptions['keys'][] = [
      { get: () => Promise.reject(new Error('down')), current: () => key },
      {
        get: () => {
          throw new Error('down');
        },
        current: () => key,
      },
      { get: () => ({}) as Key, current: () => key },
    ];
    for (const keys of failing) {
      const { step: broken, reasons } = signer(keys);
      assert.equal(await verdict([broken], message), 'UNVERIFIED');
      assert.deepEqual(reasons(), { keys_unavailable: 1 });
    }
    assert.equal(await verdict([signer({ get: () => aesKey(), current: () => key }).step], message), 'UNVERIFIED');
  });

  it('takes no key under another name, so that a message does not come again under each', async () => {
    const key = hmacKey();
    for (const alias of [(): Key => key, (): Promise<Key> => Promise.resolve(key)]) {
      const { step, reasons } = signer({ get: alias, current: () => key });
      const message = await sent([signer([key]).step]);
      assert.equal(await verdict([step], message), 'ok');
      const headerBlock = Buffer.from(message.headerBlock);
      headerBlock.write('H1', headerBlock.indexOf('h1'), 'latin1');
      assert.equal(await verdict([step], { ...message, headerBlock }), 'UNVERIFIED');
      assert.deepEqual(reasons(), { unknown_key: 1 });
    }
  });

  it('says one thing outwardly, and in the log one line per reason and minute', async () => {
    const { step, log } = signer([hmacKey()]);
    const message = await sent([]);
    for (let count = 0; count < 50; count++) await verdict([step], message);
    assert.deepEqual(log, ['sign refused a message of "price.tick": missing']);
    const strange = await sent([signer([{ ...hmacKey(), kid: 'strange' }]).step]);
    for (const refused of [message, strange]) {
      await assert.rejects(received([step], arrived(refused)), {
        message:
          'UNVERIFIED: the message could not be authenticated (topic "price.tick", endpoint memory://test). ' +
          'Check that both sides have the same keys, `audience` and protected topics, and clocks that agree; ' +
          'the log and `messagebus.unverified` of the side that refused it name the reason, docs/security.md explains it.',
        what: 'the message could not be authenticated', // all that a peer is told
      });
    }
    assert.deepEqual(log.slice(1), ['sign refused a message of "price.tick": unknown_key']);
  });

  it('refuses wrong options and busses that cannot have it', () => {
    const key = hmacKey();
    const wrong: readonly (readonly [RegExp, unknown])[] = [
      [/`keys`/, {}],
      [/`keys` to hold a key/, { keys: [] }],
      [/`keys` to hold a key/, { keys: [aesKey()] }],
      [/`keys`/, { keys: { get: 1 } }],
      [/`kid` of its own/, { keys: [key, key] }],
      [/`protect`/, { keys: [key], protect: [] }],
      [/pattern/i, { keys: [key], protect: ['a..b'] }],
      [/`direction`/, { keys: [key], direction: 'up' }],
      [/`maxAgeMs`/, { keys: [key], maxAgeMs: -1 }],
      [/`maxAgeMs`/, { keys: [key], maxAgeMs: Infinity }],
      [/`maxStreams`/, { keys: [key], maxStreams: 0 }],
    ];
    for (const [says, options] of wrong) assert.throws(() => sign(options as SignOptions), { message: says });
    assert.throws(() => started(sign({ keys: [key] }), { audience: undefined }), {
      code: 'INVALID_PIPELINE',
      message: /audience/,
    });
    assert.throws(() => started(sign({ keys: [key] }), { wire: 'plain' }), {
      code: 'INVALID_PIPELINE',
      message: /plain/,
    });
  });
});
