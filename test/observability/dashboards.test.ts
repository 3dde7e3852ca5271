import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { dashboardFiles } from '../../scripts/dashboards/files.ts';
import { dashboards, dataSources, labelValues, panelQueries, traceQueries } from '../backends/dashboard-queries.ts';
import type { DashboardJson, PanelJson } from '../backends/dashboard-queries.ts';
import { dashboardFaults } from './dashboard-faults.ts';
import { askedFor, SPELLINGS } from './metric-names.ts';

const GRAFANA = path.resolve(import.meta.dirname, '../../observability/grafana');

/** A change that makes a dashboard wrong, and what is said about it. */
type Mistake = readonly [change: (dashboard: Writable) => void, fault: RegExp];
type Writable = Omit<DashboardJson, 'panels'> & { panels: Record<string, unknown>[] };

test('the files are what `npm run dashboards` writes', async () => {
  const files = await dashboardFiles();
  assert.deepEqual(
    readdirSync(path.join(GRAFANA, 'dashboards')).sort(),
    files.map(([file]) => path.basename(file)).sort(),
  );
  for (const [file, text] of files) {
    assert.equal(readFileSync(file, 'utf8'), text, `${path.basename(file)} has drifted: npm run dashboards`);
  }
});

test('the dashboards are sound: sources, variables, grid, units, descriptions, links, names of metrics', () => {
  assert.deepEqual(
    dashboards().map(({ uid }) => uid),
    ['tracebus-overview', 'tracebus-service'],
  );
  assert.deepEqual(
    dashboards().flatMap((dashboard) => dashboardFaults(dashboard, dataSources())),
    [],
  );
});

test('each kind of mistake in a dashboard is found', () => {
  const graph = (dashboard: Writable) => dashboard.panels.find(({ type }) => type === 'timeseries')!;
  const query = (dashboard: Writable) => (graph(dashboard)['targets'] as Record<string, unknown>[])[0]!;
  const mistakes: readonly Mistake[] = [
    [(it) => (query(it)['expr'] = 'sum by (job) (messagebus_queue_deep)'), /no metric: messagebus_queue_deep/],
    [
      (it) => (query(it)['expr'] = 'sum by (job) (rate(messagebus_errors[$__rate_interval]))'),
      /no metric: messagebus_errors$/,
    ],
    [
      (it) => (query(it)['expr'] = 'sum by (job) (rate(messaging_process_duration_bucket[$__range]))'),
      /no metric: messaging_process/,
    ],
    [
      (it) => (query(it)['expr'] = 'sum by (job) (rate({__name__=~"rpc_server_call_duration_count"}[$__range]))'),
      /no metric: rpc_server/,
    ],
    [(it) => (query(it)['expr'] = 'sum by (job) (up)'), /no metric: $/],
    [(it) => (query(it)['expr'] = 'sum by (job) (rate(messagebus_errors_total[5m]))'), /fixed time/],
    [(it) => (query(it)['expr'] = 'sum(messagebus_queue_depth)'), /without the job/],
    [
      (it) => (query(it)['expr'] = 'sum by (job) (messagebus_queue_depth{pod=~"$pod"})'),
      /\$pod is used and not defined/,
    ],
    [(it) => (query(it)['refId'] = 'B'), /two queries of one name/],
    [(it) => (query(it)['datasource'] = { type: 'prometheus', uid: 'other' }), /no known data source/],
    [(it) => (it.panels.find(({ title }) => title === 'Gaps')!['title'] = 'Retries'), /there twice/],
    [(it) => (it.panels[2]!['id'] = it.panels[1]!['id']), /has the id of/],
    [(it) => (it.panels[2]!['gridPos'] = it.panels[1]!['gridPos']), /overlaps/],
    [(it) => (it.panels[2]!['gridPos'] = { x: 20, y: 900, w: 8, h: 8 }), /outside the grid/],
    [(it) => (graph(it)['description'] = 'Sent.'), /when to look/],
    [(it) => (graph(it)['fieldConfig'] = { defaults: {} }), /no unit/],
    [(it) => (graph(it)['fieldConfig'] = { defaults: { unit: 's', links: [] } }), /no link to traces/],
    [(it) => (graph(it)['targets'] = []), /no query/],
    [(it) => (it.panels = it.panels.filter(({ type }) => type === 'row')), /\$service is defined and not used/],
  ];
  for (const [change, fault] of mistakes) {
    const dashboard = structuredClone(dashboards()[0]) as unknown as Writable;
    // Two queries, so that a name can be there twice.
    (graph(dashboard)['targets'] as object[]).push({ ...query(dashboard), refId: 'B' });
    change(dashboard);
    const faults = dashboardFaults(dashboard as unknown as DashboardJson, dataSources());
    assert.ok(
      faults.some((one) => fault.test(one)),
      `${String(fault)} in ${faults.join('; ')}`,
    );
  }
});

