/** The demo as a subject: started through its launcher, its processes' metrics known, and ended as Ctrl-C ends it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Target } from './start.ts';

export interface DemoOptions {
  /** Where its spans go: `collector.otlpHttp`. */
  readonly otlpEndpoint: string;
  /** Events a second. @default 200 */
  readonly rate?: number;
  /** Added to its environment. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface Demo {
  /** Its processes, by service. */
  readonly targets: readonly (Target & { readonly job: string })[];
  /** What it has written so far. */
  output(): string;
  /** Ends it. Resolves to its exit code, or the signal that ended it. */
  stop(): Promise<number | string>;
}

const LAUNCHER = fileURLToPath(new URL('../../examples/market/main.ts', import.meta.url));

/** Its processes, as it introduces them. */
const INTRODUCTION = /^(\S+) +process \d+ +metrics (http\S+)$/;
const PROCESSES = 5;

/** Five processes compile and load at once. */
const START_TIMEOUT_MS = 90_000;

/** Starts it with every trace sampled. Resolves when its feed runs. @throws Error with its output */
export async function startDemo({ otlpEndpoint, rate = 200, env }: DemoOptions): Promise<Demo> {
  const child = spawn(process.execPath, ['--import', 'tsx', LAUNCHER, '--rate', String(rate)], {
    env: { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint, OTEL_TRACES_SAMPLER: 'always_on', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => {
      resolve(signal ?? code ?? 'nothing');
    });
  });
  // The launcher's processes end with it; it alone has to be ended when this process crashes.
  const kill = (): void => void child.kill('SIGTERM');
  process.once('exit', kill);
  void ended.then(() => process.off('exit', kill));

  const lines: string[] = [];
  const output = (): string => lines.join('\n');
  const targets: (Target & { readonly job: string })[] = [];
  const up = new Promise<void>((resolve, reject) => {
    const fail = (how: string): void => {
      reject(new Error(`The demo ${how}:\n${output()}`));
    };
    const patience = setTimeout(fail, START_TIMEOUT_MS, `was not up after ${START_TIMEOUT_MS} ms`);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        const [, job, url] = INTRODUCTION.exec(line) ?? [];
        if (job === undefined || url === undefined) return;
        if (targets.push({ job, url }) < PROCESSES) return;
        clearTimeout(patience);
        resolve();
      });
    }
    void ended.then((how) => {
      clearTimeout(patience);
      fail(`has ended by itself (${how})`);
    });
  });
  const stop = (): Promise<number | string> => {
    child.kill('SIGINT');
    return ended;
  };
  try {
    await up;
  } catch (error) {
    await stop();
    throw error;
  }
  return { targets, output, stop };
}
