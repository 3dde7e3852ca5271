import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { abandonable } from '../../src/telemetry/abandonable.ts';

test('timers made inside do not keep the process alive, those made outside do', async () => {
  let inner: NodeJS.Timeout | undefined;
  const work = abandonable(async () => {
    await Promise.resolve();
    inner = setTimeout(() => {}, 60_000);
    await Promise.resolve();
  });
  const outer = setTimeout(() => {}, 60_000);
  await work;
  await Promise.resolve();
  assert.equal(inner?.hasRef(), false);
  assert.equal(outer.hasRef(), true);
  clearTimeout(inner);
  clearTimeout(outer);
});

test('after the work nothing is touched any more, and its failure is handed on', async () => {
  await assert.rejects(
    abandonable(() => Promise.reject(new Error('mine'))),
    /mine/,
  );
  const later = setTimeout(() => {}, 60_000);
  await Promise.resolve();
  assert.equal(later.hasRef(), true);
  clearTimeout(later);
});

test('a socket that an agent uses again is no obstacle', async () => {
  const server = createServer((_, response) => response.end('x')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      get({ agent, host: '127.0.0.1', port }, (response) => response.resume().on('end', resolve)).on('error', reject);
    });
  const keepAlive = setTimeout(() => {}, 60_000);
  await ask();
  await abandonable(ask);
  await abandonable(ask);
  agent.destroy();
  clearTimeout(keepAlive);
  server.close();
});
