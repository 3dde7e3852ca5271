/**
 * The PromQL of the dashboards, made from the tables of semconv.ts, so that a panel cannot ask for a metric that is not there.
 *
 * `job` is the service and `instance` the process, as in observability/prometheus/rules.yml, which also says why the
 * names of durations are patterns and why rare counts are summed before their rate is taken.
 */
import { COUNTER_METRICS, DURATION_METRICS, GAUGE_METRICS } from '../../src/core/semconv.ts';
import type { CounterMetric, DurationMetric, GaugeMetric } from '../../src/core/semconv.ts';

/** One query of a panel. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** Which series: label matchers, joined by commas. */
export type Matchers = string;

/** Labels by which series are kept apart. */
type By = readonly string[];

export const OPERATION = 'messaging_operation_name';
export const TOPIC = 'messaging_destination_name';
export const PATTERN = 'messaging_destination_template';
export const METHOD = 'rpc_method';
export const ERROR_TYPE = 'error_type';
export const REASON = 'messagebus_reason';

/** The name of a counter; both exporters add `_total`. */
export function counterName(key: CounterMetric): string {
  return `${underscored(COUNTER_METRICS[key].name)}_total`;
}

export function gaugeName(key: GaugeMetric): string {
  return underscored(GAUGE_METRICS[key].name);
}

/** What counts: messages a second. */
export function perSecond(key: CounterMetric, by: By, where: Matchers): string {
  return `sum by (${by.join(', ')}) (rate(${counterName(key)}{${where}}[$__rate_interval]))`;
}

/** What should not happen, a minute, by a label; `all` also sees the very first one, whose labelled series has only begun. */
export function rare(key: CounterMetric, by: By, where: Matchers, label: string | undefined): Query[] {
  const each = [...new Set([...by, 'instance'])].join(', ');
  const summed = `(sum by (${each}) (${counterName(key)}{${where}}))[$__rate_interval:$__interval]`;
  const name = legendOf(by);
  const all = {
    expr: `60 * sum by (${by.join(', ')}) (rate(${summed}))`,
    legend: label === undefined ? name : `${name}: all`,
  };
  if (label === undefined) return [all];
  const expr = `60 * ${perSecond(key, [...by, label], `${where}, ${label}!=""`)}`;
  return [all, { expr, legend: `${name}: {{${label}}}` }];
}

/** How often it happened in the time range of the dashboard. */
export function inRange(key: CounterMetric, where: Matchers): string {
  return `sum(increase((sum by (job, instance) (${counterName(key)}{${where}}))[$__range:$__interval]))`;
}

export function level(key: GaugeMetric, by: By, where: Matchers): string {
  return `sum by (${by.join(', ')}) (${gaugeName(key)}{${where}})`;
}

/** A quantile of a duration. */
export function quantile(key: DurationMetric, q: number, by: By, where: Matchers): string {
  return `histogram_quantile(${String(q)}, ${buckets(key, 'rate', [...by, 'le'], where)})`;
}

/** The buckets of a heat map. */
export function heat(key: DurationMetric, where: Matchers): Query[] {
  return [{ expr: buckets(key, 'increase', ['le'], where), legend: '{{le}}' }];
}

/** Operations a second, as the histogram counted them. */
export function timedPerSecond(key: DurationMetric, by: By, where: Matchers): string {
  return `sum by (${by.join(', ')}) (rate({${spellings(key, 'count')}, ${where}}[$__rate_interval]))`;
}

/** p50, p95 and p99 by some labels. */
export function quantiles(key: DurationMetric, by: By, where: Matchers): Query[] {
  return [0.5, 0.95, 0.99].map((q) => ({
    expr: quantile(key, q, by, where),
    legend: `${legendOf(by)} p${String(q * 100)}`,
  }));
}

export function legendOf(by: By): string {
  return by.map((label) => `{{${label}}}`).join(' ');
}

function buckets(key: DurationMetric, of: 'rate' | 'increase', by: By, where: Matchers): string {
  return `sum by (${by.join(', ')}) (${of}({${spellings(key, 'bucket')}, ${where}}[$__rate_interval]))`;
}

/** Matches the name as the process's own exporter spells it, and as the Collector does. */
function spellings(key: DurationMetric, suffix: 'bucket' | 'count'): Matchers {
  return `__name__=~"${underscored(DURATION_METRICS[key].name)}(_seconds)?_${suffix}"`;
}

function underscored(name: string): string {
  return name.replaceAll('.', '_');
}
