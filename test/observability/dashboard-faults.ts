/** What is wrong with a dashboard, as sentences: rules of Grafana and habits of these dashboards. */
import type { DashboardJson, DataSource, PanelJson } from '../backends/dashboard-queries.ts';
import { askedFor } from './metric-names.ts';

const COLUMNS = 24;

/** Variables that Grafana itself fills. */
const BUILT_IN = new Set(['__rate_interval', '__interval', '__range', '__from', '__to', '__url_time_range', '__field']);

/** Enough for when to look at a panel, and what to do then. */
const SHORTEST_DESCRIPTION = 60;

function variablesIn(text: string): string[] {
  return [...text.matchAll(/\$\{?(\w+)/g)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

function overlap(one: PanelJson, other: PanelJson): boolean {
  const [a, b] = [one.gridPos, other.gridPos];
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** A link's search for traces: the variables are filled in as Grafana would. */
function jaegerOf(url: string): string | undefined {
  const filled = url.replaceAll(/\$\{[^}]+\}/g, 'x');
  const panes = new URL(filled, 'http://grafana').searchParams.get('panes');
  if (panes === null) return undefined;
  const { traces } = JSON.parse(panes) as { traces: { datasource: string; queries: { service: string }[] } };
  return traces.queries.every(({ service }) => service === 'x') ? traces.datasource : undefined;
}

/** Everything that is wrong. */
export function dashboardFaults(dashboard: DashboardJson, sources: readonly DataSource[]): string[] {
  const { uid, panels, templating } = dashboard;
  const faults: string[] = [];
  const names = templating.list.map(({ name }) => name);
  const isKnownSource = (source: DataSource | undefined, type: string): boolean =>
    source?.type === type && sources.some((one) => one.uid === source.uid && one.type === type);

  const texts = panels.flatMap(({ targets = [], fieldConfig }) => [
    ...targets.map(({ expr }) => expr),
    ...(fieldConfig?.defaults.links ?? []).map(({ url }) => url),
  ]);
  const all = [...texts, ...templating.list.map(({ query }) => query.query)];
  for (const text of all) {
    for (const name of variablesIn(text)) {
      if (!names.includes(name) && !BUILT_IN.has(name)) faults.push(`${uid}: $${name} is used and not defined`);
    }
  }
  for (const name of names) {
    if (!texts.some((text) => variablesIn(text).includes(name)))
      faults.push(`${uid}: $${name} is defined and not used`);
  }
  for (const { name, datasource } of templating.list) {
    if (!isKnownSource(datasource, 'prometheus')) faults.push(`${uid}: $${name} has no known data source`);
  }
  for (const [index, panel] of panels.entries()) {
    const place = `${uid}, ${panel.title}`;
    const { x, w, h } = panel.gridPos;
    if (x < 0 || w < 1 || h < 1 || x + w > COLUMNS) faults.push(`${place}: is outside the grid`);
    for (const other of panels.slice(index + 1)) {
      if (overlap(panel, other)) faults.push(`${place}: overlaps ${other.title}`);
      if (panel.id === other.id) faults.push(`${place}: has the id of ${other.title}`);
      if (panel.title === other.title) faults.push(`${place}: has a title that is there twice`);
    }
    if (panel.type !== 'row') faults.push(...panelFaults(panel, isKnownSource).map((fault) => `${place}: ${fault}`));
  }
  return faults;
}

function panelFaults(
  panel: PanelJson,
  isKnownSource: (source: DataSource | undefined, type: string) => boolean,
): string[] {
  const faults: string[] = [];
  const { description = '', datasource, targets = [], fieldConfig } = panel;
  if (description.length < SHORTEST_DESCRIPTION) faults.push('does not say when to look at it');
  if (fieldConfig?.defaults.unit === undefined) faults.push('has no unit');
  if (targets.length === 0) faults.push('has no query');
  if (new Set(targets.map(({ refId }) => refId)).size !== targets.length) faults.push('has two queries of one name');
  for (const source of [datasource, ...targets.map((target) => target.datasource)]) {
    if (!isKnownSource(source, 'prometheus')) faults.push('has no known data source');
  }
  for (const { expr } of targets) {
    const { metrics, unknown } = askedFor(expr);
    if (metrics.length === 0 || unknown.length > 0) faults.push(`asks for what is no metric: ${unknown.join(', ')}`);
    if (/\b(?:rate|increase)\(/.test(expr) && !/\[\$__(?:rate_interval|range)\b/.test(expr)) {
      faults.push('has a rate over a fixed time');
    }
  }
  if (panel.type === 'timeseries') {
    const links = fieldConfig?.defaults.links ?? [];
    const sources = links.map(({ url }) => jaegerOf(url)).filter((source) => source !== undefined);
    if (!sources.some((source) => isKnownSource({ type: 'jaeger', uid: source }, 'jaeger'))) {
      faults.push('has no link to traces');
    }
    if (!targets.every(({ expr }) => /\bby \(job\b/.test(expr))) faults.push('has series without the job of its links');
  }
  return faults;
}
