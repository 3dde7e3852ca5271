/** A peer process as the benchmark sees it: a line in, a line of JSON out. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { endWithUs } from './children.ts';

/** Figures, percentiles, an address. */
export type Reply = Readonly<Record<string, unknown>>;

/** Closing lets what has been sampled leave. */
const END_TIMEOUT_MS = 20_000;
/** For one answer: the longest run, and what is left on its way. */
const ANSWER_TIMEOUT_MS = 180_000;

export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #name: string;
  readonly #gone: Promise<unknown>;
  #address = '';

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#gone = once(child, 'exit');
    endWithUs(child);
    if (child.stdout === null) throw new Error('no output');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts a program that prints `{ ready, address }`. */
  static async start(
    file: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<PeerProcess> {
    const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit'];
    const peer = new PeerProcess(args.join(' '), spawn(file, args, { stdio, env: { ...process.env, ...env } }));
    try {
      peer.#address = String((await peer.#next())['address']);
    } catch (error) {
      await peer.kill();
      throw error;
    }
    return peer;
  }

  /** Starts a script of bench/peers. */
  static startScript(script: string, argument: string, nodeOptions: readonly string[] = []): Promise<PeerProcess> {
    const file = fileURLToPath(new URL(`./peers/${script}.ts`, import.meta.url));
    return PeerProcess.start(process.execPath, [...nodeOptions, '--import', 'tsx', file, argument]);
  }

  /** Where it listens. */
  get address(): string {
    return this.#address;
  }

  /** @throws Error with what the peer says is wrong */
  async ask(command: string): Promise<Reply> {
    this.#child.stdin?.write(`${command}\n`);
    return this.#next();
  }

  /** Tells it to end, and waits. */
  async stop(): Promise<void> {
    this.#child.stdin?.end('end\n');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  /** Stops its process where it stands; only `kill` ends it then. */
  suspend(): void {
    this.#child.kill('SIGSTOP');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  async #next(): Promise<Reply> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_TIMEOUT_MS);
    const line = await this.#lines.next();
    clearTimeout(timer);
    if (line.done === true) throw new Error(`a peer ended early: ${this.#name}`);
    const reply = JSON.parse(line.value) as Reply;
    if ('error' in reply) throw new Error(String(reply['error']));
    return reply;
  }
}
