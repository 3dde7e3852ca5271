/**
 * Makes a bus, uses it and closes it, again and again, and compares what the process holds before and after:
 * `npx tsx scripts/create-close.ts [--cycles 10000]`. Linux: descriptors and threads are read from /proc.
 *
 * In each cycle a bus opens six sockets over tcp, talks to itself through each pattern, and closes. Descriptors and threads must
 * be back at the base line, which is taken after a few cycles: the shared ZeroMQ Context and Node's own threads stay for ever.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { MessageBus } from '../src/message-bus.ts';

const WARM_UP_CYCLES = 20;

/** Closed sockets are freed by a thread of libzmq, a moment after `close` has resolved. */
const SETTLE_MS = 5000;

/** What a process holds. */
export interface Holdings {
  readonly descriptors: number;
  readonly threads: number;
  readonly rssMb: number;
}

/** What a run of {@link createAndClose} saw. */
export interface CycleReport {
  readonly cycles: number;
  /** Messages that arrived: one of each pattern in each cycle. */
  readonly delivered: number;
  readonly before: Holdings;
  readonly after: Holdings;
}

/** What this process holds now. */
export function holdings(): Holdings {
  const threads = /^Threads:\s+(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: Number(threads),
    rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20),
  };
}

/** Runs so many cycles, and waits a moment for the system to take back what was closed. */
export async function createAndClose({ cycles }: { readonly cycles: number }): Promise<CycleReport> {
  for (let index = 0; index < WARM_UP_CYCLES; index++) await cycle();
  const before = await settled((now, earlier) => now.descriptors === earlier.descriptors);
  let delivered = 0;
  for (let index = 0; index < cycles; index++) delivered += await cycle();
  const after = await settled((now) => now.descriptors <= before.descriptors && now.threads <= before.threads);
  return { cycles, delivered, before, after };
}

/** One bus from its making to its end; answers how many messages arrived. */
async function cycle(): Promise<number> {
  const free = 'tcp://127.0.0.1:*';
  const bus = new MessageBus('cycle', {
    endpoints: { publish: { bind: free }, pull: { bind: free }, respond: { bind: free } },
    logLevel: 'warn',
  });
  let delivered = 0;
  await bus.ready();
  const at = (pattern: string): string => {
    const address = bus.describe().links.find((link) => link.pattern === pattern)?.address;
    if (address === undefined) throw new Error(`no address of ${pattern}`);
    return address;
  };
  const subscribed = new Promise<void>((resolve) => {
    const handler = (): void => {
      delivered++;
      resolve();
    };
    bus.subscribe('price', handler, { endpoint: at('publish') });
  });
  const pulled = new Promise<void>((resolve) => {
    bus.pull('task', () => {
      delivered++;
      resolve();
    });
  });
  bus.respond('state', ({ body }) => body);
  // Receivers bind in the turn after they were made.
  await new Promise((resolve) => setImmediate(resolve));
  await bus.push('task', 1, { endpoint: at('pull') });
  if ((await bus.request('state', 2, { endpoint: at('respond') })) === 2) delivered++;
  await bus.ready();
  await bus.publish('price', 3);
  await Promise.all([subscribed, pulled]);
  await bus.close();
  return delivered;
}

/** Asks until the answer is right or the time is up; answers the last one. */
async function settled(isRight: (now: Holdings, earlier: Holdings) => boolean): Promise<Holdings> {
  const end = performance.now() + SETTLE_MS;
  for (let earlier = holdings(); ;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = holdings();
    if (isRight(now, earlier) || performance.now() > end) return now;
    earlier = now;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { cycles: { type: 'string', default: '10000' } } });
  const started = performance.now();
  const report = await createAndClose({ cycles: Number(values.cycles) });
  console.log({ ...report, seconds: Math.round((performance.now() - started) / 1000) });
  const { before, after } = report;
  const isBack = after.descriptors <= before.descriptors && after.threads <= before.threads;
  process.exitCode = isBack && report.delivered === report.cycles * 3 ? 0 : 1;
}
