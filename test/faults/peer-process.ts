/** A peer in a process of its own: a program of `peers/`, which talks in lines of JSON on its standard streams. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** Long enough for a start on a busy machine; nothing waits so long when it works. */
const BOUND_MS = 20_000;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** See the head of this file. */
export class PeerProcess {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #program: string;
  readonly #said: unknown[] = [];
  readonly #listeners = new Map<string, (value: unknown) => void>();
  #hear: (() => void) | undefined;
  #exit: Exit | undefined;

  /** Starts `peers/<program>.ts`; it is killed when the test ends, if it still runs then. */
  constructor(t: TestContext, program: string, ...args: readonly string[]) {
    const file = new URL(`./peers/${program}.ts`, import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#program = program;
    // A peer that was killed in the middle of a command.
    child.stdin.on('error', () => {});
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as Record<string, unknown>;
      const [key = ''] = Object.keys(said);
      const listener = this.#listeners.get(key);
      if (listener === undefined) this.#said.push(said);
      else listener(said[key]);
      this.#hear?.();
    });
    this.exited = once(child, 'exit').then(([code, signal]) => {
      this.#exit = { code: code as number | null, signal: signal as NodeJS.Signals | null };
      this.#hear?.();
      return this.#exit;
    });
    t.after(() => this.kill());
  }

  /** The next line that it says. */
  async next<T>(what: string): Promise<T> {
    const end = performance.now() + BOUND_MS;
    while (this.#said.length === 0) {
      if (this.#exit !== undefined) {
        assert.fail(`${this.#program} ended (${JSON.stringify(this.#exit)}) before it said: ${what}`);
      }
      const left = end - performance.now();
      if (left <= 0) assert.fail(`Waited ${String(BOUND_MS)} ms for ${this.#program} to say: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#hear = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#said.shift() as T;
  }

  /** From now on lines that begin with this key go here, and `next` does not see them. */
  on(key: string, listener: (value: unknown) => void): void {
    this.#listeners.set(key, listener);
  }

  tell(command: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Tells and hears the answer. */
  ask<T>(command: unknown): Promise<T> {
    this.tell(command);
    return this.next(`the answer to ${JSON.stringify(command)}`);
  }

  /** Ends it as a crash would, and resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#exit !== undefined) return;
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Waits for it to end by itself. */
  async end(boundMs = BOUND_MS): Promise<Exit> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.#program} still runs after ${String(boundMs)} ms`)), boundMs);
    });
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
