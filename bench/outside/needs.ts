/** What rows need beyond the project, got on demand; what cannot be had is a reason that the table shows. */
import type { Need } from '../rows.ts';
import { PeerProcess } from '../peer-process.ts';
import { startNats, startRedis } from './brokers.ts';
import type { Broker } from './brokers.ts';
import { benchFolder } from './folder.ts';
import type { Program } from './programs.ts';
import { libzmqPeer, natsServer, npmPackages, redisServer } from './programs.ts';

/** What is there by now. */
export class Outside {
  readonly folder: string = benchFolder();
  readonly missing: Map<Need, string> = new Map<Need, string>();
  readonly #got = new Set<Need>();
  readonly #brokers = new Map<string, Broker>();
  #libzmq: Program | undefined;
  #sink: PeerProcess | undefined;

  /** Gets what is needed; answers why it cannot be had, or undefined. */
  async get(need: Need): Promise<string | undefined> {
    if (this.#got.has(need) || this.missing.has(need)) return this.missing.get(need);
    try {
      await this.#obtain(need);
      this.#got.add(need);
    } catch (error) {
      this.missing.set(need, error instanceof Error ? error.message : String(error));
    }
    return this.missing.get(need);
  }

  /** Where the broker of a system listens; empty text for a system without one. */
  addressOf(system: string): string {
    return this.#brokers.get(system)?.address ?? '';
  }

  get libzmq(): Program {
    if (this.#libzmq === undefined) throw new Error('libzmq-peer has not been compiled');
    return this.#libzmq;
  }

  get sinkAddress(): string {
    return this.#sink?.address ?? '';
  }

  /** The spans that arrived at the sink since it was asked before. */
  async takeSpans(): Promise<number> {
    return Number((await this.#sink?.ask('spans'))?.['spans'] ?? NaN);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#brokers.values()].map((broker) => broker.stop()));
    await this.#sink?.stop();
  }

  async #obtain(need: Need): Promise<void> {
    if (need === 'libzmq') this.#libzmq = await libzmqPeer(this.folder);
    else if (need === 'otlp-sink') this.#sink = await PeerProcess.startScript('otlp-sink', '');
    else {
      await npmPackages(this.folder);
      if (need === 'nats') this.#brokers.set(need, await startNats(await natsServer(this.folder)));
      if (need === 'redis') this.#brokers.set(need, await startRedis(await redisServer(this.folder)));
    }
  }
}
