/** The processes of the demo: started together, watched, and ended together; none outlives the launcher. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { SERVICES } from './wiring.ts';
import type { ServiceName, Wiring } from './wiring.ts';

/** How long a process may take to end by itself, in milliseconds. */
const PATIENCE_MS = 700;

const FILES: Readonly<Record<ServiceName, string>> = {
  feed: 'feed.ts',
  'analytics-short': 'analytics.ts',
  'analytics-long': 'analytics.ts',
  recorder: 'recorder.ts',
  monitor: 'monitor.ts',
};

/** What becomes known of the processes. */
export interface Watcher {
  /** A line that a process has written. */
  onLine(line: string): void;
  /** A process has ended although nobody asked it to. */
  onEnd(name: ServiceName, how: number | NodeJS.Signals): void;
}

export class Processes {
  readonly #children: readonly ChildProcess[];
  #isStopping = false;

  /** Starts them all, with the Node options of this process. */
  constructor(wiring: Omit<Wiring, 'name'>, watcher: Watcher) {
    this.#children = SERVICES.map((name) => {
      const file = new URL(`./${FILES[name]}`, import.meta.url);
      const child = fork(file, [JSON.stringify({ name, ...wiring })], {
        env: environment(),
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      for (const stream of [child.stdout, child.stderr]) {
        if (stream !== null) createInterface({ input: stream }).on('line', (line) => watcher.onLine(line));
      }
      child.once('exit', (code, signal) => {
        if (!this.#isStopping) watcher.onEnd(name, signal ?? code ?? 0);
      });
      return child;
    });
  }

  /** Resolves when all have ended, within a second: whoever has not ended by itself until then is killed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const left = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = Promise.all(left.map((child) => once(child, 'exit')));
    for (const child of left) child.kill('SIGTERM');
    const patience = setTimeout(() => {
      this.kill();
    }, PATIENCE_MS);
    await ended;
    clearTimeout(patience);
  }

  kill(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

/** One trace in a hundred is plenty at this rate, unless somebody wants it otherwise. */
function environment(): NodeJS.ProcessEnv {
  const sampler = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' };
  return process.env.OTEL_TRACES_SAMPLER === undefined ? { ...process.env, ...sampler } : process.env;
}
