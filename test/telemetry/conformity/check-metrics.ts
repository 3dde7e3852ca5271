/** Metrics: each against its rule, and the histograms against the spans of the same operations. */
import { checkAttributes, deprecation } from './check-attributes.ts';
import { isOfTheBus, ruleOf } from './check-spans.ts';
import type { Attributes, HistogramPoint, Metric, NumberPoint, Particulars, Span, Telemetry } from './model.ts';
import { MAX_DESTINATIONS, METRIC_RULES } from './metric-rules.ts';
import type { MetricRule } from './metric-rules.ts';
import { ERROR_TYPES, LOOKS_LIKE_AN_ID, SCOPE, SPAN_RULES } from './rules.ts';
import type { SpanRule } from './rules.ts';

const OURS = /^(messagebus|messaging|rpc)\./;
const SENTENCE = /^[A-Z][^\n]{8,120}\.$/;

export function checkMetrics(telemetry: Telemetry): string[] {
  const metrics = telemetry.metrics.filter(({ name, scope }) => scope.name === SCOPE.name || OURS.test(name));
  const names = new Set(metrics.map(({ name }) => name));
  const missing = Object.keys(METRIC_RULES).filter(
    (name) => METRIC_RULES[name]?.isAlwaysThere === true && !names.has(name),
  );
  return [
    ...missing.map((name) => `metric ${name} is missing`),
    ...(names.size === metrics.length ? [] : ['a metric was exported twice']),
    ...metrics.flatMap((metric) => checkMetric(metric, telemetry.elapsedS)),
  ];
}

function checkMetric(metric: Metric, elapsedS: number): string[] {
  const what = `metric ${metric.name}`;
  const rule = METRIC_RULES[metric.name];
  if (rule === undefined) {
    const instead = deprecation(metric.name);
    if (instead === undefined) return [`${what} is none that the bus has`];
    return [`${what} is deprecated; the conventions now have ${instead}`];
  }
  return [
    ...checkForm(what, metric, rule),
    ...[...metric.points, ...metric.histogram].flatMap(({ attributes }) => checkSeries(what, attributes, rule)),
    ...checkCardinality(what, [...metric.points, ...metric.histogram]),
    ...metric.points.flatMap((point) => checkPoint(what, point, rule)),
    ...metric.histogram.flatMap((point) => checkHistogram(what, point, rule, elapsedS)),
  ];
}

function checkForm(what: string, metric: Metric, rule: MetricRule): string[] {
  const findings: string[] = [];
  const { instrument, unit, description, scope, temporality } = metric;
  if (instrument !== rule.instrument) findings.push(`${what} is a ${instrument} instead of a ${rule.instrument}`);
  if (unit !== rule.unit) findings.push(`${what} has the unit "${unit}" instead of "${rule.unit}"`);
  if (!SENTENCE.test(description)) findings.push(`${what} has no description that is a sentence: "${description}"`);
  if (rule.instrument !== 'gauge' && instrument !== 'gauge' && temporality !== 'cumulative') {
    findings.push(`${what} has ${temporality} temporality instead of cumulative`);
  }
  if (scope.name !== SCOPE.name) findings.push(`${what} comes from the scope ${scope.name} instead of ${SCOPE.name}`);
  if (scope.schemaUrl !== undefined && scope.schemaUrl !== '') {
    findings.push(`${what} has a schema URL, which would become a Prometheus label`);
  }
  return findings;
}

function checkSeries(what: string, attributes: Attributes, rule: MetricRule): string[] {
  const { required, allowed, fixed = {}, values = {}, together = [] } = rule;
  const series = `a series of ${what}`;
  const findings = checkAttributes(series, attributes, { required, allowed, fixed, values });
  const absent = together.filter((name) => !(name in attributes));
  if (absent.length < together.length) findings.push(...absent.map((name) => `${series} lacks the attribute ${name}`));
  for (const name of ['messaging.destination.name', 'messaging.destination.template', 'rpc.method']) {
    const value = attributes[name];
    if (typeof value !== 'string' || !LOOKS_LIKE_AN_ID.test(value)) continue;
    findings.push(`${series} has ${name} ${JSON.stringify(value)}, which only a few messages can share`);
  }
  return findings;
}

