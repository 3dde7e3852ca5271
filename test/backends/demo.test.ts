/** The demo against the real Collector, Jaeger and Prometheus, asked through their own HTTP interfaces. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { startDemo } from '../../scripts/backends/demo.ts';
import type { Demo } from '../../scripts/backends/demo.ts';
import { until } from '../../scripts/backends/http.ts';
import { serviceOf, tagOf } from '../../scripts/backends/jaeger-api.ts';
import type { JaegerTrace } from '../../scripts/backends/jaeger-api.ts';
import { listOf } from '../../scripts/backends/programs.ts';
import { startBackends } from '../../scripts/backends/start.ts';
import type { Backends } from '../../scripts/backends/start.ts';
import { COUNTER_METRICS, DURATION_METRICS, GAUGE_METRICS } from '../../src/core/semconv.ts';
import type { MetricFacts } from '../../src/core/semconv.ts';
import { isConnected, treeOf } from './support/trace-tree.ts';

const SERVICES = ['feed', 'analytics-short', 'analytics-long', 'recorder', 'monitor'];

let backends: Backends;
let demo: Demo;
const endings: (() => Promise<unknown>)[] = [];

before(async () => {
  backends = await startBackends({ intervalSeconds: 1 });
  endings.unshift(() => backends.stop());
  demo = await startDemo({ otlpEndpoint: backends.collector.otlpHttp });
  endings.unshift(() => demo.stop());
  backends.prometheus.addTargets(demo.targets);
});

after(async () => {
  for (const end of endings) await end();
});

test('the programs are named with their versions', (context) => {
  const list = listOf(backends.programs);
  for (const line of list.split('\n')) context.diagnostic(line);
  assert.deepEqual(
    list.split('\n').map((line) => /^(\w+) +\d+\.\d+\.\d+\S* +\S+$/.exec(line)?.[1]),
    ['otelcol', 'jaeger', 'prometheus', 'promtool'],
  );
});

test('a price event is one connected tree: published, processed twice, and its result pushed and recorded', async () => {
  const trace = await findTrace('recorder', 'process average', (one) => one.spans.length >= 5 && isConnected(one));
  const tree = treeOf(trace);
  const publish = /^feed PRODUCER publish price\.\w+$/;
  assert.match(tree[0] ?? '', publish);
  assert.equal(tree.filter((line) => publish.test(line)).length, 1, 'one event, one trace');

  const [short, long] = [
    tree.indexOf('  analytics-short CONSUMER process price.*'),
    tree.indexOf('  analytics-long CONSUMER process price.*'),
  ];
  assert.ok(short > 0 && long > 0, tree.join('\n'));
  const results = tree.filter((line) => line.startsWith('    '));
  assert.match(
    results.join('\n'),
    /^ {4}analytics-(short|long) PRODUCER push average\n {6}recorder CONSUMER process average(\n|$)/,
  );
  for (const line of results) {
    assert.match(
      line,
      /^( {4}analytics-\w+ PRODUCER push (average|alert)| {6}recorder CONSUMER process (average|alert))$/,
    );
  }
});

test('a span that receives is a child of the one that sent, and links to it as well', async () => {
  const { traceID } = await findTrace('recorder', 'process average', isConnected);
  const spans = await backends.jaeger.api.otlpSpans(traceID);
  const received = spans.filter(({ name }) => name.startsWith('process '));
  assert.ok(received.length >= 2, JSON.stringify(spans));
  for (const { parentSpanId, links } of received) {
    assert.match(parentSpanId ?? '', /^[0-9a-f]{16}$/);
    assert.deepEqual(
      links?.map(({ traceId, spanId }) => ({ traceId, spanId })),
      [{ traceId: traceID, spanId: parentSpanId }],
    );
  }
});

test('a request is a client span in the monitor with the server span of the recorder below it', async () => {
  const trace = await findTrace('monitor', 'state.get', (one) => one.spans.length === 2);
  assert.deepEqual(treeOf(trace), ['monitor CLIENT state.get', '  recorder SERVER state.get']);
  for (const span of trace.spans) {
    assert.equal(tagOf(span, 'rpc.system.name'), 'tracebus');
    assert.equal(tagOf(span, 'rpc.method'), 'state.get');
    assert.equal(tagOf(span, 'error.type'), undefined);
  }
});

test("Jaeger's dependency graph shows who sends to whom", async () => {
  const wanted = [
    'analytics-long -> recorder',
    'analytics-short -> recorder',
    'feed -> analytics-long',
    'feed -> analytics-short',
    'monitor -> recorder',
  ];
  let edges: string[] = [];
  await until(
    `the edges ${wanted.join(', ')}`,
    async () => {
      const dependencies = await backends.jaeger.api.dependencies(3_600_000);
      const others = dependencies.filter(({ parent, child, callCount }) => parent !== child && callCount > 0);
      edges = others.map(({ parent, child }) => `${parent} -> ${child}`).sort();
      return wanted.every((edge) => edges.includes(edge)) || undefined;
    },
    { progress: () => edges },
  );
  assert.deepEqual(edges, wanted);
});

test("Jaeger's service performance shows rates and latencies for every kind of span", async () => {
  const wanted = [
    ['feed', 'producer'],
    ['analytics-short', 'consumer'],
    ['analytics-short', 'producer'],
    ['analytics-long', 'consumer'],
    ['recorder', 'consumer'],
    ['recorder', 'server'],
    ['monitor', 'client'],
  ] as const;
  for (const [service, spanKind] of wanted) {
    for (const figure of ['calls', 'latencies'] as const) {
      const query = { service, spanKind, lookbackMs: 30_000, ratePerMs: 10_000 };
      const found = await until(`${figure} of ${service}, ${spanKind}`, async () => {
        const series = await backends.jaeger.api.metrics(figure, query);
        return series.some(({ values }) => values.some((value) => value > 0)) ? series : undefined;
      });
      assert.deepEqual(
        found.map(({ labels }) => labels['service_name']),
        [service],
      );
    }
  }
});

test('Prometheus scrapes all five processes and the Collector', async () => {
  const wanted = [...SERVICES, 'collector'].sort();
  let up: string[] = [];
  await until(
    'six targets that are up',
    async () => {
      const samples = await backends.prometheus.api.query('up == 1');
      up = samples.map(({ metric }) => metric['job'] ?? '').sort();
      return up.length === wanted.length || undefined;
    },
    { progress: () => up },
  );
  assert.deepEqual(up, wanted);
});

test('every metric of the table is in Prometheus with its type and description, and no other under its namespaces', async () => {
  const families = [
    ...Object.values(COUNTER_METRICS).map((facts) => ({ ...facts, family: `${escaped(facts)}_total` })),
    ...Object.values(GAUGE_METRICS).map((facts) => ({ ...facts, family: escaped(facts) })),
    ...Object.values(DURATION_METRICS).map((facts) => ({ ...facts, family: escaped(facts) })),
  ];
  const wanted = families
    .flatMap(({ family, instrument }) =>
      instrument === 'histogram' ? ['bucket', 'count', 'sum'].map((part) => `${family}_${part}`) : [family],
    )
    .sort();
  let names: string[] = [];
  await until(
    'every metric of the table',
    async () => {
      names = (await backends.prometheus.api.metricNames()).filter((name) => /^(messag|rpc_)/.test(name)).sort();
      return wanted.every((name) => names.includes(name)) || undefined;
    },
    { progress: () => wanted.filter((name) => !names.includes(name)) },
  );
  assert.deepEqual(names, wanted);

  const metadata = await backends.prometheus.api.metadata();
  for (const { family, instrument, description } of families) {
    const told = metadata[family]?.map(({ type, help }) => ({ type, help }));
    assert.deepEqual(told, [{ type: instrument, help: description }], family);
  }
});

test('what the demo does moves its counters, and nothing counts losses', async () => {
  const moving = [
    'sum(messagebus_messages_sent_total{job="feed"})',
    'sum(messagebus_messages_received_total{job="analytics-short"})',
    'sum(messagebus_messages_received_total{job="analytics-long"})',
    'sum(messagebus_messages_received_total{job="recorder"})',
    'sum(messaging_client_sent_messages_total{job="analytics-short"})',
    'sum(messaging_client_consumed_messages_total{job="recorder"})',
    'sum(messaging_client_operation_duration_count{job="feed"})',
    'sum(messaging_process_duration_count{job="recorder"})',
    'sum(rpc_client_call_duration_count{job="monitor"})',
    'sum(rpc_server_call_duration_count{job="recorder"})',
  ];
  for (const expr of moving) {
    const first = await value(expr);
    await until(`${expr} above ${first}`, async () => (await value(expr)) > first || undefined);
  }
  const still = ['outbound_dropped', 'inbound_dropped', 'gaps', 'request_timeouts', 'errors', 'failed_bind_count'];
  for (const name of still) assert.equal(await value(`sum(messagebus_${name}_total)`), 0, name);
});

test('the Collector turns spans into metrics with exemplars that are traces in Jaeger', async () => {
  const bucket = 'traces_span_metrics_duration_milliseconds_bucket{service_name="recorder"}';
  const traceId = await until('an exemplar', async () => {
    const exemplars = await backends.prometheus.api.exemplars(bucket, 300);
    return exemplars.find((labels) => labels['trace_id'] !== undefined)?.['trace_id'];
  });
  const trace = await until(`trace ${traceId}`, () => backends.jaeger.api.trace(traceId));
  assert.ok(trace.spans.some((span) => serviceOf(trace, span) === 'recorder'));
});

test('of a resource only name, namespace and instance become labels of what the Collector exports', async () => {
  const allowed = [
    ...['__name__', 'job', 'instance', 'le', 'service_name', 'span_name', 'span_kind', 'status_code'],
    ...[
      'messaging_system_name',
      'messaging_operation_name',
      'messaging_destination_template',
      'rpc_method',
      'error_type',
    ],
  ];
  const calls = await backends.prometheus.api.query('{job!="",__name__=~"traces_span_metrics_.*"}');
  const names = new Set(calls.flatMap(({ metric }) => Object.keys(metric)));
  assert.deepEqual(
    [...names].filter((name) => !allowed.includes(name)),
    [],
  );
});

test('promtool has no complaint about what a process exposes', async () => {
  for (const { job, url } of demo.targets) {
    const exposition = await (await fetch(url)).text();
    assert.ok(exposition.includes('messagebus_messages_sent_total'), job);
    const { status, stderr, stdout } = promtool(['check', 'metrics'], exposition);
    assert.deepEqual({ job, status, complaints: `${stdout}${stderr}` }, { job, status: 0, complaints: '' });
  }
});

test("promtool's only complaints about the Collector are of the connector's names and missing help", async () => {
  const exposition = await (await fetch(backends.collector.prometheusUrl)).text();
  const { stderr, stdout } = promtool(['check', 'metrics'], exposition);
  // The connector writes no descriptions, and milliseconds is its unit, which Jaeger and dashboards expect by name.
  assert.deepEqual(`${stdout}${stderr}`.trim().split('\n').sort(), [
    'traces_span_metrics_calls_total no help text',
    'traces_span_metrics_duration_milliseconds no help text',
    'traces_span_metrics_duration_milliseconds use base unit "seconds" instead of "milliseconds"',
  ]);
});

test('the demo has had nothing to complain of, and ends as it should', async () => {
  assert.equal(await demo.stop(), 0, demo.output());
  assert.doesNotMatch(demo.output(), /fail|error/i);
});

async function findTrace(
  service: string,
  operation: string,
  fits: (trace: JaegerTrace) => boolean,
): Promise<JaegerTrace> {
  let seen: string[][] = [];
  return until(
    `a whole trace with ${operation} of ${service}`,
    async () => {
      const traces = await backends.jaeger.api.traces(service, { operation });
      seen = traces.slice(0, 2).map((trace) => treeOf(trace).slice(0, 20));
      return traces.find(fits);
    },
    { progress: () => seen },
  );
}

async function value(expr: string): Promise<number> {
  const [sample, ...others] = await backends.prometheus.api.query(expr);
  assert.equal(others.length, 0, expr);
  return sample?.value ?? 0;
}

/** What a process's exporter makes of a name. */
function escaped({ name }: MetricFacts): string {
  return name.replaceAll('.', '_');
}

function promtool(args: readonly string[], input: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(backends.programs.promtool.path, args, { input, encoding: 'utf8' });
}
