/**
 * `npm run observability`: the Collector, Jaeger and Prometheus on this machine, without containers, until Ctrl-C. It finds the services
 * that serve metrics on the ports from 9464 upwards by itself. See docs/observability.md; observability/compose.yaml has Grafana as well.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { listOf } from './backends/programs.ts';
import { findServices } from './backends/services.ts';
import { startBackends } from './backends/start.ts';
import type { Target } from './backends/start.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How often it looks for services, in milliseconds. */
const LOOK_EVERY_MS = 2000;

const ending = new AbortController();
const end = (): void => {
  ending.abort();
};
for (const signal of SIGNALS) process.on(signal, end);

try {
  await run();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const backends = await startBackends({
    usualPorts: true,
    intervalSeconds: 2,
    onEnd: (why) => {
      process.stderr.write(`${why.message}\n`);
      process.exitCode = 1;
      end();
    },
  });
  const { programs, collector, jaeger, prometheus, folder } = backends;
  const assets = process.env['JAEGER_UI_ASSETS'] ?? '';
  const pages =
    assets === '' ? 'its API alone; JAEGER_UI_ASSETS names a folder of its web assets, if you have one' : assets;
  console.log(`${listOf(programs)}

Traces      Jaeger        ${jaeger.queryUrl}   (${pages})
Metrics     Prometheus    ${prometheus.url}
Collector   OTLP/HTTP     ${collector.otlpHttp}
            OTLP/gRPC     ${collector.otlpGrpc}
            its metrics   ${collector.prometheusUrl}
Logs        ${folder}

In another terminal:

    OTEL_EXPORTER_OTLP_ENDPOINT=${collector.otlpHttp} OTEL_TRACES_SAMPLER=always_on npm start -- --rate 200

Services that serve metrics on 127.0.0.1, ports 9464 and up, are scraped by themselves. Ctrl-C ends it all.`);

  const known = new Map<string, Target>();
  while (!ending.signal.aborted) {
    const before = JSON.stringify([...known.values()]);
    // Whoever was there once stays a target: that it has gone is what an alert is for.
    for (const target of await findServices()) known.set(target.url, target);
    const now = JSON.stringify([...known.values()]);
    if (now !== before) {
      prometheus.setTargets([...known.values()]);
      console.log(`Scraping ${[...known.values()].map(({ job, url }) => `${String(job)} (${url})`).join(', ')}`);
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal: ending.signal }).catch(() => undefined);
  }
  await backends.stop();
  console.log('All ended.');
}
