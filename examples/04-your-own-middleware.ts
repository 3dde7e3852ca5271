/** A step of your own: every message is marked with its tenant, and a service refuses what other tenants send. */
import { BusError, MessageBus } from 'tracebus';
import type { Middleware } from 'tracebus';
import { memory } from 'tracebus/memory';

function tenant(name: string): Middleware {
  return {
    name: 'tenant',
    stage: 'body',
    send(ctx, next) {
      ctx.headers.set('tenant', name);
      return next();
    },
    receive(ctx, next) {
      const from = ctx.headers.getText('tenant') ?? 'nobody';
      if (from === name) return next();
      throw new BusError('REJECTED', `${name} takes no message from ${from}`, { topic: ctx.topic });
    },
  };
}

const transport = memory();
const service = (name: string, of: string): MessageBus =>
  new MessageBus(name, { transport, logLevel: 'error' }).use(tenant(of));

const stock = service('stock', 'red');
// A bare function is a step too, in both directions: what comes after `next()` runs when the rest has settled.
stock.use(async (ctx, next) => {
  console.log(`${ctx.direction} ${ctx.pattern} ${ctx.topic}`);
  await next();
});
stock.respond('stock.count', () => ({ left: 3 }));
await stock.ready();

const [red, blue] = [service('red-shop', 'red'), service('blue-shop', 'blue')];
console.log('red is told', await red.request('stock.count', { article: 7 }));
await blue.request('stock.count', { article: 7 }).catch((error: unknown) => {
  console.log('blue is told', error instanceof BusError ? error.code : error);
});

for (const bus of [red, blue, stock]) await bus.close();
