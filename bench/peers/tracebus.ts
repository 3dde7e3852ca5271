/** The same work with tracebus: `await bus.publish()` in a plain loop, one handler on the other side. Arguments as in hand-written.ts. */
import { MessageBus } from 'tracebus';
import { bodyOf } from '../body.ts';

const TOPIC = 'price.tick';
const [role, ...args] = process.argv.slice(2);

async function publish(count: number): Promise<void> {
  const bus = new MessageBus('bench-publisher', { endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } } });
  await bus.ready();
  console.log(JSON.stringify({ endpoint: bus.describe().links[0]?.address }));
  await new Promise((resolve) => process.stdin.once('data', resolve));
  const started = performance.now();
  for (let i = 0; i < count; i++) await bus.publish(TOPIC, bodyOf(i));
  console.log(JSON.stringify({ ms: performance.now() - started }));
  await new Promise((resolve) => process.stdin.once('data', resolve));
  await bus.close();
}

async function subscribe(endpoint: string, count: number): Promise<void> {
  const bus = new MessageBus('bench-subscriber', { endpoints: { subscribe: { connect: [endpoint] } } });
  let first = 0;
  let seen = 0;
  let sum = 0;
  const done = new Promise<void>((resolve) => {
    bus.subscribe(TOPIC, ({ body }) => {
      if (seen === 0) first = performance.now();
      sum += (body as { price: number }).price + seen;
      if (++seen === count) resolve();
    });
  });
  await bus.ready();
  console.log(JSON.stringify({ ready: true }));
  await done;
  console.log(JSON.stringify({ seen, ms: performance.now() - first, sum, gaps: bus.stats().gaps }));
  await bus.close();
}

if (role === 'publish') await publish(Number(args[0]));
else await subscribe(args[0] ?? '', Number(args[1]));
