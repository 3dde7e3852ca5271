/** Two services that share keys, and a third process with keys of its own: it hears the message and gets nothing of it. */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { MessageBus } from 'tracebus';
import { encrypt, keysFromEnvironment, sign } from 'tracebus/middleware';

// In earnest `tracebus keygen` makes them, and they come from a secret store.
const secret = (): string => randomBytes(32).toString('base64url');
const newKeys = (): string =>
  `[{"kid":"s1","alg":"hmac-sha256","secret":"${secret()}"},{"kid":"e1","alg":"aes-256-gcm","secret":"${secret()}"}]`;
process.env['BUS_KEYS'] ??= newKeys();

const [role = 'prices', endpoint = 'tcp://127.0.0.1:*'] = process.argv.slice(2);
const endpoints = role === 'prices' ? { publish: { bind: endpoint } } : { subscribe: { connect: [endpoint] } };
const keys = keysFromEnvironment('BUS_KEYS');
const bus = new MessageBus(role, { audience: 'market.example', endpoints, logLevel: 'silent', onError: tell });
bus.use(sign({ keys })).use(encrypt({ keys }));

function tell(news: unknown): void {
  console.log(`${role}: ${String(news)}`);
  process.disconnect();
}

if (role !== 'prices') bus.subscribe('price.*', ({ topic, body }) => tell(`${topic} ${JSON.stringify(body)}`));
await bus.ready();
if (role === 'prices') {
  const at = bus.describe().links[0]?.address ?? '';
  const children = [
    fork(import.meta.filename, ['dashboard', at]),
    fork(import.meta.filename, ['stranger', at], { env: { ...process.env, BUS_KEYS: newKeys() } }),
  ];
  await Promise.all(children.map((child) => once(child, 'message')));
  await bus.publish('price.tick', { symbol: 'BTC', price: 43210.5 });
  await Promise.all(children.map((child) => once(child, 'exit')));
} else {
  process.send?.('ready');
  await once(process, 'disconnect');
}
await bus.close();
