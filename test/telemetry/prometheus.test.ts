import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { servePrometheus } from '../../src/telemetry/prometheus.ts';
import type { ScrapeHandler } from '../../src/telemetry/prometheus.ts';

const scrape: ScrapeHandler = (_, response) => {
  response.end('up 1');
};

async function occupied(port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

test('it answers GET /metrics and nothing else', async () => {
  const metrics = await servePrometheus({ host: '127.0.0.1', port: 0, isPortGiven: true }, scrape);
  assert.match(metrics.url, /^http:\/\/127\.0\.0\.1:[1-9]\d+\/metrics$/);
  const answers = await Promise.all([
    fetch(metrics.url),
    fetch(`${metrics.url}?name=x`),
    fetch(metrics.url, { method: 'POST' }),
    fetch(metrics.url.replace('/metrics', '/')),
    fetch(metrics.url.replace('/metrics', '/metrics/x')),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 405, 404, 404],
  );
  assert.equal(await answers[0].text(), 'up 1');
  await metrics.close();
  await assert.rejects(fetch(metrics.url));
});

test('a port that was given and is taken is an error that says what to do', async () => {
  const { server, port } = await occupied();
  await assert.rejects(servePrometheus({ host: '127.0.0.1', port, isPortGiven: true }, scrape), {
    code: 'BIND_FAILED',
    endpoint: `http://127.0.0.1:${String(port)}/metrics`,
    hint: /Give another `prometheus.port`/,
  });
  server.close();
});

test('a port that nobody asked for gives way to the next free one', async () => {
  const { server, port } = await occupied();
  const metrics = await servePrometheus({ host: '127.0.0.1', port, isPortGiven: false }, scrape);
  assert.ok(Number(new URL(metrics.url).port) > port);
  assert.equal((await fetch(metrics.url)).status, 200);
  await metrics.close();
  server.close();
});

test('a host that is none of this machine is an error in either case', async () => {
  const settings = { host: '192.0.2.1', port: 9464, isPortGiven: false }; // reserved for documentation
  await assert.rejects(servePrometheus(settings, scrape), { code: 'BIND_FAILED', hint: /Check `prometheus.host`/ });
});

test('all interfaces are shown as localhost, an IPv6 host in brackets', async () => {
  const every = await servePrometheus({ host: '0.0.0.0', port: 0, isPortGiven: true }, scrape);
  assert.match(every.url, /^http:\/\/localhost:/);
  await every.close();
  await assert.rejects(servePrometheus({ host: '2001:db8::1', port: 9464, isPortGiven: true }, scrape), {
    endpoint: 'http://[2001:db8::1]:9464/metrics',
  });
});

test('closing does not wait for a scraper that keeps its connection', async () => {
  let release: () => void = () => {};
  const asked = new Promise<void>((resolve) => (release = resolve));
  const metrics = await servePrometheus({ host: '127.0.0.1', port: 0, isPortGiven: true }, () => {
    release(); // and never answers
  });
  const scraping = assert.rejects(fetch(metrics.url));
  await asked;
  await metrics.close();
  await scraping;
});
