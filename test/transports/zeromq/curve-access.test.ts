import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import { CurveAccess } from '../../../src/transports/zeromq/curve-access.ts';
import type { CurveAuthorized } from '../../../src/transports/zeromq/curve-access.ts';
import { curveKeyPair, decodeKey, encodeKey } from '../../../src/transports/zeromq/curve-keys.ts';

const keys = Array.from({ length: 3 }, () => curveKeyPair().publicKey);
const [a = '', b = '', c = ''] = keys;

const decide = (access: CurveAccess, key: string, address = '10.0.0.1'): Promise<string> =>
  access.decide(decodeKey('key', key), address);

describe('who may connect to a CURVE server', () => {
  it('are those of a list or a Set, and those added later; not those revoked', async () => {
    for (const list of [[a, b], new Set([a, b])]) {
      const access = new CurveAccess(list, 1000);
      const each = async (): Promise<string[]> => Promise.all([a, b, c].map((key) => decide(access, key)));
      assert.deepEqual(await each(), ['200', '200', '400']);
      access.authorize(c);
      access.revoke(a);
      assert.deepEqual(await each(), ['400', '200', '200']);
      access.authorize(a);
      assert.deepEqual(await each(), ['200', '200', '200']);
    }
  });

  it("is everybody under 'any', and nobody under an empty list", async () => {
    const any = new CurveAccess('any', 1000);
    assert.equal(await decide(any, a), '200');
    any.revoke(a);
    assert.equal(await decide(any, a), '400');
    assert.equal(await decide(new CurveAccess([], 1000), a), '400');
  });

  it('is decided by a function, which lets in by `true` alone', async () => {
    const answers: readonly (readonly [answer: () => unknown, status: string])[] = [
      [() => true, '200'],
      [() => Promise.resolve(true), '200'],
      [() => false, '400'],
      [() => 'yes', '400'],
      [() => 1, '400'],
      [() => null, '400'],
      [() => undefined, '500'],
      [() => Promise.reject(new Error('the data base is down')), '500'],
      [
        () => {
          throw new Error('sync');
        },
        '500',
      ],
      [() => new Promise(() => {}), '500'],
    ];
    for (const [answer, status] of answers) {
      const access = new CurveAccess(answer as () => boolean, 20);
      assert.equal(await decide(access, a), status, String(answer));
      assert.equal(access.denials().length, status === '200' ? 0 : 1);
    }
  });

  it('is asked about no key that is listed, and a key revoked meanwhile stays out', async () => {
    const asked: string[] = [];
    let answer: (allowed: boolean) => void = () => {};
    const access = new CurveAccess((key) => {
      asked.push(key);
      return new Promise((resolve) => {
        answer = resolve;
      });
    }, 1000);
    access.authorize(a);
    assert.equal(await decide(access, a), '200');
    const pending = decide(access, b);
    access.revoke(b);
    answer(true);
    assert.equal(await pending, '400');
    assert.deepEqual(asked, [b]);
  });

  it('is asked about so many at once and no more: the rest is denied', async () => {
    const access = new CurveAccess(() => new Promise(() => {}), 50);
    const all = await Promise.all(Array.from({ length: 300 }, () => decide(access, a)));
    assert.deepEqual(new Set(all), new Set(['500']));
    let asked = 0;
    const counting = new CurveAccess(() => {
      asked += 1;
      return new Promise(() => {});
    }, 50);
    await Promise.all(Array.from({ length: 300 }, () => decide(counting, a)));
    assert.equal(asked, 256);
  });

  it('is nobody whose key has another length', async () => {
    const access = new CurveAccess('any', 1000);
    for (const length of [0, 31, 33]) assert.equal(await access.decide(Buffer.alloc(length), ''), '500');
  });

  it('counts denials by key, the last thousand keys', async () => {
    const access = new CurveAccess([], 1000);
    await decide(access, a, '10.0.0.1');
    await decide(access, b, '10.0.0.2');
    await decide(access, a, '10.0.0.3');
    assert.deepEqual(access.denials(), [
      { publicKey: b, address: '10.0.0.2', count: 1 },
      { publicKey: a, address: '10.0.0.3', count: 2 },
    ]);
    for (let index = 0; index < 1000; index += 1) {
      const stranger = Buffer.alloc(32);
      stranger.writeUInt32BE(index, 0);
      await access.decide(stranger, '');
    }
    assert.equal(access.denials().length, 1000);
    assert.ok(!access.denials().some(({ publicKey }) => publicKey === a));
  });

  it('drops the connections only for a key that was let in', async () => {
    const access = new CurveAccess([a, b], 1000);
    let drops = 0;
    const stop = access.onDrop(() => {
      drops += 1;
    });
    await decide(access, a);
    access.revoke(b);
    assert.equal(drops, 0, 'b has never been in');
    access.revoke(a);
    access.revoke(a);
    assert.equal(drops, 1);
    stop();
    access.authorize(a);
    await decide(access, a);
    access.revoke(a);
    assert.equal(drops, 1);
  });

  it('refuses what are no keys, and shows none', () => {
    const wrong: readonly unknown[] = [undefined, null, a, 'all', 7, {}, [a.slice(1)], [7], new Set(['x'])];
    for (const authorized of wrong) {
      assert.throws(
        () => new CurveAccess(authorized as CurveAuthorized, 1000),
        (error: Error) => error instanceof TypeError && !error.message.includes(a.slice(0, 20)),
      );
    }
    const access = new CurveAccess([a], 1000);
    assert.throws(() => access.authorize('short'), TypeError);
    assert.throws(() => access.revoke(`${a}x`), TypeError);
    assert.ok(!inspect(access, { depth: 9, showHidden: true }).includes(a));
    assert.equal(encodeKey(decodeKey('k', a)), a);
  });
});
