import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { curveKeyPair, decodeKey, encodeKey, expectKeyPair } from '../../../src/transports/zeromq/curve-keys.ts';

describe('CURVE keys', () => {
  it('are the Z85 text of RFC 32', () => {
    // The test vector of the RFC, eight bytes, four times over; and the client key of the CurveZMQ documentation.
    const bytes = Buffer.from('864fd26fb559f75b'.repeat(4), 'hex');
    assert.equal(encodeKey(bytes), 'HelloWorld'.repeat(4));
    assert.deepEqual(decodeKey('k', 'HelloWorld'.repeat(4)), bytes);
    const documented = 'bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518';
    assert.equal(encodeKey(Buffer.from(documented, 'hex')), 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID');
  });

  it('survive the way there and back, the extremes too', () => {
    for (const bytes of [Buffer.alloc(32), Buffer.alloc(32, 0xff)]) {
      assert.deepEqual(decodeKey('k', encodeKey(bytes)), bytes);
    }
    const { publicKey, secretKey } = curveKeyPair();
    for (const key of [publicKey, secretKey]) assert.equal(encodeKey(decodeKey('k', key)), key);
    expectKeyPair('pair', { publicKey, secretKey });
  });

  const { publicKey, secretKey } = curveKeyPair();
  const bad: readonly (readonly [name: string, key: unknown, says: RegExp])[] = [
    ['nothing', undefined, /got a value of type undefined/],
    ['bytes', Buffer.alloc(32), /got a value of type object/],
    ['too short a text', publicKey.slice(1), /got 39 characters/],
    ['too long a text', `${publicKey}0`, /got 41 characters/],
    ['a character that is not of Z85', `${publicKey.slice(0, 39)}~`, /got a character at 39 that is not of Z85/],
    ['more than four bytes hold', `${publicKey.slice(0, 35)}#####`, /got a group at 35 that is no number/],
  ];
  for (const [name, key, says] of bad) {
    it(`are not ${name}, and the error shows nothing of it`, () => {
      assert.throws(
        () => decodeKey('curve.server.publicKey', key),
        (error: Error) => {
          assert.ok(error instanceof TypeError);
          assert.match(error.message, /^Expected `curve\.server\.publicKey` to be a CURVE key of 40 characters of Z85/);
          assert.match(error.message, says);
          assert.ok(!error.message.includes(publicKey.slice(10, 20)));
          return true;
        },
      );
    });
  }

  it('have to belong together', () => {
    const other = curveKeyPair();
    assert.throws(
      () => {
        expectKeyPair('curve.client', { publicKey: other.publicKey, secretKey });
      },
      (error: Error) => error instanceof TypeError && /not of one pair$/.test(error.message),
    );
  });
});
