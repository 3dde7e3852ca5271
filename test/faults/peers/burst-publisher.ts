/**
 * A publisher that publishes as fast as `await bus.publish()` in a plain loop goes, and minds its memory. Argument: what it does
 * about slow subscribers, and the high-water mark of its socket. `{ publish: count, bytes }` publishes bodies `{ index, filling }` of about so many bytes and says as
 * `burst` how many were accepted and rejected, how long it took, and how far memory rose in megabytes; `{ allow: n }` lets it go no further than
 * the n-th body until it is allowed more; `{ stats: true }` says what it counted.
 */
import { MessageBus } from '../../../src/message-bus.ts';
import { onCommand, say } from './talk.ts';

const [policy = 'leave-behind', hwmPackets = '256'] = process.argv.slice(2);
const SAMPLE_MS = 20;
const MEGABYTE = 2 ** 20;

const bus = new MessageBus('publisher', {
  endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } },
  slowSubscribers: policy as 'leave-behind' | 'wait' | 'drop',
  publishTimeoutMs: policy === 'wait' ? 60_000 : 1000,
  hwmPackets: Number(hwmPackets),
  heartbeatMs: 100,
  logLevel: 'warn',
});
await bus.ready();
say({ endpoint: bus.describe().links[0]?.address });

let next = 0;
let allowed = Infinity;
let goOn: () => void = () => {};

async function publish(count: number, bytes: number): Promise<void> {
  const filling = 'x'.repeat(bytes);
  const { rss } = process.memoryUsage();
  let highest = rss;
  const sampling = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, SAMPLE_MS);
  const started = performance.now();
  let accepted = 0;
  const rejections: Record<string, number> = {};
  for (let left = count; left > 0; left--) {
    while (next >= allowed) {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
    try {
      await bus.publish('price.tick', { index: next++, filling });
      accepted++;
    } catch (error) {
      const { code } = error as { code: string };
      rejections[code] = (rejections[code] ?? 0) + 1;
    }
  }
  const ms = performance.now() - started;
  clearInterval(sampling);
  say({ burst: { accepted, rejections, ms, roseMb: Math.round((highest - rss) / MEGABYTE) } });
}

onCommand(({ publish: count, bytes = 0, allow }) => {
  if (typeof allow === 'number') {
    allowed = allow;
    goOn();
  } else if (typeof count === 'number') void publish(count, Number(bytes));
  else say({ ...bus.metrics(), ...bus.stats() });
});
