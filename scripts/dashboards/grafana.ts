/** Grafana's JSON from a short description of a dashboard: panels flow into the 24 columns of the grid, row by row. */
import type { Query } from './queries.ts';

/** The fixed uids of observability/grafana/provisioning. */
export const PROMETHEUS = { type: 'prometheus', uid: 'tracebus-prometheus' } as const;
export const JAEGER = { type: 'jaeger', uid: 'tracebus-jaeger' } as const;

const COLUMNS = 24;
/** Of dashboards: what Grafana 11 writes; newer ones migrate it. */
const SCHEMA_VERSION = 39;

/** Queries of a panel are named by letters. */
const REF_IDS = 'ABCDEFGH';

/** Units of Grafana. */
export type Unit = 's' | 'short' | 'cps' | 'cpm';

/** A panel. */
export interface Panel {
  readonly title: string;
  /** When to look here, and what to do then. */
  readonly description: string;
  readonly kind: 'graph' | 'number' | 'heat';
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Columns of 24. */
  readonly width: number;
  /** A number that turns red above 0. */
  readonly alarming?: boolean;
  /** Tags that the search for traces asks for, as Jaeger writes them. */
  readonly traceTags?: string;
}

/** A titled group of panels. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A template variable, filled from the values of a label. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly values: string;
  /** What "All" stands for; without it one value is chosen. */
  readonly all?: string;
}

/** A dashboard. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}

/** The JSON that Grafana provisions. */
export function grafanaJson({ uid, title, description, variables, rows }: Dashboard): unknown {
  return {
    uid,
    title,
    description,
    tags: ['tracebus'],
    editable: true,
    graphTooltip: 1,
    schemaVersion: SCHEMA_VERSION,
    refresh: '10s',
    time: { from: 'now-15m', to: 'now' },
    timezone: 'browser',
    links: [
      {
        type: 'dashboards',
        title: 'tracebus',
        tags: ['tracebus'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
      },
    ],
    templating: { list: variables.map(variableJson) },
    annotations: { list: [firingAlerts(variables.map(({ name }) => name).includes('service'))] },
    panels: laidOut(rows),
  };
}

function laidOut(rows: readonly Row[]): unknown[] {
  const panels: unknown[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      if (x + panel.width > COLUMNS) {
        y += height;
        x = height = 0;
      }
      const h = panel.kind === 'number' ? 4 : 8;
      panels.push({ id: panels.length + 1, gridPos: { x, y, w: panel.width, h }, ...panelJson(panel) });
      x += panel.width;
      height = Math.max(height, h);
    }
    y += height;
  }
  return panels;
}

function panelJson(panel: Panel): object {
  const { title, description, unit, kind } = panel;
  const targets = panel.queries.map(({ expr, legend }, index) => ({
    refId: REF_IDS.charAt(index),
    datasource: PROMETHEUS,
    expr,
    legendFormat: legend,
    ...(kind === 'number' ? { instant: true, range: false } : { instant: false, range: true }),
    ...(kind === 'heat' ? { format: 'heatmap' } : {}),
    ...(unit === 's' ? { exemplar: true } : {}),
  }));
  const common = { title, description, datasource: PROMETHEUS, targets };
  if (kind === 'number') {
    const steps = [{ color: 'green', value: null }, ...(panel.alarming === true ? [{ color: 'red', value: 0.5 }] : [])];
    return {
      type: 'stat',
      ...common,
      fieldConfig: { defaults: { unit, noValue: '0', thresholds: { mode: 'absolute', steps } }, overrides: [] },
      options: { colorMode: 'value', graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'], values: false } },
    };
  }
  if (kind === 'heat') {
    return {
      type: 'heatmap',
      ...common,
      fieldConfig: { defaults: { unit: 'short' }, overrides: [] },
      options: {
        calculate: false,
        cellGap: 1,
        color: { mode: 'scheme', scheme: 'Oranges', steps: 64 },
        yAxis: { unit },
        cellValues: { unit: 'short' },
        tooltip: { mode: 'single', yHistogram: true },
        exemplars: { color: 'rgba(255,0,255,0.7)' },
      },
    };
  }
  return {
    type: 'timeseries',
    ...common,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'auto', spanNulls: false },
        links: [tracesLink(panel.traceTags), serviceLink],
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['lastNotNull', 'max'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

/** From a series to the traces of its service, in the time range that is shown. */
function tracesLink(tags: string | undefined): object {
  const query = {
    refId: 'A',
    datasource: JAEGER,
    queryType: 'search',
    service: '${__field.labels.job}',
    ...(tags === undefined ? {} : { tags }),
    limit: 20,
  };
  const pane = { datasource: JAEGER.uid, queries: [query], range: { from: '${__from}', to: '${__to}' } };
  const panes = JSON.stringify({ traces: pane });
  return {
    title: 'Traces of ${__field.labels.job}',
    url: `/explore?schemaVersion=1&panes=${encodedButVariables(panes)}`,
    targetBlank: true,
  };
}

const serviceLink = {
  title: 'Topics of ${__field.labels.job}',
  url: '/d/tracebus-service?var-service=${__field.labels.job}&${__url_time_range}',
  targetBlank: false,
};

function encodedButVariables(text: string): string {
  return text
    .split(/(\$\{[^}]+\})/)
    .map((part) => (part.startsWith('${') ? part : encodeURIComponent(part)))
    .join('');
}

function variableJson({ name, label, description, values, all }: Variable): object {
  return {
    name,
    label,
    description,
    type: 'query',
    datasource: PROMETHEUS,
    query: { query: values, refId: name },
    definition: values,
    refresh: 2, // when the time range changes: services come and go
    sort: 1,
    multi: all !== undefined,
    includeAll: all !== undefined,
    ...(all === undefined ? {} : { allValue: all, current: { text: ['All'], value: ['$__all'] } }),
  };
}

/** Marks the times at which an alert of rules.yml fired. */
function firingAlerts(ofService: boolean): object {
  const which = ofService ? ', job=~"$service|"' : '';
  return {
    name: 'Firing alerts',
    datasource: PROMETHEUS,
    enable: true,
    iconColor: 'red',
    expr: `ALERTS{alertname=~"Tracebus.+", alertstate="firing"${which}}`,
    step: '15s',
    titleFormat: '{{alertname}}',
    textFormat: '{{job}} {{instance}}',
  };
}
