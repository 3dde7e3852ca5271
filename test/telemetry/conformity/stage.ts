/** What a scenario plays on: buses of either transport whose endpoints fit together, everything closed at the end. */
import { rmSync } from 'node:fs';
import { MessageBus } from '../../../src/message-bus.ts';
import type { MessageBusConfig, PortNumbers } from '../../../src/message-bus.ts';
import type { Endpoints } from '../../../src/core/options.ts';
import type { Sender, Transport } from '../../../src/core/transport.ts';
import { memory, memoryHub } from '../../../src/transports/memory.ts';
import { zeromq } from '../../../src/transports/zeromq/index.ts';
import { freePort } from '../../support/free-port.ts';

/** Where the buses of a scenario meet. */
export type System = 'memory' | 'zeromq';

/** What happens to every bus of a stage before the scenario has it. */
export type Prepare = (bus: MessageBus) => void;

const BOUND_MS = 10_000;
const NO_WAIT = { baseMs: 0 } as const;

/** See the head of this file. */
export class Stage {
  readonly system: System;
  readonly ports: Required<PortNumbers>;
  readonly #hub = memoryHub();
  readonly #buses = new Set<MessageBus>();

  readonly #prepare: Prepare | undefined;

  private constructor(system: System, ports: Required<PortNumbers>, prepare: Prepare | undefined) {
    this.system = system;
    this.ports = ports;
    this.#prepare = prepare;
  }

  /** A stage with ports of its own; in memory, where each stage has its own hub, they are names. */
  static async open(system: System, prepare?: Prepare): Promise<Stage> {
    const ports = new Set(system === 'memory' ? [5555, 5556, 5557] : []);
    while (ports.size < 3) ports.add(await freePort());
    const [GLOBAL_EVENTS = 0, TASK_RESULTS = 0, STATE_MANAGEMENT = 0] = ports;
    return new Stage(system, { GLOBAL_EVENTS, TASK_RESULTS, STATE_MANAGEMENT }, prepare);
  }

  /** A transport that reaches the other buses of the stage. */
  transport(): Transport {
    return this.system === 'memory' ? memory({ hub: this.#hub }) : zeromq({ reconnectMs: 5, reconnectMaxMs: 40 });
  }

  /** A quiet bus with the standard stack; it binds its publisher at `ready()` unless it is told otherwise. */
  bus(serviceName: string, config: MessageBusConfig = {}): MessageBus {
    const bus = new MessageBus(serviceName, {
      transport: this.transport(),
      ports: this.ports,
      publish: true,
      logLevel: 'silent',
      retry: NO_WAIT,
      random: () => 0,
      ...config,
    });
    this.#prepare?.(bus);
    this.#buses.add(bus);
    return bus;
  }

  /** Endpoints that name no host and port. */
  unixEndpoints(): Required<Endpoints> {
    const at = (name: string): string =>
      this.system === 'memory' ? `memory://${name}` : `ipc:///tmp/tracebus-${String(this.ports.GLOBAL_EVENTS)}-${name}`;
    return {
      publish: { bind: at('events') },
      subscribe: { connect: [at('events')] },
      push: { connect: [at('results')] },
      pull: { bind: at('results') },
      request: { connect: [at('state')] },
      respond: { bind: at('state') },
    };
  }

  async close(): Promise<void> {
    for (const bus of this.#buses) await bus.close({ timeoutMs: 1000 });
    // libzmq leaves the files of ipc endpoints behind.
    for (const name of ['events', 'results', 'state']) {
      rmSync(`/tmp/tracebus-${String(this.ports.GLOBAL_EVENTS)}-${name}`, { force: true });
    }
  }
}

/** A transport whose publisher says of some packets that they were sent, and forgets them: as a network that loses them. */
export function losing(transport: Transport, isLost: (topic: string) => boolean): Transport {
  const openPublisher: Transport['openPublisher'] = async (spec) => {
    const sender = await transport.openPublisher(spec);
    return new Proxy(sender, {
      get(target, name) {
        if (name === 'trySend') {
          return ((packet, waitedMs) =>
            isLost(packet.topic ?? '') || target.trySend(packet, waitedMs)) satisfies Sender['trySend'];
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  return { ...transport, openPublisher };
}

/** Waits, bounded, for what only the event loop can bring about. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + BOUND_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The code that a promise rejects with, or `resolved`. */
export function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
}
