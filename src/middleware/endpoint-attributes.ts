/**
 * What a configured endpoint says about the server, as attributes of spans and metrics: `tcp://10.0.0.1:5555` gives host and
 * port, `ipc:///tmp/x` gives the path. Wildcards give nothing, because an address that names no server must not look like
 * one; `inproc` and `memory` have no server at all. Callers keep the result: an endpoint is parsed once, not once per message.
 */
import type { Attributes } from '@opentelemetry/api';
import { ATTR } from '../core/semconv.ts';

const NOTHING: Attributes = Object.freeze({});

/** `server.address`, `server.port` and `network.transport` of an endpoint, frozen; what cannot be known is left out. */
export function endpointAttributes(endpoint: string): Attributes {
  if (endpoint.startsWith('tcp://')) return tcpAttributes(endpoint.slice('tcp://'.length));
  if (endpoint.startsWith('ipc://')) return ipcAttributes(endpoint.slice('ipc://'.length));
  return NOTHING;
}

function tcpAttributes(rest: string): Attributes {
  const transport = { [ATTR.networkTransport]: 'tcp' };
  const target = rest.slice(rest.lastIndexOf(';') + 1); // `source;target` chooses where a connection comes from
  const colon = target.lastIndexOf(':');
  const host = target.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(target.slice(colon + 1));
  if (colon < 0 || isWildcardHost(host)) return Object.freeze(transport);
  const server = { ...transport, [ATTR.serverAddress]: host };
  return Object.freeze(Number.isInteger(port) && port > 0 ? { ...server, [ATTR.serverPort]: port } : server);
}

function ipcAttributes(path: string): Attributes {
  const transport = { [ATTR.networkTransport]: 'unix' };
  return Object.freeze(path === '' || path === '*' ? transport : { ...transport, [ATTR.serverAddress]: path });
}

function isWildcardHost(host: string): boolean {
  return host === '' || host === '*' || host === '0.0.0.0' || host === '::';
}
