/** A signer of your own: an HMAC in a header. It shows the door; `sign` also stops replays, binds replies and changes keys. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { BusError, MessageBus } from 'tracebus';
import type { Middleware } from 'tracebus';
import { memory } from 'tracebus/memory';

function hmacHeader(secret: Uint8Array): Middleware {
  // The length keeps the topic and the payload apart: else "ab" + "c" and "a" + "bc" would have one signature.
  const mac = (topic: string, payload: Uint8Array): Buffer =>
    createHmac('sha256', secret)
      .update(`${String(topic.length)} ${topic}`)
      .update(payload)
      .digest();
  return {
    name: 'hmac-header',
    stage: 'payload', // sees bytes: the last on the way out, before every parser on the way in
    verifies: true, // only what passes here counts when messages are found missing
    send(ctx, next) {
      ctx.headers.set('x-hmac', mac(ctx.topic, ctx.payload));
      return next();
    },
    receive(ctx, next) {
      const given = ctx.headers.get('x-hmac');
      const expected = mac(ctx.topic, ctx.payload);
      if (given instanceof Uint8Array && given.length === expected.length && timingSafeEqual(given, expected)) {
        return next();
      }
      throw new BusError('REJECTED', 'the message is not authentic', { topic: ctx.topic });
    },
  };
}

const transport = memory();
const secret = randomBytes(32);
const service = (name: string, key: Uint8Array): MessageBus =>
  new MessageBus(name, { transport, logLevel: 'silent' }).use(hmacHeader(key));

const stock = service('stock', secret);
stock.respond('stock.count', () => ({ left: 3 }));
const [shop, stranger] = [service('shop', secret), service('stranger', randomBytes(32))];
console.log('the shop is told', await shop.request('stock.count', { article: 7 }));
await stranger.request('stock.count', { article: 7 }).catch((error: unknown) => {
  console.log('the stranger is told', error instanceof BusError ? error.code : error);
});
for (const bus of [shop, stranger, stock]) await bus.close();
