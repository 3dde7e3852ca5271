/**
 * A Python process of `peers/`, which says things in lines of JSON and is told things in lines of its input. It is stopped by
 * its id when the test ends, however that was. Without a Python that can `import zmq` the test fails.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findPython } from '../../scripts/find-python.ts';

/** Long enough for a start on a busy machine; nothing waits so long when it works. */
const BOUND_MS = 20_000;

let python: string | undefined;

/** See the head of this file. */
export class PythonPeer {
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #program: string;
  readonly #said: unknown[] = [];
  #complaints = '';
  #ended = false;
  #hear: () => void = () => {};

  constructor(t: TestContext, program: string, ...args: readonly string[]) {
    const file = fileURLToPath(new URL(`./peers/${program}.py`, import.meta.url));
    python ??= findPython();
    const child = spawn(python, [file, ...args], { stdio: 'pipe' });
    this.#program = program;
    this.#child = child;
    child.stdin.on('error', () => {}); // it has ended: what it said and its exit tell the rest
    child.stderr.on('data', (chunk: Buffer) => (this.#complaints += chunk.toString()));
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#said.push(JSON.parse(line));
      this.#hear();
    });
    this.exited = once(child, 'close').then(([code]) => {
      this.#ended = true;
      this.#hear();
      return code as number | null;
    });
    t.after(async () => {
      child.kill('SIGKILL');
      await this.exited;
    });
  }

  /** The next thing that it says. */
  async next<T>(): Promise<T> {
    const end = performance.now() + BOUND_MS;
    while (this.#said.length === 0) {
      const left = end - performance.now();
      const state = this.#ended ? 'ended' : `said nothing for ${String(BOUND_MS)} ms`;
      if (this.#ended || left <= 0) assert.fail(`${this.#program}.py ${state}. ${this.#complaints}`);
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

  /** The next things that it says. */
  async take<T>(count: number): Promise<T[]> {
    const all: T[] = [];
    while (all.length < count) all.push(await this.next<T>());
    return all;
  }

  tell(body: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(body)}\n`);
  }

  /** Ends its input. */
  finish(): void {
    this.#child.stdin?.end();
  }
}
