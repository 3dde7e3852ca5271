/**
 * A real Prometheus scrapes real services; each of them is well at first, and then brings one fault. Every alert fires for the services
 * whose fault it is about and for no other, and every query of the dashboards shows something of it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { PeerProcess } from '../faults/peer-process.ts';
import { dashboards, labelValues, panelQueries, traceQueries } from './dashboard-queries.ts';
import { PrometheusProcess } from './prometheus-process.ts';
import type { ActiveAlert } from './prometheus-process.ts';
import { promtool } from './promtool.ts';
import { timeLapse } from './time-lapse.ts';

const RULES = readFileSync(path.resolve(import.meta.dirname, '../../observability/prometheus/rules.yml'), 'utf8');

/** Thirty seconds of the time lapse. */
const INTERVAL_MS = 500;

/** Longer than any range and any `for` of the rules, which are 5 seconds at most. */
const WELL_MS = 7000;

/** An alert with a range and a `for` of 5 seconds each needs some 12. */
const FIRE_BOUND_MS = 40_000;

/** Services that start, or get their fault, at the same time: as many as a small machine has cores, or others would not be scraped in time. */
const AT_ONCE = 2;

/** Which alerts a service's fault fires, once each. One with none is not an alert's matter. */
const ALERTS_OF: Readonly<Record<string, readonly string[]>> = {
  drop: ['TracebusOutboundDropped'],
  refusal: ['TracebusInboundDropped'],
  timeout: ['TracebusRequestTimeouts'],
  failing: ['TracebusErrors'],
  retry: [],
  'left-behind': ['TracebusGaps', 'TracebusSubscribersLeftBehind'],
  'dead-endpoint': ['TracebusEndpointCoolingDown', 'TracebusOutboundDropped'],
  slow: ['TracebusSlowHandlers', 'TracebusSlowResponders'],
  'full-queue': ['TracebusQueueNearlyFull'],
  forged: ['TracebusInboundDropped', 'TracebusUnverified'],
  stranger: ['TracebusHandshakeFailures'],
  gone: ['TracebusProcessDown'],
};

/** Fires when all processes are gone, for none in particular. */
const NO_DATA = 'TracebusNoData';

/** What Grafana puts in place of its variables, in the time lapse. */
const GRAFANA: Readonly<Record<string, string>> = {
  __rate_interval: '4s',
  __interval: '1s',
  __range: '60s',
  __tags: 'job=~".+"',
};

function substituted(expr: string, values: Readonly<Record<string, string>>): string {
  return expr.replace(/\$(\w+)/g, (_, name: string) => {
    const value = values[name];
    assert.ok(value !== undefined, `$${name} has no value in ${expr}`);
    return value;
  });
}

