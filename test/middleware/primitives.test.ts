/**
 * The primitives of node:crypto as this bus uses them, against published vectors: RFC 4231 (HMAC-SHA-256, cases 1, 2, 6), RFC 5869 (HKDF-SHA-256, cases 1
 * and 3), RFC 8032 (Ed25519, tests 1 and 2; and a malleable signature, which section 5.1.7 forbids) and the GCM specification of McGrew and Viega (AES-256,
 * cases 13, 14 and 16).
 */
import assert from 'node:assert/strict';
import { createCipheriv, createHmac, createPublicKey, createSecretKey, hkdfSync, sign, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { importKey } from '../../src/middleware/import-key.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

describe('the primitives', () => {
  it('HMAC-SHA-256: RFC 4231', () => {
    const cases = [
      [Buffer.alloc(20, 0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
      [
        Buffer.from('Jefe'),
        'what do ya want for nothing?',
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      ],
      [
        Buffer.alloc(131, 0xaa),
        'Test Using Larger Than Block-Size Key - Hash Key First',
        '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      ],
    ] as const;
    for (const [key, data, mac] of cases) {
      assert.equal(createHmac('sha256', createSecretKey(key)).update(data).digest('hex'), mac);
    }
  });

  it('HKDF-SHA-256: RFC 5869', () => {
    const ikm = createSecretKey(Buffer.alloc(22, 0x0b));
    const cases = [
      [
        '000102030405060708090a0b0c',
        'f0f1f2f3f4f5f6f7f8f9',
        '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      ],
      ['', '', '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8'],
    ] as const;
    for (const [salt, info, okm] of cases) {
      assert.equal(Buffer.from(hkdfSync('sha256', ikm, hex(salt), hex(info), 42)).toString('hex'), okm);
    }
  });

  it('Ed25519: RFC 8032, and no second form of a signature', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const cases = [
      [
        '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        '',
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
      ],
      [
        '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
        '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        '72',
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
      ],
    ] as const;
    for (const [seed, point, message, signature] of cases) {
      const [privateKey, publicKey] = [hex(seed).toString('base64url'), hex(point).toString('base64url')];
      const { key } = importKey({ kid: 'k', alg: 'ed25519', privateKey, publicKey });
      assert.equal(sign(null, hex(message), key).toString('hex'), signature);
      const only = importKey({ kid: 'k', alg: 'ed25519', publicKey }).key;
      assert.deepEqual(only.export({ format: 'jwk' }), createPublicKey(key).export({ format: 'jwk' }));
      assert.equal(verify(null, hex(message), only, hex(signature)), true);
      const scalar = BigInt(`0x${hex(signature.slice(64)).reverse().toString('hex')}`) + order;
      const malleable = hex(scalar.toString(16).padStart(64, '0')).reverse();
      assert.equal(verify(null, hex(message), only, Buffer.concat([hex(signature.slice(0, 64)), malleable])), false);
    }
  });

  it('AES-256-GCM: the cases of its specification', () => {
    const key = 'feffe9928665731c6d6a8f9467308308';
    const cases = [
      ['00'.repeat(32), '00'.repeat(12), '', '', '', '530f8afbc74536b9a963b4f1c4cb738b'],
      [
        '00'.repeat(32),
        '00'.repeat(12),
        '',
        '00'.repeat(16),
        'cea7403d4d606b6e074ec5d3baf39d18',
        'd0d1c8a799996bf0265b98b5d48ab919',
      ],
      [
        key + key,
        'cafebabefacedbaddecaf888',
        'feedfacedeadbeeffeedfacedeadbeefabaddad2',
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
        '76fc6ece0f4e1768cddf8853bb2d551b',
      ],
    ] as const;
    for (const [secret, nonce, aad, plain, ciphertext, tag] of cases) {
      const cipher = createCipheriv('aes-256-gcm', createSecretKey(hex(secret)), hex(nonce), { authTagLength: 16 });
      cipher.setAAD(hex(aad));
      assert.equal(Buffer.concat([cipher.update(hex(plain)), cipher.final()]).toString('hex'), ciphertext);
      assert.equal(cipher.getAuthTag().toString('hex'), tag);
    }
  });
});
