/** One process, one event: `ready()` instead of sleeping, then nothing is lost. */
import { MessageBus } from 'tracebus';

// Port 0 lets the system choose; services that run side by side agree on fixed ones.
const publisher = new MessageBus('prices', { endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } } });
await publisher.ready();
const { address = '' } = publisher.describe().links[0] ?? {};

const subscriber = new MessageBus('screen', { endpoints: { subscribe: { connect: [address] } } });
const seen = new Promise<void>((resolve) => {
  subscriber.subscribe('price.*', ({ topic, body, sender }) => {
    console.log(`${topic} from ${sender ?? 'nobody'}:`, body);
    resolve();
  });
});
await subscriber.ready();

await publisher.publish('price.tick', { symbol: 'BTC', price: 43210.5 });
await seen;

await subscriber.close();
console.log(await publisher.close());
