/** The arguments of `tracebus forward`, and the text of `--help` for all commands. */
import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { zeromq } from '../transports/zeromq/index.ts';
import { UsageError } from './usage-error.ts';

/** What `--help` prints. */
export const USAGE: string = `Usage:
  tracebus forward --in <port|endpoint> --out <port|endpoint> [--host <host>]
  tracebus keygen hmac|ed25519|aes|curve [--kid <id>] [--env <variable>]
  tracebus --help | --version

forward lets several publishers share one address. They connect to --in, subscribers connect to --out:

  tracebus forward --in 5555 --out 5565
  tracebus forward --in ipc:///run/app.in --out tcp://127.0.0.1:5565

  --in <port|endpoint>    where publishers connect
  --out <port|endpoint>   where subscribers connect
  --host <host>           the host that ports are bound on (default 127.0.0.1; * for all of them)

Port 0 takes a free one; both addresses are printed. SIGINT and SIGTERM end it.

keygen prints a new key as JSON, of a pair also its public half on a second line. Keep the first line secret:

  umask 077; tracebus keygen hmac --kid orders-1 > bus-keys

  --kid <id>              the id of the key (default: random)
  --env <variable>        print an assignment for a shell or an .env file`;

/** Two endpoints. */
export interface ForwardArguments {
  readonly in: string;
  readonly out: string;
}

/** Reads the arguments after `forward`; throws a UsageError that says which one is wrong. */
export function parseForward(args: string[]): ForwardArguments | 'help' {
  const values = read(args);
  if (values.help === true) return 'help';
  const { in: inside, out: outside, host } = values;
  if (inside === undefined || outside === undefined) throw new UsageError('Both --in and --out are needed');
  if (host !== undefined && isEndpoint(inside) && isEndpoint(outside)) {
    throw new UsageError('--host is for ports, and both --in and --out are whole endpoints');
  }
  return { in: endpointOf('--in', inside, host), out: endpointOf('--out', outside, host) };
}

function read(args: string[]): { in?: string; out?: string; host?: string; help?: boolean } {
  try {
    const text = { type: 'string' } as const;
    const options = { in: text, out: text, host: text, help: { type: 'boolean', short: 'h' } } as const;
    return parseArgs({ args, options, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function endpointOf(option: string, value: string, host = '127.0.0.1'): string {
  const endpoint = isEndpoint(value) ? value : `tcp://${host}:${value}`;
  try {
    zeromq().checkEndpoint(endpoint);
  } catch (error) {
    throw new UsageError(`${option}: ${messageOf(error)}`);
  }
  return endpoint;
}

function isEndpoint(value: string): boolean {
  return value.includes('://');
}
