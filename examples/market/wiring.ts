/** Who there is and where each one listens; the launcher decides it and hands it to every process. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

/** The two analytics processes, and how many rows each averages. */
export const WINDOWS = { 'analytics-short': 20, 'analytics-long': 100 } as const;

/** The processes, in the order in which they are shown. */
export const SERVICES = ['feed', 'analytics-short', 'analytics-long', 'recorder', 'monitor'] as const;

/** On one host, and with peers that are only starting, nobody needs to be patient between two attempts to connect. */
export const RECONNECT_MAX_MS = 250;

export type ServiceName = (typeof SERVICES)[number];

/** What the command line decides. */
export interface Choices {
  /** Events a second; 0 for as fast as the slowest subscriber takes them. */
  readonly rate: number;
  /** analytics-short refuses one event. */
  readonly isDroppingOne: boolean;
}

/** What a process is told when it starts. */
export interface Wiring extends Choices {
  readonly name: ServiceName;
  /** Where the feed publishes. */
  readonly prices: string;
  /** Where the recorder pulls results. */
  readonly results: string;
  /** Where the recorder answers `state.get`. */
  readonly state: string;
  /** Where each process answers the launcher. */
  readonly control: Readonly<Record<ServiceName, string>>;
}

/** Endpoints on free ports, for everyone. */
export async function makeWiring({ rate, isDroppingOne }: Choices): Promise<Omit<Wiring, 'name'>> {
  const ports = await freePorts(3 + SERVICES.length);
  const next = (): string => `tcp://127.0.0.1:${ports.pop() ?? 0}`;
  const [prices, results, state] = [next(), next(), next()];
  const control = Object.fromEntries(SERVICES.map((name) => [name, next()])) as Record<ServiceName, string>;
  return { prices, results, state, control, rate, isDroppingOne };
}

/**
 * Ports that are free now. Services in production have ports of their own; a demo must not collide with them. All are held at
 * once, so that they differ, and let go for the processes to bind. They lie below those that systems hand out by themselves,
 * else the next outgoing connection of anybody might take one in the meantime.
 */
async function freePorts(wanted: number): Promise<number[]> {
  const held: Server[] = [];
  for (let tries = 0; held.length < wanted && tries < 1000; tries++) {
    const server = await hold(randomInt(20_000, 32_000));
    if (server !== undefined) held.push(server);
  }
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  if (ports.length < wanted) throw new Error(`only ${ports.length} of ${wanted} free ports found on 127.0.0.1`);
  return ports;
}

/** Undefined when the port is taken. */
function hold(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(undefined);
    });
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}
