/** The names that Prometheus knows the metrics of the tables by, and which of them an expression asks for. */
import { COUNTER_METRICS, DURATION_METRICS, GAUGE_METRICS } from '../../src/core/semconv.ts';
import type { MetricFacts } from '../../src/core/semconv.ts';

const METRICS: readonly MetricFacts[] = [COUNTER_METRICS, GAUGE_METRICS, DURATION_METRICS].flatMap((table) =>
  Object.values<MetricFacts>(table),
);

/** Each metric of the tables with its spellings in Prometheus: from the process's own exporter, and through the Collector. */
export const SPELLINGS: ReadonlyMap<string, readonly string[]> = new Map(
  METRICS.map(({ name, instrument }) => [name, spellingsOf(name.replaceAll('.', '_'), instrument)]),
);

const METRIC_OF = new Map([...SPELLINGS].flatMap(([name, spellings]) => spellings.map((one) => [one, name] as const)));

/** A series of a histogram: a duration, whose name depends on the exporter. */
const HISTOGRAM = /_(?:bucket|count|sum)$/;

/** Words of PromQL expressions that look like names of the tables' metrics. */
const NAME = /\b(?:messagebus|messaging|rpc|tracebus)_\w+/g;

function spellingsOf(name: string, instrument: MetricFacts['instrument']): string[] {
  if (instrument === 'counter') return [`${name}_total`];
  if (instrument === 'gauge') return [name];
  return [name, `${name}_seconds`].flatMap((one) => [`${one}_bucket`, `${one}_count`, `${one}_sum`]);
}

/** What an expression asks for: metrics of the tables, and names that are none. */
export interface Asked {
  readonly metrics: readonly string[];
  readonly unknown: readonly string[];
}

export function askedFor(expr: string): Asked {
  const metrics = new Set<string>();
  const unknown: string[] = [];
  for (const [, pattern = ''] of expr.matchAll(/__name__=~"([^"]*)"/g)) {
    for (const part of pattern.split('|')) {
      const found = [...METRIC_OF.keys()].filter((name) => new RegExp(`^(?:${part})$`).test(name));
      // A duration that is asked for in one spelling only would be empty with the other exporter.
      const bothSpelt = found.every((name) => !HISTOGRAM.test(name) || found.length === 2);
      if (found.length === 0 || !bothSpelt) unknown.push(part);
      for (const name of found) metrics.add(METRIC_OF.get(name)!);
    }
  }
  const withoutLabels = expr.replace(/\{[^}]*\}/g, '').replace(/\b(?:by|on|without|ignoring) *\([^)]*\)/g, '');
  for (const [name] of withoutLabels.matchAll(NAME)) {
    const metric = METRIC_OF.get(name);
    if (metric === undefined || HISTOGRAM.test(name)) unknown.push(name);
    else metrics.add(metric);
  }
  return { metrics: [...metrics], unknown };
}
