/** Metrics and logs that a service pushes to the Collector, instead of being scraped. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { until } from '../../scripts/backends/http.ts';
import { startBackends } from '../../scripts/backends/start.ts';
import type { Backends } from '../../scripts/backends/start.ts';

const SERVICE = `
  import { MessageBus } from 'tracebus';
  import { memory } from 'tracebus/memory';
  const endpoints = { publish: { bind: 'memory://events' }, subscribe: { connect: ['memory://events'] } };
  const bus = new MessageBus('pusher', { transport: memory(), endpoints });
  bus.subscribe('tick', () => undefined);
  setInterval(() => void bus.publish('tick', null), 100);
`;

let backends: Backends;
let service: ChildProcess | undefined;

before(async () => {
  backends = await startBackends({ intervalSeconds: 1 });
  const register = ['--import', './dist/telemetry/register.js'];
  service = spawn(process.execPath, [...register, '--input-type=module', '-e', SERVICE], {
    env: {
      ...process.env,
      OTEL_SERVICE_NAME: 'pusher',
      OTEL_RESOURCE_ATTRIBUTES: 'service.namespace=shop,service.instance.id=one,secret=of-the-resource',
      OTEL_EXPORTER_OTLP_ENDPOINT: backends.collector.otlpHttp,
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_METRIC_EXPORT_TIMEOUT: '500',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
});

after(async () => {
  if (service?.kill('SIGKILL')) await once(service, 'exit');
  await backends.stop();
});

test('pushed metrics are in Prometheus, of a resource only with namespace, name and instance', async () => {
  const { api } = backends.prometheus;
  const series = await until('pushed metrics', async () => {
    const found = await api.query('messagebus_messages_sent_total{messaging_destination_name="tick"} > 0');
    return found.length > 0 ? found : undefined;
  });
  assert.deepEqual(
    series.map(({ metric }) => metric),
    [
      {
        __name__: 'messagebus_messages_sent_total',
        job: 'shop/pusher',
        instance: 'one',
        messaging_system_name: 'memory',
        messaging_operation_name: 'publish',
        messaging_destination_name: 'tick',
      },
    ],
  );
  assert.deepEqual(await api.query('target_info'), []);
  const everything = await api.query('{job=~".+"}');
  assert.equal(JSON.stringify(everything).includes('of-the-resource'), false);
});

test('durations that come through the Collector have the unit in their names', async () => {
  const names = await until('durations', async () => {
    const all = await backends.prometheus.api.metricNames();
    const found = all.filter((name) => name.startsWith('messaging_process_duration'));
    return found.length > 0 ? found : undefined;
  });
  assert.deepEqual(
    names.sort(),
    ['bucket', 'count', 'sum'].map((part) => `messaging_process_duration_seconds_${part}`),
  );
});

test('log records are taken, and written to the log of the Collector', async () => {
  const record = { severityText: 'WARN', body: { stringValue: 'something happened' } };
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
  const headers = { 'content-type': 'application/json' };
  const url = `${backends.collector.otlpHttp}/v1/logs`;
  const response = await fetch(url, { method: 'POST', headers, body });
  assert.equal(response.status, 200, await response.text());
  await until('the record in the log', async () => backends.tails().includes('"log records": 1') || undefined, {
    progress: () => backends.tails(),
  });
});
