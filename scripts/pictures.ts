/**
 * `npm run docs:pictures [folder]`: draws docs/images/trace.svg and metrics.svg from what Jaeger and Prometheus answer about a run of
 * the demo. Nothing in them is made up: run it again and the figures differ.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDemo } from './backends/demo.ts';
import { until } from './backends/http.ts';
import { parentOf } from './backends/jaeger-api.ts';
import { startBackends } from './backends/start.ts';
import type { Backends } from './backends/start.ts';
import { plot } from './pictures/plot.ts';
import type { Panel } from './pictures/plot.ts';
import { waterfall } from './pictures/waterfall.ts';

/** How long the demo runs for the plot, in seconds. */
const SECONDS = 60;

/** A picture in a page should not weigh more. */
const LARGEST_BYTES = 30_000;

const PANELS = [
  {
    title: 'Messages received',
    unit: 'per second',
    expr: 'sum by (job) (rate(\nmessagebus_messages_received_total{job!="feed",job!="monitor"}[5s]))',
  },
  {
    title: 'Mean duration of an answer',
    unit: 'ms',
    expr: '1000 * rate(rpc_server_call_duration_sum{rpc_method="state.get"}[5s])\n/ rate(rpc_server_call_duration_count[5s])',
  },
];

const folder = process.argv[2] ?? 'docs/images';
const backends = await startBackends({ intervalSeconds: 1 });
try {
  const demo = await startDemo({ otlpEndpoint: backends.collector.otlpHttp, rate: 500 });
  const startedAt = Date.now() / 1000;
  try {
    backends.prometheus.addTargets(demo.targets);
    console.log(`The demo runs for ${SECONDS} seconds ...`);
    await sleep(SECONDS * 1000);
    save('trace.svg', await drawTrace(backends));
    save('metrics.svg', await drawMetrics(backends, startedAt));
  } finally {
    await demo.stop();
  }
} finally {
  await backends.stop();
}

/** A price event that both analytics made a result of. */
async function drawTrace({ jaeger }: Backends): Promise<string> {
  const trace = await until('a trace from the feed to the recorder', async () => {
    const traces = await jaeger.api.traces('recorder', { operation: 'process average', limit: 500 });
    const whole = traces.filter(({ spans }) => spans.filter((span) => parentOf(span) === undefined).length === 1);
    return whole.find(({ spans }) => spans.length === 7) ?? whole.find(({ spans }) => spans.length >= 5);
  });
  return waterfall(trace, 'One price event: published, averaged twice, recorded');
}

async function drawMetrics({ prometheus }: Backends, start: number): Promise<string> {
  const end = Date.now() / 1000;
  const panels = PANELS.map(async ({ title, unit, expr }): Promise<Panel> => {
    const ranges = await prometheus.api.queryRange({ expr, start, end, stepSeconds: 1 });
    const series = ranges.map(({ metric, values }) => ({ name: metric['job'] ?? '', values }));
    return { title, unit, expr, series };
  });
  return plot(await Promise.all(panels), 'Two metrics of a run of the demo, from Prometheus');
}

function save(name: string, picture: string): void {
  const size = Buffer.byteLength(picture);
  if (size > LARGEST_BYTES) throw new Error(`Expected ${name} to have at most ${LARGEST_BYTES} bytes, got ${size}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), picture);
  console.log(`${path.join(folder, name)}: ${size} bytes`);
}
