/**
 * The HTTP server that Prometheus scrapes.
 *
 * The exporter's own server would bind all interfaces by default, cannot be given port 0 and says nothing when the port is
 * taken, so this one answers for it. It never keeps a process alive.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BusError } from '../core/errors.ts';
import type { PrometheusSettings } from './settings.ts';

/** How many ports from the default one on are tried: more processes than that on one host are configured, not found. */
const PORTS_TRIED = 100;

/** What answers a scrape. */
export type ScrapeHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** A running endpoint. */
export interface PrometheusEndpoint {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves /metrics.
 *
 * @throws BusError BIND_FAILED when the port is taken and was asked for, or none of the default ones is free
 */
export async function servePrometheus(
  settings: PrometheusSettings,
  onScrape: ScrapeHandler,
): Promise<PrometheusEndpoint> {
  const { host, port, isPortGiven } = settings;
  const tries = isPortGiven ? 1 : PORTS_TRIED;
  for (let next = port; ; next++) {
    const server = createServer((request, response) => {
      answer(request, response, onScrape);
    }).unref();
    try {
      await listening(server, host, next);
      return endpointOf(server, host);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (isTaken && next + 1 < port + tries) continue;
      const hint = isTaken
        ? 'Give another `prometheus.port`, or none: then the next free one from 9464 is taken.'
        : 'Check `prometheus.host` and `prometheus.port`.';
      const endpoint = `http://${bracketed(host)}:${String(next)}/metrics`;
      throw new BusError('BIND_FAILED', 'the metrics cannot be served', { endpoint, hint, cause: error });
    }
  }
}

function answer(request: IncomingMessage, response: ServerResponse, onScrape: ScrapeHandler): void {
  const path = request.url?.split('?', 1)[0];
  if (path !== '/metrics') {
    response.writeHead(404).end();
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  } else {
    onScrape(request, response);
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function endpointOf(server: Server, host: string): PrometheusEndpoint {
  const { port } = server.address() as AddressInfo;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return {
    url: `http://${bracketed(shown)}:${String(port)}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections(); // Prometheus keeps its connection open between scrapes
      }),
  };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
