/**
 * Takes OTLP/HTTP protobuf, as a collector would, and counts the spans. Prints its URL, then answers each line of its input with
 * `{ spans }`, counted from the last time it was asked; `end` ends it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { countSpans } from '../protobuf-spans.ts';

let spans = 0;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.url === '/v1/traces') spans += countSpans(Buffer.concat(chunks));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
console.log(JSON.stringify({ ready: true, address: `http://127.0.0.1:${String(port)}` }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'end') break;
  console.log(JSON.stringify({ spans }));
  spans = 0;
}
process.exit(0);
