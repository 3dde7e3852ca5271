import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Counters } from '../../src/core/counters.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import { encrypt } from '../../src/middleware/encrypt.ts';
import type { EncryptOptions } from '../../src/middleware/encrypt.ts';
import type { Key } from '../../src/middleware/key.ts';
import { TopicPieces } from '../../src/middleware/pae.ts';
import { readSealedPayload } from '../../src/middleware/sealed-payload.ts';
import { SealSession } from '../../src/middleware/seal-session.ts';
import { Sealer } from '../../src/middleware/sealer.ts';
import { sign } from '../../src/middleware/sign.ts';
import { done } from './contexts.ts';
import { aesKey, hmacKey } from './keys-for-tests.ts';
import { arrived, outgoing, received, sent, started, verdict, withHeaders } from './over-the-wire.ts';
import type { Outgoing, Travelling } from './over-the-wire.ts';

function sealing(
  keys: EncryptOptions['keys'],
  options: Partial<EncryptOptions> = {},
  audience = 'demo',
): { step: Middleware; reasons: () => Record<string, number> } {
  const counters = new Counters();
  const step = started(encrypt({ keys, ...options }), { counters, audience });
  const reasons = (): Record<string, number> =>
    Object.fromEntries([...counters.unverified.all()].map(({ errorType, value }) => [errorType ?? '', value]));
  return { step, reasons };
}

const counterOf = (message: Travelling): number => readSealedPayload(message.payload)!.counter;

