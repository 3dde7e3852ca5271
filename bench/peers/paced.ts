/**
 * `publish POLICY`: publishes one topic as fast as a plain loop of `await bus.publish()` goes, once a line comes in, until another
 * does. `subscribe ENDPOINT PACE...`: subscribers, each a bus of its own, that take so many messages a second (0: none at all),
 * as many as they can (`fast`), or that and stand still for 30 ms now and then (`pausing`); each line that comes in is answered with
 * what they have received and what they know they have missed.
 */
import { createInterface } from 'node:readline';
import { MessageBus } from 'tracebus';

const PAUSE_MS = 30;
const PAUSE_EVERY = 20_000;
/** Timers are coarse: a paced reader waits for so many milliseconds' worth of messages at once. */
const SLICE_MS = 10;

const [role, first = '', ...paces] = process.argv.slice(2);
const say = (what: unknown): void => console.log(JSON.stringify(what));
const lines = createInterface({ input: process.stdin });

async function publish(slowSubscribers: 'leave-behind' | 'wait' | 'drop'): Promise<void> {
  const bus = new MessageBus('bench-publisher', {
    endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } },
    slowSubscribers,
    logLevel: 'warn',
  });
  await bus.ready();
  let running = false;
  const loop = async (): Promise<void> => {
    for (let i = 0; running; i++) await bus.publish('price.tick', bodyOf(i));
    const { messages_sent } = bus.metrics();
    say({ sent: messages_sent, leftBehind: bus.stats().subscribers_left_behind });
  };
  lines.on('line', () => {
    running = !running;
    if (running) void loop();
  });
  say({ endpoint: bus.describe().links[0]?.address });
}

async function subscribe(endpoint: string): Promise<void> {
  const subscribers = paces.map((pace) => paced(endpoint, pace));
  await Promise.all(subscribers.map(({ bus }) => bus.ready()));
  lines.on('line', () => say(subscribers.map(({ name, bus, received }) => [name, received(), bus.stats().gaps])));
  say({ ready: true });
}

function paced(endpoint: string, name: string): { name: string; bus: MessageBus; received: () => number } {
  const bus = new MessageBus(`bench-${name}`, { endpoints: { subscribe: { connect: [endpoint] } }, logLevel: 'warn' });
  const perSecond = Number(name);
  let received = 0;
  let since: number | undefined;
  const handler = (): Promise<void> | undefined => {
    received++;
    if (name === 'pausing' && received % PAUSE_EVERY === 0) block(PAUSE_MS);
    if (Number.isNaN(perSecond)) return undefined;
    if (perSecond === 0) return new Promise(() => {});
    since ??= performance.now();
    const aheadMs = (received / perSecond) * 1000 - (performance.now() - since);
    return aheadMs > SLICE_MS ? new Promise((resolve) => setTimeout(resolve, aheadMs)) : undefined;
  };
  bus.subscribe('price.tick', handler, Number.isNaN(perSecond) ? {} : { concurrency: 1 });
  return { name, bus, received: () => received };
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** About 100 bytes of JSON. */
function bodyOf(i: number): unknown {
  return {
    symbol: 'BTC',
    price: 43210.5 + (i % 100),
    volume: 1234,
    side: 'buy',
    venue: 'XYZ',
    note: 'abcdefghijklmno',
  };
}

if (role === 'publish') await publish(first as 'leave-behind' | 'wait' | 'drop');
else await subscribe(first);
