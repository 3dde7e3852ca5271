/** The published vectors of both formats, to the byte. */
import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { importKey } from '../../src/middleware/import-key.ts';
import { pae, PaeWriter, TopicPieces } from '../../src/middleware/pae.ts';
import { readSealedPayload } from '../../src/middleware/sealed-payload.ts';
import { SealSession } from '../../src/middleware/seal-session.ts';
import { readSignatureBlock } from '../../src/middleware/signature-block.ts';
import { Signer } from '../../src/middleware/signer.ts';

const SECRET = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const MESSAGE = {
  created: 1_700_000_000_000,
  nonce: Buffer.alloc(16, 0xaa),
  pattern: 'publish',
  topic: 'price.tick',
  headers: Buffer.from('{"id":"m1"}'),
  bind: Buffer.alloc(0),
  payload: Buffer.from('{"symbol":"BTC","price":1}'),
} as const;
const TBS =
  '0000000d6d73676275732d7369672d76310000000a0000000101000000026b31000000080000018bcfe5680000000010aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' +
  '0000000464656d6f00000001010000000a70726963652e7469636b0000000b7b226964223a226d31227d000000000000001a7b2273796d626f6c223a22425443222c227072696365223a317d';
const HMAC_BLOCK =
  '0101026b310000018bcfe56800aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa05db21e9c46abadd4115ccefee19bd5f33df67acedb644e23c93bd1fb74032c1';
const ED25519_BLOCK =
  '0102026b310000018bcfe56800aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa09a2f462e87c675cc9efd9e06b9c01ff0c0ad1a6f15f397490df234e31d5080d64b267fbcbd644e436a7809078136111aad2976c3503eaf1ba8c04e70c9efb09';
const SEALED =
  '0101026531bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb4c62d04d4c401f6539431485ec0d73ad4b727304831a0eecb2923af2940a95f50000000000000000d152305b6fb2c0d11034120687003ab66b1751cd9c1b27cb2da7d40a2932df5a3b6ee4ac8b185cdd3b2e';

const topics = new TopicPieces('demo');
const secret = SECRET.toString('base64url');
const hmac = new Signer(importKey({ kid: 'k1', alg: 'hmac-sha256', secret }), topics);
const ed25519 = new Signer(importKey({ kid: 'k1', alg: 'ed25519', privateKey: secret }), topics);

describe('msgbus-sig-v1', () => {
  it('signs the published text', () => {
    const u64 = Buffer.alloc(8);
    u64.writeBigUInt64BE(BigInt(MESSAGE.created));
    const { nonce, headers, bind, payload } = MESSAGE;
    const [one, kid, bus, topic] = [
      Buffer.from([1]),
      Buffer.from('k1'),
      Buffer.from('demo'),
      Buffer.from('price.tick'),
    ];
    const pieces = [one, kid, u64, nonce, bus, one, topic, headers, bind, payload];
    assert.equal(pae('msgbus-sig-v1', pieces).toString('hex'), TBS);
  });

  it('makes the published blocks, and verifies them', () => {
    for (const [signer, block] of [
      [hmac, HMAC_BLOCK],
      [ed25519, ED25519_BLOCK],
    ] as const) {
      assert.equal(signer.sign(MESSAGE).toString('hex'), block);
      const { signature, ...read } = readSignatureBlock(Buffer.from(block, 'hex'))!;
      assert.deepEqual([read.kid, read.created, read.nonce], ['k1', MESSAGE.created, MESSAGE.nonce]);
      assert.equal(signer.verify(MESSAGE, signature), true);
      assert.equal(signer.verify({ ...MESSAGE, bind: Buffer.from([0]) }, signature), false);
      assert.equal(signer.verify(MESSAGE, signature.subarray(1)), false);
    }
  });

  it('signs a payload that is too large for the scratch buffer as it signs others', () => {
    for (const bytes of [163_000, 164_000, 165_000]) {
      const large = { ...MESSAGE, payload: Buffer.alloc(bytes, 1) };
      for (const signer of [hmac, ed25519]) {
        const { signature } = readSignatureBlock(signer.sign(large))!;
        assert.equal(signer.verify(large, signature), true);
        assert.equal(signer.verify({ ...large, payload: Buffer.alloc(bytes, 2) }, signature), false);
      }
    }
  });
});

describe('msgbus-enc-v1', () => {
  it('makes the published payload, and opens it', () => {
    const session = new SealSession(createSecretKey(SECRET), 'e1', Buffer.alloc(16, 0xbb), topics);
    const { pattern, topic, headers, payload } = MESSAGE;
    const associated = { pattern, topic, headers, sender: 'svc-a' };
    assert.equal(session.seal(0, payload, associated).toString('hex'), SEALED);
    const { kid, salt, commitment, counter, ciphertext, tag } = readSealedPayload(Buffer.from(SEALED, 'hex'))!;
    assert.deepEqual([kid, salt, counter], ['e1', Buffer.alloc(16, 0xbb), 0]);
    assert.equal(session.commitsTo(commitment), true);
    assert.equal(session.commitsTo(Buffer.alloc(32)), false);
    assert.deepEqual(session.open(counter, ciphertext, tag, associated), payload);
    assert.equal(session.open(1, ciphertext, tag, associated), undefined);
  });
});

describe('the writer', () => {
  it('writes what the encoding is defined to be, and two header blocks at their largest fit', () => {
    const pieces = [Buffer.alloc(65_535, 1), Buffer.from('é'.repeat(30_000)), Buffer.alloc(0)];
    const head = pae('x', []).subarray(0, 5);
    const count = Buffer.from([0, 0, 0, 3]);
    const written = new PaeWriter()
      .begin()
      .raw(head)
      .raw(count)
      .piece(pieces[0]!)
      .text('é'.repeat(30_000))
      .piece(pieces[2]!);
    assert.deepEqual(Buffer.from(written.done()), pae('x', pieces));
  });

  it('keeps pieces of a bounded number of topics', () => {
    for (let count = 0; count < 2500; count++) topics.get('push', `t${count}`);
    assert.deepEqual(topics.get('push', 't1'), new TopicPieces('demo').get('push', 't1'));
  });
});
