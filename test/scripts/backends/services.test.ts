import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { findServices } from '../../../scripts/backends/services.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** The port of a server that answers every request with this. */
async function serve(text: string): Promise<number> {
  const server = createServer((_, response) => response.end(text));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('a service is found by what it says of itself', async () => {
  const port = await serve('# TYPE target_info gauge\ntarget_info{host_name="h",service_name="pri\\"ces",x="y"} 1\n');
  const found = await findServices(port);
  assert.deepEqual(found[0], { url: `http://127.0.0.1:${port}/metrics`, job: 'pri\\"ces' });
});

test('whoever else listens there is no service', async () => {
  const port = await serve('hello');
  assert.equal(
    (await findServices(port)).some(({ url }) => url.includes(`:${port}/`)),
    false,
  );
});
