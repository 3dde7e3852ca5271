import assert from 'node:assert/strict';
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { HMAC_BYTES, HmacSha256 } from '../../src/middleware/hmac-sha256.ts';

/** RFC 4231, section 4: test cases 1, 2, 4 and 7. */
const VECTORS = [
  ['0b'.repeat(20), '4869205468657265', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
  [
    '4a656665',
    '7768617420646f2079612077616e7420666f72206e6f7468696e673f',
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    '0102030405060708090a0b0c0d0e0f10111213141516171819',
    'cd'.repeat(50),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  ],
  [
    'aa'.repeat(131),
    Buffer.from(
      'This is a test using a larger than block-size key and a larger than block-size data. ' +
        'The key needs to be hashed before being used by the HMAC algorithm.',
    ).toString('hex'),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ],
] as const;

function hmacOf(secret: Buffer, text: Uint8Array, rest?: Uint8Array): Buffer {
  const hmac = new HmacSha256(createSecretKey(secret));
  return Buffer.from(hmac.digest(Buffer.concat([hmac.innerPad, text]), rest), 'latin1');
}

test('makes what RFC 4231 says', () => {
  for (const [key, text, mac] of VECTORS) {
    assert.equal(hmacOf(Buffer.from(key, 'hex'), Buffer.from(text, 'hex')).toString('hex'), mac);
  }
});

test('makes what node:crypto makes of keys and texts of every length around a block, in one piece and in two', () => {
  for (const keyBytes of [1, 31, 32, 63, 64, 65, 200]) {
    const secret = randomBytes(keyBytes);
    for (const textBytes of [0, 1, 55, 56, 63, 64, 65, 119, 128, 1000]) {
      const text = randomBytes(textBytes);
      const rest = randomBytes(70_000);
      assert.deepEqual(hmacOf(secret, text), createHmac('sha256', secret).update(text).digest());
      const inTwo = createHmac('sha256', secret).update(text).update(rest).digest();
      assert.deepEqual(hmacOf(secret, text, rest), inTwo);
    }
  }
});

test('two keys in turn do not get in each other’s way', () => {
  const [one, other] = [randomBytes(32), randomBytes(32)].map((secret) => new HmacSha256(createSecretKey(secret)));
  const padded = (hmac: HmacSha256): Buffer => Buffer.concat([hmac.innerPad, Buffer.from('text')]);
  const macs = [one!, other!].map((hmac) => Buffer.from(hmac.digest(padded(hmac), undefined), 'latin1'));
  assert.ok(one!.verify(padded(one!), undefined, macs[0]!));
  assert.ok(other!.verify(padded(other!), undefined, macs[1]!));
  assert.ok(!one!.verify(padded(one!), undefined, macs[1]!));
});

test('takes no other bit and no other length for its own', () => {
  const hmac = new HmacSha256(createSecretKey(randomBytes(32)));
  const padded = Buffer.concat([hmac.innerPad, Buffer.from('text')]);
  const mac = Buffer.from(hmac.digest(padded, undefined), 'latin1');
  for (let bit = 0; bit < HMAC_BYTES * 8; bit++) {
    const flipped = Buffer.from(mac);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(!hmac.verify(padded, undefined, flipped));
  }
  for (const wrong of [Buffer.alloc(0), mac.subarray(0, 31), Buffer.concat([mac, mac])]) {
    assert.ok(!hmac.verify(padded, undefined, wrong));
  }
  assert.ok(hmac.verify(padded, undefined, mac));
});
