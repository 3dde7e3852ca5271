/** A collector of a few lines on loopback: keeps what OTLP/HTTP with JSON brings. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

interface KeyValue {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}
interface Resource {
  readonly attributes: readonly KeyValue[];
}
interface Named {
  readonly name: string;
}
/** A span as it came in. */
interface Span extends Named {
  readonly traceId: string;
  readonly spanId: string;
}
/** A log record as it came in. */
interface LogLine {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly severityNumber: number;
  readonly eventName?: string;
  readonly body: { readonly stringValue?: string };
  readonly attributes: readonly KeyValue[];
}
interface Logs {
  readonly resourceLogs: readonly { resource: Resource; scopeLogs: readonly { logRecords: readonly LogLine[] }[] }[];
}
interface Traces {
  readonly resourceSpans: readonly { resource: Resource; scopeSpans: readonly { spans: readonly Span[] }[] }[];
}
interface Metrics {
  readonly resourceMetrics: readonly { resource: Resource; scopeMetrics: readonly { metrics: readonly Named[] }[] }[];
}

/** What came in so far. */
export interface OtlpSink {
  readonly endpoint: string;
  readonly paths: string[];
  readonly resources: Resource[];
  readonly spans: string[];
  readonly spanRecords: Span[];
  readonly metrics: string[];
  readonly logs: LogLine[];
  /** Every export as it came. */
  readonly exports: { readonly path: string; readonly body: unknown }[];
  close(): void;
}

export async function otlpSink(): Promise<OtlpSink> {
  const paths: string[] = [];
  const resources: Resource[] = [];
  const spans: string[] = [];
  const spanRecords: Span[] = [];
  const metrics: string[] = [];
  const logs: LogLine[] = [];
  const exports: { path: string; body: unknown }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      paths.push(request.url ?? '');
      exports.push({ path: request.url ?? '', body: JSON.parse(text) });
      if (request.url === '/v1/traces') {
        for (const { resource, scopeSpans } of (JSON.parse(text) as Traces).resourceSpans) {
          resources.push(resource);
          spans.push(...scopeSpans.flatMap((scope) => scope.spans.map(({ name }) => name)));
          spanRecords.push(...scopeSpans.flatMap((scope) => scope.spans));
        }
      } else if (request.url === '/v1/logs') {
        for (const { resource, scopeLogs } of (JSON.parse(text) as Logs).resourceLogs) {
          resources.push(resource);
          logs.push(...scopeLogs.flatMap((scope) => scope.logRecords));
        }
      } else if (request.url === '/v1/metrics') {
        for (const { resource, scopeMetrics } of (JSON.parse(text) as Metrics).resourceMetrics) {
          resources.push(resource);
          metrics.push(...scopeMetrics.flatMap((scope) => scope.metrics.map(({ name }) => name)));
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return {
    endpoint: `http://127.0.0.1:${String(port)}`,
    paths,
    resources,
    spans,
    spanRecords,
    metrics,
    logs,
    exports,
    close,
  };
}
