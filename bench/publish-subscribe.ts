/**
 * Publish/subscribe, one topic, 100-byte JSON bodies, one publisher and one subscriber process over loopback TCP: tracebus beside the
 * loop that people write by hand. Rounds alternate; the result is the ratio of the medians. A round is long enough that compiling the hot
 * path, which both pay once, does not decide it. `--rounds N --count N`.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { machine, median } from './machine.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, count: { type: 'string', default: '1000000' } },
});
const rounds = Number(values.rounds);
const count = Number(values.count);

interface Peer {
  readonly process: ChildProcess;
  next(): Promise<Record<string, number | string>>;
}

function start(program: string, ...args: string[]): Peer {
  const file = new URL(`./peers/${program}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    async next() {
      const line = await lines.next();
      if (line.done === true) throw new Error(`${program} ended early`);
      return JSON.parse(line.value) as Record<string, number | string>;
    },
  };
}

/** One round; answers messages per second at the receiver, and fails when one was lost. */
async function round(program: string): Promise<number> {
  const publisher = start(program, 'publish', String(count));
  const { endpoint } = await publisher.next();
  const subscriber = start(program, 'subscribe', String(endpoint), String(count));
  try {
    await subscriber.next();
    // The hand-written loop has no ready(): its subscription needs a moment to arrive.
    if (program === 'hand-written') await new Promise((resolve) => setTimeout(resolve, 300));
    publisher.process.stdin?.write('go\n');
    await publisher.next();
    const { seen, ms } = await subscriber.next();
    if (seen !== count) throw new Error(`${program}: ${String(seen)} of ${String(count)} arrived`);
    return (count / Number(ms)) * 1000;
  } finally {
    publisher.process.kill();
    subscriber.process.kill();
  }
}

const rates: Record<string, number[]> = { 'hand-written': [], tracebus: [] };
console.log(machine());
console.log(`${String(count)} messages of 100 bytes, ${String(rounds)} rounds, alternating`);
for (let i = 0; i < rounds; i++) {
  for (const program of Object.keys(rates)) {
    const rate = await round(program);
    rates[program]?.push(rate);
    console.log(`round ${String(i + 1)} ${program}: ${String(Math.round(rate / 1000))} k msg/s`);
  }
}
const [raw, ours] = [median(rates['hand-written'] ?? []), median(rates.tracebus ?? [])];
console.log(
  `medians: hand-written ${String(Math.round(raw / 1000))} k msg/s, tracebus ${String(Math.round(ours / 1000))} k msg/s, ratio ${(ours / raw).toFixed(2)}`,
);
