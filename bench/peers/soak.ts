/**
 * A peer of the soak: `{ part, address, bytes, timeoutMs }` says what it does. Prints `{ ready, address }`, then answers lines: `pace N`
 * (messages or calls a second; 0 as many as go), `sample` (memory after a collection, and counts), `end`. Needs --expose-gc.
 */
import { createInterface } from 'node:readline';
import { MessageBus } from 'tracebus';
import type { MessageBusConfig } from 'tracebus';
import { bodiesOf, TOPIC } from '../body.ts';

export type SoakPart =
  'publisher' | 'waiting-publisher' | 'subscriber' | 'blocking-subscriber' | 'slow-handler' | 'requester' | 'responder';

export interface SoakSpec {
  readonly part: SoakPart;
  readonly address: string;
  /** About so many bytes of payload. */
  readonly bytes: number;
}

const TICK_MS = 5;
const IN_FLIGHT = 100;
/** More callers than the queue holds messages: those that wait keep their message themselves, so not many more. */
const CALLERS_BY_BYTES = { small: 5000, large: 200 };
const LARGE_BYTES = 65_536;
const REQUEST_TIMEOUT_MS = 500;
/** A subscriber that stands still: so long, after so many messages. */
const BLOCK_MS = 100;
const BLOCK_EVERY = 1000;
const SLOW_HANDLER_MS = 1;
/** Turns of the event loop are left to others every so many messages. */
const YIELD_EVERY = 256;

const spec = JSON.parse(process.argv[2] ?? '') as SoakSpec;
const bodyOf = bodiesOf({
  ...{ pattern: 'publish', body: 'json', topics: 1, run: 0, receivers: 1, inFlight: 1, idleMs: 0 },
  bytes: spec.bytes,
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let [done, failed, mostQueued] = [0, 0, 0];
let pace: number | undefined;
let isEnded = false;

function open(config: MessageBusConfig): MessageBus {
  return new MessageBus(`soak-${spec.part}`, { logLevel: 'error', logger: quiet, ...config });
}
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Does one thing after another, as one of so many callers that share the pace that was last given. */
async function keepPace(callers: number, act: () => Promise<unknown>): Promise<void> {
  let [since, owed, current] = [performance.now(), 0, pace];
  for (let i = 1; !isEnded; i++) {
    if (pace !== current) [since, owed, current] = [performance.now(), 0, pace];
    const isAhead = (perSecond: number): boolean =>
      perSecond > 0 && owed >= ((performance.now() - since) / 1000) * (perSecond / callers);
    if (current === undefined || isAhead(current)) {
      await pause(TICK_MS);
      continue;
    }
    owed++;
    try {
      await act();
      done++;
    } catch {
      failed++; // what it rejects with is counted by the bus; memory is the matter here
      await turn();
    }
    if (i % YIELD_EVERY === 0) await turn();
  }
}

function start(): MessageBus {
  const { part, address } = spec;
  if (part === 'publisher' || part === 'waiting-publisher') {
    const slowSubscribers = part === 'publisher' ? 'leave-behind' : 'wait';
    const bus = open({ endpoints: { publish: { bind: 'tcp://127.0.0.1:*' } }, slowSubscribers });
    // One publisher awaits each call; the other stands for many callers at once, so that the queue fills up.
    const callers = part === 'publisher' ? 1 : CALLERS_BY_BYTES[spec.bytes < LARGE_BYTES ? 'small' : 'large'];
    for (let i = 0; i < callers; i++) {
      void keepPace(callers, async () => {
        const accepted = bus.publish(TOPIC, bodyOf(done, 0));
        mostQueued = Math.max(mostQueued, bus.stats().queued_messages);
        await accepted;
      });
    }
    return bus;
  }
  if (part === 'requester') {
    const bus = open({ endpoints: { request: { connect: [address] } }, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    for (let i = 0; i < IN_FLIGHT; i++) void keepPace(IN_FLIGHT, () => bus.request('echo', bodyOf(done, 0)));
    return bus;
  }
  if (part === 'responder') {
    const bus = open({ endpoints: { respond: { bind: 'tcp://127.0.0.1:*' } } });
    bus.respond('echo', ({ body }) => {
      done++;
      return body;
    });
    return bus;
  }
  const bus = open({ endpoints: { subscribe: { connect: [address] } } });
  const handler = (): Promise<void> | undefined => {
    done++;
    if (part === 'slow-handler') return pause(SLOW_HANDLER_MS);
    if (part === 'blocking-subscriber' && done % BLOCK_EVERY === 0) {
      for (const end = performance.now() + BLOCK_MS; performance.now() < end;);
    }
    return undefined;
  };
  bus.subscribe(TOPIC, handler, part === 'slow-handler' ? { concurrency: 1 } : {});
  return bus;
}

function sample(): Record<string, number> {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const { gaps, queued_messages, in_flight_handlers } = bus.stats();
  return { heapUsed, external, rss, done, failed, mostQueued, gaps, queued_messages, in_flight_handlers };
}

const bus = start();
if (spec.part !== 'requester') await bus.ready();
console.log(JSON.stringify({ ready: true, address: bus.describe().links[0]?.address ?? '' }));
for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = line.split(' ');
  if (command === 'end') break;
  if (command === 'pace') pace = Number(argument);
  console.log(JSON.stringify(command === 'sample' ? sample() : {}));
}
isEnded = true;
process.exit(0);