function checkCardinality(what: string, points: readonly { attributes: Attributes }[]): string[] {
  const findings: string[] = [];
  const keys = points.map(({ attributes }) => JSON.stringify(Object.entries(attributes).sort()));
  if (new Set(keys).size !== keys.length) findings.push(`${what} has the same series twice`);
  const destinations = new Set(
    points.map(({ attributes }) => attributes['messaging.destination.name'] ?? attributes['rpc.method']),
  );
  destinations.delete(undefined);
  if (destinations.size > MAX_DESTINATIONS) findings.push(`${what} has ${String(destinations.size)} destinations`);
  return findings;
}

function checkPoint(what: string, { value }: NumberPoint, { instrument }: MetricRule): string[] {
  const isCount = Number.isSafeInteger(value) && value >= 0;
  return isCount ? [] : [`${what} has the value ${String(value)}, which no ${instrument} of things can have`];
}

function checkHistogram(what: string, point: HistogramPoint, rule: MetricRule, elapsedS: number): string[] {
  const { bounds, counts, count, sum, max } = point;
  if (bounds.join() !== rule.bounds?.join()) {
    return [`${what} has the bounds ${bounds.join(' ')} instead of ${(rule.bounds ?? []).join(' ')}`];
  }
  const findings: string[] = [];
  if (counts.length !== bounds.length + 1 || counts.reduce((a, b) => a + b, 0) !== count) {
    findings.push(`${what} has buckets that do not add up to its count of ${String(count)}`);
  }
  if (!(sum >= 0) || sum > count * elapsedS || (max ?? 0) > elapsedS) {
    findings.push(`${what} has measured ${String(sum)} s in all, longer than everything took: these are no seconds`);
  }
  return findings;
}

/** As many measurements as spans, and as many failures of each type. */
export function checkMeasurements(
  { spans, metrics }: Telemetry,
  { isPartlySpanned = false, refused = [] }: Particulars,
): string[] {
  const ended = [...new Map(spans.map((span) => [span.spanId, span])).values()].filter(isOfTheBus);
  return SPAN_RULES.flatMap((rule) => {
    const ours = ended.filter((span) => ruleOf(span) === rule);
    if (!ours.every(isSoundFailure)) return []; // found already, and nothing to count by
    const points = metrics.filter(({ name }) => name === rule.measuredBy).flatMap(({ histogram }) => histogram);
    const inHistogram = tally(
      points.filter((point) => isOf(rule, point)).map((p) => [outcomeOf(p.attributes), p.count]),
    );
    const inSpans = tally(ours.map(({ attributes }) => [outcomeOf(attributes), 1]));
    return [...new Set([...inSpans.keys(), ...inHistogram.keys()])].flatMap((outcome) => {
      if (refused.includes(outcome)) return []; // by whom decides whether it is measured, and its spans are limited
      const [spanCount, count] = [inSpans.get(outcome) ?? 0, inHistogram.get(outcome) ?? 0];
      if (spanCount === count || (isPartlySpanned && spanCount < count)) return [];
      const counts = `${String(spanCount)} ${rule.operation} spans (${outcome})`;
      return [`there are ${counts}, and metric ${rule.measuredBy} has counted ${String(count)}`];
    });
  });
}

function isOf({ naming, operation }: SpanRule, { attributes }: HistogramPoint): boolean {
  return naming === 'rpc' || attributes['messaging.operation.name'] === operation;
}

function isSoundFailure({ status, attributes }: Span): boolean {
  const type = attributes['error.type'];
  return status.code === 'ERROR' ? ERROR_TYPES.includes(String(type)) : type === undefined;
}

function outcomeOf(attributes: Attributes): string {
  return typeof attributes['error.type'] === 'string' ? attributes['error.type'] : 'no error';
}

function tally(counts: readonly (readonly [string, number])[]): Map<string, number> {
  const all = new Map<string, number>();
  for (const [key, count] of counts) all.set(key, (all.get(key) ?? 0) + count);
  return all;
}
