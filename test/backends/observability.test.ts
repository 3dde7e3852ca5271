/** `npm run observability`, as a user runs it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { getJson, until } from '../../scripts/backends/http.ts';
import { JaegerApi } from '../../scripts/backends/jaeger-api.ts';
import { PrometheusApi } from '../../scripts/backends/prometheus-api.ts';

const SCRIPT = 'scripts/observability.ts';

test('it starts everything, says where, scrapes services that appear, and ends all of it on Ctrl-C', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const ended = new Promise<number | string | null>((resolve) => {
    child.once('close', (code, signal) => {
      resolve(signal ?? code);
    });
  });
  const output = (): string => lines.join('\n');
  let service: ReturnType<typeof spawn> | undefined;
  try {
    const urlOf = (name: string): Promise<string> =>
      until(`the address of ${name}`, async () => new RegExp(`${name} +(http\\S+)`).exec(output())?.[1], {
        progress: output,
      });
    const [jaeger, prometheus, collector] = await Promise.all([
      urlOf('Jaeger'),
      urlOf('Prometheus'),
      urlOf('OTLP/HTTP'),
    ]);
    assert.match(output(), new RegExp(`OTEL_EXPORTER_OTLP_ENDPOINT=${collector} .*npm start`));
    assert.match(output(), /JAEGER_UI_ASSETS/);

    // A service that is not the demo: a bus with telemetry, on whatever port from 9464 on is free.
    service = spawn(
      process.execPath,
      ['--import', './dist/telemetry/register.js', '--input-type=module', '-e', SERVICE],
      {
        env: {
          ...process.env,
          OTEL_SERVICE_NAME: 'found-by-itself',
          OTEL_EXPORTER_OTLP_ENDPOINT: collector,
          OTEL_BSP_SCHEDULE_DELAY: '200',
        },
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    );
    const api = new PrometheusApi(prometheus);
    await until('the service to be scraped', async () => (await api.query('up{job="found-by-itself"} == 1'))[0]);
    const traces = new JaegerApi(jaeger);
    await until('its spans in Jaeger', async () => (await traces.services()).includes('found-by-itself') || undefined);

    child.kill('SIGINT');
    assert.equal(await ended, 0, output());
    assert.match(output(), /All ended\.$/);
    for (const url of [`${jaeger}/api/services`, `${prometheus}/-/ready`, `${collector}/v1/traces`]) {
      await assert.rejects(getJson(url, ''), TypeError, url);
    }
  } finally {
    service?.kill('SIGKILL');
    child.kill('SIGTERM');
    await ended;
  }
});

const SERVICE = `
  import { MessageBus } from 'tracebus';
  import { memory } from 'tracebus/memory';
  const bus = new MessageBus('found-by-itself', { transport: memory(), endpoints: { publish: { bind: 'memory://events' } } });
  setInterval(() => void bus.publish('tick', null), 100);
`;
