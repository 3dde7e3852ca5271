/** Encryption of your own: AES-256-GCM with a nonce by chance, good for 2^32 messages with one key. `encrypt` counts instead. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { BusError, MessageBus } from 'tracebus';
import type { Middleware } from 'tracebus';
import { memory } from 'tracebus/memory';

const [NONCE_BYTES, TAG_BYTES] = [12, 16];
const OPTIONS = { authTagLength: TAG_BYTES }; // without it a tag of four bytes may pass

function aesGcm(key: Uint8Array): Middleware {
  return {
    name: 'aes-gcm',
    stage: 'payload',
    verifies: true,
    send(ctx, next) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce, OPTIONS).setAAD(Buffer.from(ctx.topic));
      const body = Buffer.concat([cipher.update(ctx.payload), cipher.final()]);
      ctx.payload = Buffer.concat([nonce, body, cipher.getAuthTag()]);
      return next();
    },
    receive(ctx, next) {
      ctx.payload = open(key, ctx.topic, ctx.payload);
      return next();
    },
  };
}

function open(key: Uint8Array, topic: string, payload: Uint8Array): Buffer {
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, payload.subarray(0, NONCE_BYTES), OPTIONS);
    cipher.setAAD(Buffer.from(topic)).setAuthTag(payload.subarray(-TAG_BYTES));
    // Nothing is given on before final() has found all of it authentic.
    return Buffer.concat([cipher.update(payload.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()]);
  } catch {
    throw new BusError('REJECTED', 'the message is not authentic', { topic });
  }
}

const transport = memory();
const key = randomBytes(32);
const tap: Middleware = {
  name: 'tap', // used last, so it stands closest to the wire
  stage: 'payload',
  send(ctx, next) {
    console.log(ctx.kind, 'on the wire is', /paid|4242/.test(String(ctx.payload)) ? 'readable' : 'hidden');
    return next();
  },
};
const bus = new MessageBus('payments', { transport }).use(aesGcm(key)).use(tap);
bus.respond('card.pay', ({ body }) => {
  console.log('the responder reads', body);
  return { paid: true };
});
console.log('the caller reads', await bus.request('card.pay', { number: '4242 4242 4242 4242' }));
await bus.close();