describe('encrypt', () => {
  it('hides the payload of every pattern and kind, and gives it back', async () => {
    const key = aesKey();
    const [from, to] = [sealing([key]).step, sealing([key]).step];
    const payload = Buffer.from('a text to be found in what travels');
    const messages: Outgoing[] = [
      { payload },
      { payload: Buffer.alloc(0) },
      { payload: randomBytes(300_000) },
      { pattern: 'push', payload },
      { pattern: 'request', payload, headers: { 'x-lot': '7' } },
      { pattern: 'reply', kind: 'error', payload },
    ];
    for (const message of messages) {
      const travelling = await sent([from], outgoing(message));
      assert.equal(travelling.payload.length, message.payload!.length + 77);
      assert.equal(travelling.payload.includes(payload), false);
      const got = await received([to], arrived(travelling));
      assert.deepEqual(Buffer.from(got.payload), Buffer.from(message.payload!));
    }
  });

  it('refuses every flipped bit and every truncation of a sealed message', async () => {
    const { step, reasons } = sealing([aesKey()]);
    const message = await sent([step], outgoing({ headers: { 'x-lot': '7' } }));
    for (const part of ['headerBlock', 'payload'] as const) {
      for (let bit = 0; bit < message[part].length * 8; bit++) {
        const bytes = Buffer.from(message[part]);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        assert.notEqual(await verdict([step], { ...message, [part]: bytes }), 'ok', `${part} bit ${bit}`);
      }
      for (let length = 0; length < message[part].length; length++) {
        const cut = { ...message, [part]: message[part].subarray(0, length) };
        assert.notEqual(await verdict([step], cut), 'ok', `${part} cut to ${length}`);
      }
    }
    const { malformed, commitment, ciphertext, unknown_key } = reasons();
    assert.ok(Math.min(malformed!, commitment!, ciphertext!, unknown_key!) > 0, inspect(reasons()));
    assert.equal(await verdict([step], message), 'ok');
  });

  it('refuses a payload under another topic, pattern, kind, bus, sender or header', async () => {
    const key = aesKey();
    const { step } = sealing([key]);
    const elsewhere = sealing([key], {}, 'other').step;
    const word = fc.stringMatching(/^[a-z]{1,6}$/);
    await fc.assert(
      fc.asyncProperty(word, word, fc.uint8Array({ maxLength: 20 }), async (topic, lot, payload) => {
        const message = await sent([step], outgoing({ topic, headers: { 'x-lot': lot }, payload }));
        const change = (name: string, value: string): Buffer =>
          withHeaders(message.headerBlock, (headers) => headers.set(name, value));
        const swaps: Travelling[] = [
          { ...message, topic: `${topic}x` },
          { ...message, pattern: 'push' },
          { ...message, headerBlock: change('x-lot', `${lot}x`) },
          { ...message, headerBlock: change('sender', 'svc-b') },
          { ...message, headerBlock: change('x-more', '1') },
          {
            ...message,
            headerBlock: Buffer.concat([Buffer.from([KIND_NUMBERS.request]), message.headerBlock.subarray(1)]),
          },
        ];
        for (const swapped of swaps) assert.equal(await verdict([step], swapped), 'UNVERIFIED');
        assert.equal(await verdict([elsewhere], message), 'UNVERIFIED');
        assert.equal(await verdict([step], message), 'ok');
      }),
      { numRuns: 60 },
    );
  });

  it('refuses plain payloads on protected topics only, and encrypts no others', async () => {
    const { step, reasons } = sealing([aesKey()], { protect: ['price.*'] });
    assert.equal(await verdict([step], await sent([])), 'UNVERIFIED');
    assert.deepEqual(reasons(), { malformed: 1 });
    const open = await sent([step], outgoing({ topic: 'news', payload: Buffer.from('plain') }));
    assert.equal(open.payload.toString(), 'plain');
    assert.equal(await verdict([step], open), 'ok');
  });

  it('refuses unknown, disabled, expired and not-allowed keys, and another key of the same name by its commitment', async () => {
    const secret = randomBytes(32);
    const cases: readonly (readonly [reason: string, key: Key, kid?: string])[] = [
      ['unknown_key', aesKey({ kid: 'other' }, secret)],
      ['unknown_key', aesKey({}, secret), '__proto__'],
      ['key_disabled', aesKey({ state: 'disabled' }, secret)],
      ['key_expired', aesKey({ notAfter: 1 }, secret)],
      ['key_not_allowed', aesKey({ topics: ['news.>'] }, secret)],
      ['key_not_allowed', aesKey({ roles: ['request'] }, secret)],
      ['sender', aesKey({ sender: 'svc-b' }, secret)],
      ['commitment', aesKey()],
    ];
    for (const [reason, key, kid = 'e1'] of cases) {
      const { step, reasons } = sealing([key]);
      assert.equal(await verdict([step], await sent([sealing([aesKey({ kid }, secret)]).step])), 'UNVERIFIED', reason);
      assert.deepEqual(reasons(), { [reason]: 1 });
    }
  });

  it('opens nothing with a tag of four bytes, though its bytes are right', async () => {
    const { step, reasons } = sealing([aesKey()]);
    const payload = Buffer.from('0123456789abcdef');
    const message = await sent([step], outgoing({ payload }));
    const short = Buffer.concat([message.payload.subarray(0, -16), message.payload.subarray(-16, -12)]);
    assert.equal(await verdict([step], { ...message, payload: short }), 'UNVERIFIED');
    const session = new SealSession(createSecretKey(randomBytes(32)), 'e', randomBytes(16), new TopicPieces('demo'));
    const associated = { pattern: 'publish', topic: 't', headers: Buffer.alloc(1), sender: '' } as const;
    const { ciphertext, tag } = readSealedPayload(session.seal(0, payload, associated))!;
    assert.deepEqual(session.open(0, ciphertext, tag, associated), payload);
    for (const length of [0, 4, 8, 12, 15]) {
      assert.equal(session.open(0, ciphertext, tag.subarray(0, length), associated), undefined, String(length));
    }
    assert.deepEqual(reasons(), { ciphertext: 1 });
  });

  it('counts nonces per session, and begins another with a new salt after its messages and after a day', () => {
    const topics = new TopicPieces('demo');
    const associated = { pattern: 'publish', topic: 't', headers: Buffer.alloc(1), sender: '' } as const;
    const sealer = new Sealer(aesKey(), topics, 10, 3);
    const read = (now: number): readonly [salt: string, counter: number] => {
      const { salt, counter } = readSealedPayload(sealer.seal(Buffer.alloc(1), associated, now))!;
      return [salt.toString('hex'), counter];
    };
    const four = [read(0), read(0), read(0), read(0)];
    assert.deepEqual(
      four.map(([, counter]) => counter),
      [0, 1, 2, 0],
    );
    assert.equal(new Set(four.map(([salt]) => salt)).size, 2);
    const day = 24 * 60 * 60 * 1000;
    const [before, after] = [read(day - 1), read(day)];
    assert.deepEqual([before[1], after[1]], [1, 0]);
    assert.notEqual(before[0], after[0]);
  });

  it('keeps the sessions of senders up to a number, and opens those that it forgot all the same', async () => {
    const key = aesKey();
    const { step } = sealing([key], { maxSessions: 2 });
    const senders = Array.from({ length: 5 }, () => sealing([key]).step);
    for (let round = 0; round < 3; round++) {
      for (const sender of senders) {
        const message = await sent([sender]);
        assert.equal(counterOf(message), round);
        assert.equal(await verdict([step], message), 'ok');
      }
    }
  });

  it('works beside sign, whichever was used first, and before it where a key is fetched', async () => {
    const [enc, mac] = [aesKey(), hmacKey()];
    const steps = (): Middleware[] => [
      sealing({ get: async () => enc, current: async () => enc }).step,
      started(sign({ keys: [mac, enc] })),
    ];
    const to = steps();
    const message = await sent(steps());
    assert.equal(await verdict(to, { ...message, payload: message.payload.subarray(0, -1) }), 'UNVERIFIED');
    assert.equal(await verdict(to, message), 'ok');
  });

  it('freezes the headers, sends nothing without a key, and refuses when keys cannot be had', async () => {
    const { step } = sealing([aesKey()]);
    const ctx = outgoing();
    await step.send?.(ctx, done);
    assert.throws(() => ctx.headers.set('x', '1'), { code: 'HEADERS_FROZEN' });
    assert.throws(() => sealing([aesKey({ state: 'verify' })]).step.send?.(outgoing(), done), { code: 'REJECTED' });
    const down = sealing({ get: () => Promise.reject(new Error('down')), current: () => undefined });
    assert.equal(await verdict([down.step], await sent([step])), 'UNVERIFIED');
    assert.deepEqual(down.reasons(), { keys_unavailable: 1 });
  });

  it('refuses wrong options and busses that cannot have it', () => {
    const key = aesKey();
    const short: Key = { kid: 'e', alg: 'aes-256-gcm', key: createSecretKey(randomBytes(16)) };
    const wrong: readonly (readonly [RegExp, unknown])[] = [
      [/`keys` to hold a key/, { keys: [hmacKey()] }],
      [/"e" to have 32 bytes/, { keys: [short] }],
      [/`maxSessions`/, { keys: [key], maxSessions: 0 }],
      [/`direction`/, { keys: [key], direction: 'in' }],
    ];
    for (const [says, options] of wrong) assert.throws(() => encrypt(options as EncryptOptions), { message: says });
    assert.throws(() => started(encrypt({ keys: [key] }), { audience: undefined }), { code: 'INVALID_PIPELINE' });
    assert.throws(() => started(encrypt({ keys: [key] }), { wire: 'plain' }), { code: 'INVALID_PIPELINE' });
  });
});