test('every metric of the tables is shown in a panel', () => {
  const shown = new Set(panelQueries().flatMap(({ expr }) => askedFor(expr).metrics));
  assert.deepEqual([...shown].sort(), [...SPELLINGS.keys()].sort());
});

test('variables are filled from labels of known metrics, and "All" matches every value', () => {
  for (const { uid, templating } of dashboards()) {
    for (const variable of templating.list) {
      const { selector } = labelValues(variable);
      const { metrics, unknown } = askedFor(selector);
      assert.ok(metrics.length > 0 && unknown.length === 0, `${uid}: $${variable.name}`);
      if (variable.allValue !== undefined) assert.match('anything', new RegExp(`^(?:${variable.allValue})$`));
    }
  }
});

test('alerts that panels name are alerts, and the marks of fired alerts go to a known source', () => {
  const rules = readFileSync(path.join(GRAFANA, '../prometheus/rules.yml'), 'utf8');
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const panels: PanelJson[] = dashboards().flatMap((dashboard) => [...dashboard.panels]);
  const named = panels.flatMap(({ description = '' }) =>
    [...description.matchAll(/Tracebus\w+/g)].map(([name]) => name),
  );
  // Those about data concern no panel: without data all panels are empty.
  assert.deepEqual(
    [...new Set(named)].sort(),
    alerts.filter((name) => name !== 'TracebusNoData' && name !== 'TracebusProcessDown').sort(),
  );
  for (const { annotations } of dashboards()) {
    for (const { datasource } of annotations.list) assert.ok(dataSources().some(({ uid }) => uid === datasource.uid));
  }
});

test('the provisioned sources have the uids that dashboards and links name, and ask for known metrics', () => {
  assert.deepEqual(
    dataSources().map(({ uid, type }) => [uid, type]),
    [
      ['tracebus-prometheus', 'prometheus'],
      ['tracebus-jaeger', 'jaeger'],
    ],
  );
  const [prometheus, jaeger] = dataSources();
  assert.deepEqual(
    prometheus!.jsonData.exemplarTraceIdDestinations?.map(({ datasourceUid }) => datasourceUid),
    ['tracebus-jaeger'],
  );
  assert.equal(jaeger!.jsonData.tracesToMetrics?.datasourceUid, 'tracebus-prometheus');
  assert.ok(traceQueries().length > 0);
  for (const { place, expr } of traceQueries()) {
    const { metrics, unknown } = askedFor(expr);
    assert.ok(metrics.length > 0 && unknown.length === 0, place);
    assert.match(expr, /\$__tags/, place);
  }
});

test('the dashboards are loaded from a folder and cannot be changed in the browser, where the change would be lost', () => {
  const text = readFileSync(path.join(GRAFANA, 'provisioning/dashboards/tracebus.yaml'), 'utf8');
  const { providers } = parse(text) as { providers: { type: string; allowUiUpdates: boolean; options: object }[] };
  assert.deepEqual(
    providers.map(({ type, allowUiUpdates, options }) => ({ type, allowUiUpdates, options })),
    [
      {
        type: 'file',
        allowUiUpdates: false,
        options: { path: '$DASHBOARDS_PATH', foldersFromFilesStructure: false },
      },
    ],
  );
});
