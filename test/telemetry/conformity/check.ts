/** The checker: telemetry in, findings out, each a sentence. What right telemetry is stands in rules.ts and metric-rules.ts. */
import { checkLogs } from './check-logs.ts';
import { checkMeasurements, checkMetrics } from './check-metrics.ts';
import { checkEnds, checkRelations } from './check-relations.ts';
import { checkSpan, isOfTheBus } from './check-spans.ts';
import type { Attributes, Particulars, Telemetry } from './model.ts';
import { RESOURCE } from './rules.ts';

/** What is wrong, each finding once. */
export function check(telemetry: Telemetry, particulars: Particulars = {}): string[] {
  const { isUnmeasured = false, secrets = [] } = particulars;
  const findings = [
    ...telemetry.spans.filter(isOfTheBus).flatMap((span) => checkSpan(span, particulars)),
    ...checkRelations(telemetry, particulars),
    ...checkEnds(telemetry),
    ...(isUnmeasured ? [] : [...checkMetrics(telemetry), ...checkMeasurements(telemetry, particulars)]),
    ...checkLogs(telemetry),
    ...checkResources(telemetry),
    ...checkSecrets(telemetry, secrets),
  ];
  return [...new Set(findings)];
}

function checkResources({ spans, metrics, logs }: Telemetry): string[] {
  const resources = new Map<string, Attributes>();
  for (const { resource } of [...spans, ...metrics, ...logs]) resources.set(JSON.stringify(resource), resource);
  return [...resources.values()].flatMap((resource) => [
    ...RESOURCE.required.filter((name) => !resource[name]).map((name) => `the resource lacks ${name}`),
    ...RESOURCE.forbidden.filter((name) => name in resource).map((name) => `the resource tells ${name}`),
  ]);
}

function checkSecrets({ spans, metrics, logs }: Telemetry, secrets: readonly string[]): string[] {
  const all = JSON.stringify([spans, metrics, logs], (_, value: unknown) => (typeof value === 'bigint' ? '' : value));
  return secrets
    .filter((secret) => all.includes(secret))
    .map((secret) => `"${secret}" of a message is in the telemetry`);
}
