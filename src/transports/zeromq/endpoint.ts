/**
 * Endpoints: what is a good one, what it is after binding, and whether an ipc path is taken.
 *
 * The binding checks little: port 99999 silently becomes 34463, and a second bind to an ipc path steals it from the first.
 */
import { connect } from 'node:net';

/** An endpoint in its parts. */
export interface ParsedEndpoint {
  readonly scheme: 'tcp' | 'ipc' | 'inproc';
  /** Host, path or name: what stands between the scheme and the port. */
  readonly address: string;
  /** tcp only; 0 and `*` both mean a free one, written as 0 here. */
  readonly port: number | undefined;
  /** The host is an IPv6 address: libzmq wants to be told. */
  readonly ipv6: boolean;
}

/** sun_path without its closing NUL: 108 bytes on Linux, 104 elsewhere. */
const MAX_IPC_BYTES = process.platform === 'linux' ? 107 : 103;

const EXAMPLES = '`tcp://127.0.0.1:5555`, `ipc:///run/app.sock` or `inproc://name`';

/** Takes an endpoint apart; throws a RangeError that says what is wrong with it. */
export function parseEndpoint(endpoint: string): ParsedEndpoint {
  const [, scheme, rest] = /^([a-z]+):\/\/(.*)$/s.exec(endpoint) ?? [];
  if (scheme === undefined || rest === undefined) throw wrong(endpoint, `to look like ${EXAMPLES}`);
  // A path may have spaces, but two endpoints in one string are what it usually means.
  if (/\s/.test(rest)) throw wrong(endpoint, 'to have no white space');
  if (scheme === 'tcp') return parseTcp(endpoint, rest);
  if (scheme === 'ipc') return parseIpc(endpoint, rest);
  if (scheme !== 'inproc') throw wrong(endpoint, 'to have the scheme tcp, ipc or inproc');
  if (rest === '' || rest.includes('\0')) throw wrong(endpoint, 'to have a name after `inproc://`, without NUL');
  return { scheme, address: rest, port: undefined, ipv6: false };
}

function parseTcp(endpoint: string, rest: string): ParsedEndpoint {
  const [, address, portText] = /^(\[[0-9a-fA-F:.]+(?:%\w+)?\]|[^:;/[\]]+):([^:]*)$/.exec(rest) ?? [];
  if (address === undefined || portText === undefined) throw wrong(endpoint, 'to be `tcp://<host>:<port>`');
  if (portText !== '*' && !/^\d{1,5}$/.test(portText)) throw wrongPort(endpoint);
  const port = portText === '*' ? 0 : Number(portText);
  if (port > 65_535) throw wrongPort(endpoint);
  return { scheme: 'tcp', address, port, ipv6: address.startsWith('[') };
}

function parseIpc(endpoint: string, path: string): ParsedEndpoint {
  if (path === '' || path.includes('\0')) throw wrong(endpoint, 'to have a path after `ipc://`, without NUL');
  // libzmq would make a directory in the working directory and leave it there.
  if (path === '*') throw wrong(endpoint, 'to name a path, for instance one in os.tmpdir()');
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_IPC_BYTES) {
    throw wrong(endpoint, `to have a path of at most ${String(MAX_IPC_BYTES)} bytes, it has ${String(bytes)}`);
  }
  return { scheme: 'ipc', address: path, port: undefined, ipv6: false };
}

function wrongPort(endpoint: string): RangeError {
  return wrong(endpoint, 'to have a port from 0 to 65535, or `*` to bind a free one');
}

/** What is wrong with connecting to an endpoint that can only be bound; undefined when nothing is. */
export function connectProblem(endpoint: string): string | undefined {
  const { scheme, address, port } = parseEndpoint(endpoint);
  if (scheme !== 'tcp') return undefined;
  if (port === 0) return 'a wildcard port can be bound, not connected to';
  return address === '*' ? 'the address `*` can be bound, not connected to' : undefined;
}

/** The endpoint that is in effect after a bind: `last` as the socket tells it (it has the port chosen for `*`). */
export function resolvedEndpoint(endpoint: string, last: string | null): string {
  if (parseEndpoint(endpoint).scheme !== 'tcp' || last === null || last === '') return endpoint;
  return last;
}

/** Whether somebody listens on an ipc path. A stale file that nobody listens on is free: libzmq replaces it. */
export function probeIpc(path: string): Promise<boolean> {
  // The kernel refuses a second bind of an abstract name by itself.
  if (path.startsWith('@')) return Promise.resolve(false);
  return new Promise((resolve) => {
    const probe = connect({ path });
    const settle = (taken: boolean): void => {
      probe.destroy();
      resolve(taken);
    };
    probe.once('connect', () => {
      settle(true);
    });
    // A full backlog and a missing permission are answers too; refused and missing are not.
    probe.once('error', (error: NodeJS.ErrnoException) => {
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK');
    });
  });
}

function wrong(endpoint: string, what: string): RangeError {
  return new RangeError(`Expected the endpoint ${JSON.stringify(endpoint)} ${what}`);
}
