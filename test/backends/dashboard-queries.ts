/** Every query that Grafana would send: of the panels, the template variables, the annotations and the links from traces. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

const FOLDER = path.resolve(import.meta.dirname, '../../observability/grafana');

/** What a dashboard's JSON has of what the tests look at. */
export interface DashboardJson {
  readonly uid: string;
  readonly title: string;
  readonly templating: { readonly list: readonly VariableJson[] };
  readonly annotations: { readonly list: readonly { readonly expr: string; readonly datasource: DataSource }[] };
  readonly panels: readonly PanelJson[];
}

/** Where a query goes. */
export interface DataSource {
  readonly type: string;
  readonly uid: string;
}

/** A template variable. */
export interface VariableJson {
  readonly name: string;
  readonly allValue?: string;
  readonly datasource: DataSource;
  readonly query: { readonly query: string };
}

/** A panel, or the title of a row. */
export interface PanelJson {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: DataSource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: DataSource }[];
  readonly fieldConfig?: {
    readonly defaults: { readonly unit?: string; readonly links?: readonly { readonly url: string }[] };
  };
}

/** A provisioned data source. */
export interface ProvisionedSource extends DataSource {
  readonly jsonData: {
    readonly exemplarTraceIdDestinations?: readonly { readonly datasourceUid: string }[];
    readonly tracesToMetrics?: {
      readonly datasourceUid: string;
      readonly tags: readonly { readonly value: string }[];
      readonly queries: readonly { readonly name: string; readonly query: string }[];
    };
  };
}

/** An expression and where it stands. */
export interface PlacedQuery {
  readonly place: string;
  readonly expr: string;
}

export function dashboards(): DashboardJson[] {
  const folder = path.join(FOLDER, 'dashboards');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files.map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as DashboardJson);
}

export function dataSources(): ProvisionedSource[] {
  const text = readFileSync(path.join(FOLDER, 'provisioning/datasources/tracebus.yaml'), 'utf8');
  return (parse(text) as { datasources: ProvisionedSource[] }).datasources;
}

/** The queries of the panels. */
export function panelQueries(): PlacedQuery[] {
  return dashboards().flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ refId, expr }) => ({ place: `${uid}, ${title}, ${refId}`, expr })),
    ),
  );
}

/** The queries behind the links from a trace to metrics; `$$` is how provisioning writes a dollar. */
export function traceQueries(): PlacedQuery[] {
  return dataSources().flatMap(({ uid, jsonData: { tracesToMetrics } }) =>
    (tracesToMetrics?.queries ?? []).map(({ name, query }) => ({
      place: `${uid}, ${name}`,
      expr: query.replaceAll('$$', '$'),
    })),
  );
}

/** The label and the selector of a variable's `label_values(selector, label)`. */
export function labelValues({ query: { query } }: VariableJson): { selector: string; label: string } {
  const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
  if (selector === undefined || label === undefined)
    throw new Error(`Expected label_values(selector, label), got ${query}`);
  return { selector, label };
}
