/** How the launcher talks to the processes: requests over a bus of its own, to an endpoint of each. */
import { Console } from 'node:console';
import { MessageBus } from 'tracebus';
import { zeromq } from 'tracebus/zeromq';
import type { Report } from './tally.ts';
import type { Market } from './topics.ts';
import { RECONNECT_MAX_MS, SERVICES } from './wiring.ts';
import type { ServiceName, Wiring } from './wiring.ts';

/** What each process has reported. */
export type Reports = Readonly<Record<ServiceName, Report>>;

/** Five processes compile and load at once, on whatever machine this is. */
const START_TIMEOUT_MS = 60_000;

export class Control {
  readonly #bus: MessageBus<Market>;
  readonly #wiring: Omit<Wiring, 'name'>;
  readonly #signal: AbortSignal;

  /** The signal ends every call. */
  constructor(wiring: Omit<Wiring, 'name'>, signal: AbortSignal) {
    const logger = new Console(process.stderr); // standard output is for the result
    const transport = zeromq({ reconnectMaxMs: RECONNECT_MAX_MS });
    this.#bus = new MessageBus<Market>('launcher', { transport, logger, requestTimeoutMs: 20_000 });
    this.#wiring = wiring;
    this.#signal = signal;
  }

  /** Resolves when all processes answer: a request waits for its peer. */
  async untilUp(): Promise<Reports> {
    return this.#everyone(START_TIMEOUT_MS);
  }

  /** Starts the feed, when its subscribers are there. */
  async start(): Promise<void> {
    await this.#ask('feed', 'demo.start', START_TIMEOUT_MS);
  }

  /** Stops the feed. */
  async stop(): Promise<void> {
    await this.#ask('feed', 'demo.stop');
  }

  async reports(): Promise<Reports> {
    return this.#everyone();
  }

  async close(): Promise<void> {
    await this.#bus.close({ timeoutMs: 100 });
  }

  async #everyone(timeoutMs?: number): Promise<Reports> {
    const answers = SERVICES.map(async (name) => [name, await this.#ask(name, 'demo.report', timeoutMs)] as const);
    return Object.fromEntries(await Promise.all(answers)) as Record<ServiceName, Report>;
  }

  #ask(name: ServiceName, topic: 'demo.report' | 'demo.start' | 'demo.stop', timeoutMs?: number): Promise<Report> {
    const options = { endpoint: this.#wiring.control[name], signal: this.#signal };
    return this.#bus.request(topic, null, timeoutMs === undefined ? options : { ...options, timeoutMs });
  }
}
