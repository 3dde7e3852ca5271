/** A program that runs: its output in a file, its health asked for, and ended by its process id whatever happens. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What is to be run. */
export interface Command {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  /** Added to the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where its output goes, to `<name>.log`. */
  readonly folder: string;
  /** A URL that answers 200 when it is ready. */
  readonly health: string;
}

/** Compiled programs are up within a second; a busy machine may need more. */
const START_TIMEOUT_MS = 60_000;

/** Between two questions for a program's health, in milliseconds. */
const ASK_EVERY_MS = 50;

/** How long a program may take to end after SIGTERM, in milliseconds. */
const END_TIMEOUT_MS = 5000;

/** Lines of its output that are shown when something has failed. */
const TAIL_LINES = 40;

let reaper: ChildProcess | undefined;

export class Running {
  readonly name: string;
  readonly log: string;
  readonly #child: ChildProcess;
  #isStopping = false;

  /** Starts it; `onEnd` is told when it ends although nobody asked it to. */
  constructor({ name, path: program, args, env, folder }: Command, onEnd: (why: Error) => void) {
    this.name = name;
    this.log = path.join(folder, `${name}.log`);
    const output = openSync(this.log, 'w');
    this.#child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', output, output] });
    closeSync(output);
    const { pid } = this.#child;
    if (pid !== undefined) watch(`+${pid}`);
    this.#child.once('error', onEnd);
    this.#child.once('exit', (code, signal) => {
      if (pid !== undefined) watch(`-${pid}`);
      if (!this.#isStopping)
        onEnd(new Error(`${name} has ended by itself (${signal ?? String(code)}).\n${this.tail()}`));
    });
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid === undefined || exitCode !== null || signalCode !== null;
  }

  /** The last lines of its output, headed by its name. */
  tail(): string {
    const lines = readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES);
    return [`--- ${this.name}`, ...lines].join('\n');
  }

  /** Resolves when it is gone: after SIGTERM, or SIGKILL if that does not help. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await ended;
    clearTimeout(patience);
  }
}

/** Starts a program. Resolves when it is well. @throws Error with the tail of its output */
export async function start(command: Command, onEnd: (why: Error) => void): Promise<Running> {
  let failure: Error | undefined;
  let isUp = false;
  const running = new Running(command, (why) => {
    if (isUp) onEnd(why);
    else failure = why;
  });
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  while (failure === undefined && performance.now() < giveUpAt) {
    if (await isWell(command.health)) {
      isUp = true;
      return running;
    }
    await sleep(ASK_EVERY_MS);
  }
  await running.stop();
  throw failure ?? new Error(`${command.name} was not well after ${START_TIMEOUT_MS} ms.\n${running.tail()}`);
}

async function isWell(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false; // not listening yet
  }
}

/** A process that outlives this one for a moment, whatever ends it: see reaper.ts. */
function watch(line: string): void {
  if (reaper === undefined) {
    const file = fileURLToPath(new URL('./reaper.ts', import.meta.url));
    reaper = spawn(process.execPath, ['--import', 'tsx', file], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true, // not in the group that Ctrl-C and test runners end
    });
    reaper.unref();
    (reaper.stdin as unknown as { unref(): void }).unref();
  }
  reaper.stdin?.write(`${line}\n`);
}
