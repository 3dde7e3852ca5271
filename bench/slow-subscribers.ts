/**
 * What slow subscribers cost the healthy ones: one that takes all it can and one that stands still for 30 ms now and then, alone, and
 * beside five that take 1, 5, 15 and 50 thousand a second and none at all. Rounds alternate; the result is, for each policy, the
 * ratio of the medians of the healthy ones' rates after the first seconds, and what they lost. `--rounds N --seconds N --policy P`.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { machine } from './machine.ts';
import { median } from './statistics.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    policy: { type: 'string', multiple: true, default: ['leave-behind', 'drop'] },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

/** The policy finds out who is slow, and its patience shrinks. */
const WARM_UP_MS = 3000;
const SLOW = ['1000', '5000', '15000', '50000', '0'];

type Reading = [name: string, received: number, gaps: number][];

interface Peer {
  readonly process: ChildProcess;
  next<T>(): Promise<T>;
  ask<T>(): Promise<T>;
}

function start(...args: string[]): Peer {
  const file = new URL('./peers/paced.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${args.join(' ')} ended early`);
    return JSON.parse(line.value) as T;
  };
  const ask = <T>(): Promise<T> => {
    child.stdin.write('\n');
    return next<T>();
  };
  return { process: child, next, ask };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Result {
  /** Messages a second, by healthy subscriber. */
  readonly rates: Record<string, number>;
  readonly lost: Record<string, number>;
  readonly leftBehind: number;
}

/** One round; the healthy ones have a process each, the slow ones share one. */
async function round(policy: string, withSlow: boolean): Promise<Result> {
  const publisher = start('publish', policy);
  const peers: Peer[] = [publisher];
  try {
    const { endpoint } = await publisher.next<{ endpoint: string }>();
    const healthy = ['fast', 'pausing'].map((pace) => start('subscribe', endpoint, pace));
    const slow = withSlow ? [start('subscribe', endpoint, ...SLOW)] : [];
    peers.push(...healthy, ...slow);
    for (const peer of [...healthy, ...slow]) await peer.next();
    publisher.process.stdin?.write('go\n');
    await pause(WARM_UP_MS);
    const before = (await Promise.all(healthy.map((peer) => peer.ask<Reading>()))).flat();
    const started = performance.now();
    await pause(seconds * 1000);
    const after = (await Promise.all(healthy.map((peer) => peer.ask<Reading>()))).flat();
    const elapsed = (performance.now() - started) / 1000;
    const { leftBehind } = await publisher.ask<{ leftBehind: number }>();
    const received = new Map(before.map(([name, count]) => [name, count]));
    return {
      rates: Object.fromEntries(after.map(([name, count]) => [name, (count - (received.get(name) ?? 0)) / elapsed])),
      lost: Object.fromEntries(after.map(([name, , gaps]) => [name, gaps])),
      leftBehind,
    };
  } finally {
    for (const peer of peers) peer.process.kill();
  }
}

const thousands = (rate: number): string => `${String(Math.round(rate / 1000))} k/s`;

console.log(machine());
console.log(
  `${String(seconds)} s after ${String(WARM_UP_MS / 1000)} s, bodies of 100 bytes, ${String(rounds)} rounds, alternating`,
);
for (const policy of values.policy) {
  const results: Record<'alone' | 'beside', Result[]> = { alone: [], beside: [] };
  for (let i = 0; i < rounds; i++) {
    for (const scene of ['alone', 'beside'] as const) {
      const result = await round(policy, scene === 'beside');
      results[scene].push(result);
      const lines = Object.entries(result.rates).map(
        ([name, rate]) => `${name} ${thousands(rate)}, lost ${String(result.lost[name])}`,
      );
      const where = scene === 'alone' ? 'alone' : 'beside slow ones';
      console.log(
        `${policy}, round ${String(i + 1)}, ${where}: ${lines.join('; ')}; left behind ${String(result.leftBehind)} times`,
      );
    }
  }
  for (const name of ['fast', 'pausing']) {
    const [alone, beside] = (['alone', 'beside'] as const).map((scene) =>
      median(results[scene].map(({ rates }) => rates[name] ?? NaN)),
    );
    const ratio = ((beside ?? NaN) / (alone ?? NaN)).toFixed(2);
    console.log(
      `${policy}, medians, ${name}: alone ${thousands(alone ?? NaN)}, beside ${thousands(beside ?? NaN)}, ratio ${ratio}`,
    );
  }
}
