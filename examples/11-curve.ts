/** CURVE: connections are encrypted, and only clients whose keys the server lists get in; one that is listed later comes in by itself. */
import { BusError, MessageBus } from 'tracebus';
import { curveKeyPair, zeromq } from 'tracebus/zeromq';
import type { CurveKeyPair } from 'tracebus/zeromq';

// In earnest `tracebus keygen curve` makes them, once; the secret keys go to their owners alone.
const [pricesKeys, analyticsKeys, guestKeys] = [curveKeyPair(), curveKeyPair(), curveKeyPair()];

// What binds is the server. It has a key pair, and knows the public keys of those that may come in.
const transport = zeromq({ curve: { server: { ...pricesKeys, authorized: [analyticsKeys.publicKey] } } });
const prices = new MessageBus('prices', { transport, endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } } });
await prices.ready();
const address = prices.describe().links[0]?.address ?? '';

// What connects is the client. It has a key pair too, and knows the public key of the server.
function client(name: string, keys: CurveKeyPair): MessageBus {
  const curve = { client: { ...keys, serverKey: pricesKeys.publicKey } };
  const endpoints = { subscribe: { connect: [address] } };
  return new MessageBus(name, { transport: zeromq({ curve }), endpoints, logLevel: 'silent' });
}
const [analytics, guest] = [client('analytics', analyticsKeys), client('guest', guestKeys)];
const [toAnalytics, toGuest] = [analytics.messages('price.*'), guest.messages('price.*')];

await analytics.ready();
await guest.ready({ timeoutMs: 300 }).catch((error: unknown) => {
  console.log('the guest is told', error instanceof BusError ? error.code : error);
});
await prices.publish('price.tick', 1);
console.log('analytics got', await next(toAnalytics));

transport.curveClients?.authorize(guestKeys.publicKey);
await guest.ready({ timeoutMs: 10_000 });
await prices.publish('price.tick', 2);
console.log('the guest got', await next(toGuest));
for (const bus of [analytics, guest, prices]) await bus.close();

async function next(messages: AsyncIterable<{ readonly body: unknown }>): Promise<unknown> {
  for await (const { body } of messages) return body;
  return undefined;
}