/** Asks until the answer is as wanted. */
async function eventually(what: () => string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + FIRE_BOUND_MS;
  while (!(await isSo())) {
    if (performance.now() > end) assert.fail(`Waited ${String(FIRE_BOUND_MS)} ms for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS / 2));
  }
}

const nameOf = ({ alertname, job }: Readonly<Record<string, string>>): string => `${job ?? 'nobody'}: ${alertname!}`;

/** Each pair of service and alert that fired between two times, with the most series that it had at once. */
async function fired(prometheus: PrometheusProcess, fromMs: number, toMs: number): Promise<Record<string, number>> {
  const counts = 'count by (alertname, job) (ALERTS{alertstate="firing"})';
  const series = await prometheus.range(counts, fromMs, toMs);
  return Object.fromEntries(
    series
      .map(({ metric, values }) => [nameOf(metric), Math.max(...values.map(([, value]) => Number(value)))] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}

function once(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...names].sort().map((name) => [name, 1]));
}

/** One process per fault. */
async function services(t: TestContext) {
  const running: { job: string; process: PeerProcess; url: string }[] = [];
  const left = Object.keys(ALERTS_OF);
  const startSome = async (): Promise<void> => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) {
      const process = new PeerProcess(t, '../../backends/faults/service', job);
      running.push({ job, process, ...(await process.next<{ url: string }>('its metrics')) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, startSome));
  return running;
}

test('each alert fires for its fault alone, and every query of the dashboards has an answer', async (t) => {
  const running = await services(t);
  const prometheus = await PrometheusProcess.start(t, {
    intervalMs: INTERVAL_MS,
    rules: timeLapse(RULES),
    targets: running,
  });
  const startedAt = Date.now();

  await t.test('while all is well nothing fires', async () => {
    await eventually(
      () => 'all services to be scraped',
      async () => (await prometheus.labelValues('job', 'messagebus_active_connections')).length === running.length,
    );
    const wellUntil = Date.now() + WELL_MS;
    await eventually(
      () => 'a time in which all is well',
      async () => Date.now() > wellUntil,
    );
    assert.deepEqual(await fired(prometheus, startedAt, Date.now()), {});
  });

  await t.test('each fault fires its own alerts, one series each, and no others', async () => {
    const faultsAt = Date.now();
    const { gone, ...faults } = Object.fromEntries(running.map(({ job, process }) => [job, process]));
    const left = Object.values(faults);
    const provokeSome = async (): Promise<void> => {
      for (let process = left.shift(); process !== undefined; process = left.shift()) {
        process.tell({ provoke: true });
        await process.next('its fault');
      }
    };
    await Promise.all([...Array.from({ length: AT_ONCE }, provokeSome), gone!.kill()]);

    const expected = Object.entries(ALERTS_OF).flatMap(([job, alerts]) => alerts.map((alert) => `${job}: ${alert}`));
    const seen = new Map<string, ActiveAlert>();
    let soFar: Record<string, number> = {};
    await eventually(
      () => expected.filter((name) => soFar[name] === undefined).join(', '),
      async () => {
        for (const alert of await prometheus.alerts())
          if (alert.state === 'firing') seen.set(nameOf(alert.labels), alert);
        soFar = await fired(prometheus, faultsAt, Date.now());
        return expected.every((name) => soFar[name] !== undefined);
      },
    );
    assert.deepEqual(soFar, once(expected));
    assert.deepEqual([...seen.keys()].sort(), [...expected].sort());
    for (const [name, { annotations }] of seen) {
      assert.doesNotMatch(JSON.stringify(annotations), /error expanding|%!|<no value>/, name);
      assert.ok(annotations['summary']!.includes(name.split(':', 1)[0]!), `the summary of ${name} names the service`);
    }
  });

  await t.test('promtool finds nothing to say about what the services export', async () => {
    for (const { job, url } of running.filter((one) => one.job !== 'gone')) {
      const exposition = await (await fetch(url)).text();
      assert.match(exposition, /^messagebus_errors_total\{/m, job);
      assert.deepEqual(promtool('.', ['check', 'metrics'], exposition), { code: 0, said: '' }, job);
    }
    assert.notEqual(promtool('.', ['check', 'metrics'], '# TYPE bad_total gauge\nbad_total 1\n').code, 0);
  });

  await t.test('every query of every panel shows data, and every variable has values', async () => {
    const empty: string[] = [];
    const isEmpty = async (expr: string): Promise<boolean> => {
      const series = await prometheus.range(expr, startedAt, Date.now());
      return !series.some(({ values }) => values.some(([, value]) => value !== 'NaN'));
    };
    const all = '.+';
    const topic = '.*';
    const values = { ...GRAFANA, service: all, instance: all, topic, pattern: topic };
    const queries = [...panelQueries(), ...traceQueries()];
    for (const { place, expr } of queries) if (await isEmpty(substituted(expr, values))) empty.push(place);
    assert.deepEqual(empty, []);
    for (const { uid, templating, annotations } of dashboards()) {
      for (const variable of templating.list) {
        const { selector, label } = labelValues(variable);
        const found = await prometheus.labelValues(label, substituted(selector, values));
        assert.ok(found.length > 0, `${uid}: $${variable.name} has values`);
      }
      for (const { expr } of annotations.list) assert.ok(!(await isEmpty(substituted(expr, values))), expr);
    }
  });

  await t.test('without any process the lack of data fires', async () => {
    const killedAt = Date.now();
    await Promise.all(running.map(({ process }) => process.kill()));
    const name = `nobody: ${NO_DATA}`;
    let count: number | undefined;
    await eventually(
      () => name,
      async () => (count = (await fired(prometheus, killedAt, Date.now()))[name]) !== undefined,
    );
    assert.equal(count, 1);
  });
});
