/** Free ports on the loopback interface for programs that cannot choose one themselves and say which. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

const HOST = '127.0.0.1';

/** Below those that systems hand out by themselves, else the next outgoing connection of anybody might take one. */
const [LOWEST, HIGHEST] = [20_000, 32_000];

/** Ports that are free now and differ: all are held at once, and let go for the programs to bind. */
export async function freePorts(wanted: number): Promise<number[]> {
  const held: Server[] = [];
  for (let tries = 0; held.length < wanted && tries < 1000; tries++) {
    const server = await hold(randomInt(LOWEST, HIGHEST));
    if (server !== undefined) held.push(server);
  }
  const ports = await release(held);
  if (ports.length < wanted) throw new Error(`Only ${ports.length} of ${wanted} free ports found on ${HOST}.`);
  return ports;
}

/** For each of these ports itself, or the next that is free and not among the others. */
export async function freePortsFrom(wanted: readonly number[]): Promise<number[]> {
  const held: Server[] = [];
  try {
    for (const first of wanted) {
      let server: Server | undefined;
      for (let port = first; server === undefined && port < first + 100; port++) {
        if (port === first || !wanted.includes(port)) server = await hold(port);
      }
      if (server === undefined) throw new Error(`No free port found on ${HOST} from ${first} on.`);
      held.push(server);
    }
  } catch (error) {
    await release(held);
    throw error;
  }
  return release(held);
}

/** Undefined when the port is taken. */
function hold(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(undefined);
    });
    server.listen(port, HOST, () => {
      resolve(server);
    });
  });
}

async function release(held: readonly Server[]): Promise<number[]> {
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
