/** The arguments of `tracebus forward`, and the text of `--help` for all commands. */
import { parseArgs } from 'node:util';
import { BusError, messageOf } from '../core/errors.ts';
import { zeromq } from '../transports/zeromq/index.ts';
import type { CurveOptions } from '../transports/zeromq/index.ts';
import { readCurveFile } from './curve-file.ts';
import { FileError, UsageError } from './usage-error.ts';

/** What `--help` prints. */
export const USAGE: string = `Usage:
  tracebus forward --in <port|endpoint> --out <port|endpoint> [--host <host>] [--curve <file> | --insecure]
  tracebus keygen hmac|ed25519|aes|curve [--kid <id>] [--env <variable>]
  tracebus --help | --version

forward lets several publishers share one address. They connect to --in, subscribers connect to --out:

  tracebus forward --in 5555 --out 5565
  tracebus forward --in ipc:///run/app.in --out tcp://127.0.0.1:5565

  --in <port|endpoint>    where publishers connect
  --out <port|endpoint>   where subscribers connect
  --host <host>           the host that ports are bound on (default 127.0.0.1; * for all of them)
  --curve <file>          encrypts and authenticates with CURVE; the file is JSON of three members: publicKey and secretKey of
                          the forwarder, authorized (a list of the public keys that may connect, or "any")
  --insecure              binds beyond loopback without CURVE: whoever reaches it can read and send everything

Port 0 takes a free one; both addresses are printed. SIGINT and SIGTERM end it.

keygen prints a new key as JSON, of a pair also its public half on a second line. Keep the first line secret:

  umask 077; tracebus keygen hmac --kid orders-1 > bus-keys

  --kid <id>              the id of the key (default: random)
  --env <variable>        print an assignment for a shell or an .env file`;

/** Two endpoints, and how they are protected. */
export interface ForwardArguments {
  readonly in: string;
  readonly out: string;
  readonly zeromq: { readonly insecure: boolean; readonly curve?: CurveOptions };
}

/** Reads the arguments after `forward`; throws a UsageError that says which one is wrong, or a FileError. */
export function parseForward(args: string[]): ForwardArguments | 'help' {
  const values = read(args);
  if (values.help === true) return 'help';
  const { in: inside, out: outside, host } = values;
  if (inside === undefined || outside === undefined) throw new UsageError('Both --in and --out are needed');
  if (host !== undefined && isEndpoint(inside) && isEndpoint(outside)) {
    throw new UsageError('--host is for ports, and both --in and --out are whole endpoints');
  }
  const { insecure = false, curve } = values;
  if (insecure && curve !== undefined) throw new UsageError('--insecure is for forwarders without --curve');
  return {
    in: endpointOf('--in', inside, host),
    out: endpointOf('--out', outside, host),
    zeromq: { insecure, ...(curve === undefined ? {} : { curve: curveOf(curve) }) },
  };
}

/** What a forwarder failed with, with the way out in arguments where its own hint speaks of options of the API. */
export function inArguments(error: unknown): unknown {
  if (!(error instanceof BusError) || error.code !== 'INSECURE_BIND') return error;
  const { code, what, endpoint } = error;
  const hint =
    'Give it --curve <file>; or let it bind 127.0.0.1 or an ipc:// path; or say --insecure where the network itself keeps strangers out.';
  return new BusError(code, what, { endpoint, hint, cause: error });
}

interface Values {
  in?: string;
  out?: string;
  host?: string;
  curve?: string;
  insecure?: boolean;
  help?: boolean;
}

function read(args: string[]): Values {
  try {
    const text = { type: 'string' } as const;
    const flags = { insecure: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
    const options = { in: text, out: text, host: text, curve: text, ...flags } as const;
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

function curveOf(path: string): CurveOptions {
  try {
    return readCurveFile(path);
  } catch (error) {
    throw new FileError(`--curve: ${messageOf(error)}`);
  }
}

function isEndpoint(value: string): boolean {
  return value.includes('://');
}
