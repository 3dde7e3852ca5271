/** A flaky step is repeated with jitter, and no more than two handlers run at once, whatever arrives. */
import { BusError, MessageBus } from 'tracebus';
import { memory } from 'tracebus/memory';
import { limitConcurrency, retry } from 'tracebus/middleware';

const bus = new MessageBus('shop', { transport: memory(), publish: true });
// A step of the standard stack is replaced in place by `use`.
bus.use(retry({ maxAttempts: 5, baseMs: 1, capMs: 5, publish: true }));
bus.use(limitConcurrency(2));

let attempts = 0;
bus.use({
  name: 'flaky',
  stage: 'body',
  send(ctx, next) {
    if (ctx.topic === 'order.placed' && ++attempts < 3) {
      throw new BusError('TRANSPORT_FAILED', 'the line is bad today', { topic: ctx.topic });
    }
    return next();
  },
});

let running = 0;
let most = 0;
let handled = 0;
bus.subscribe('order.*', async () => {
  most = Math.max(most, ++running);
  await new Promise((resolve) => setTimeout(resolve, 2));
  running--;
  handled++;
});
await bus.ready();

await bus.publish('order.placed', { article: 7 });
for (let i = 0; i < 9; i++) await bus.publish('order.paid', { order: i });
while (handled < 10) await new Promise((resolve) => setTimeout(resolve, 5));

console.log(`sent after ${String(attempts)} attempts, ${String(bus.stats().retries)} of them repeats`);
console.log(`${String(handled)} handled, at most ${String(most)} at once`);
await bus.close();
