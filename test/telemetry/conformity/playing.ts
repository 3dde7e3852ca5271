/** Plays a scenario and says what came of it: its telemetry, and where that is not what the scenario announces. */
import type { Telemetry } from './model.ts';
import { observe } from './observing.ts';
import type { Observed } from './observing.ts';
import { TROUBLE } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { Stage } from './stage.ts';
import type { System } from './stage.ts';

/** Plays under an SDK in memory. */
export async function played(scenario: Scenario, system: System, observed: Observed = observe()): Promise<Telemetry> {
  const stage = await Stage.open(system);
  const [outcome] = await Promise.allSettled([scenario.play(stage)]);
  await stage.close();
  const telemetry = await observed.finish(); // also after a failure: the next scenario registers an SDK of its own
  if (outcome.status === 'rejected') throw outcome.reason;
  return telemetry;
}

/** What was recorded, in the lines of `announced`. */
export function recorded({ spans, metrics }: Telemetry, scenario: Scenario): string[] {
  const names = spans.map(({ kind, name, attributes }) => {
    const type = attributes['error.type'];
    return typeof type === 'string' ? `${kind} ${name} ${type}` : `${kind} ${name}`;
  });
  const counts = countedNames(scenario).map((name) => {
    const { points = [], histogram = [] } = metrics.find((metric) => metric.name === name) ?? {};
    const sum =
      points.reduce((all, { value }) => all + value, 0) + histogram.reduce((all, { count }) => all + count, 0);
    return `${name} ${String(sum)}`;
  });
  const events = spans.flatMap((span) => span.events.map(({ name }) => `event ${name}`));
  const told = scenario.events === undefined ? [] : events.filter((line) => line !== 'event exception').sort();
  return [...names.sort(), ...told, ...counts];
}

/** What a scenario says will be recorded: spans, then metrics that count. */
export function announced(scenario: Scenario): string[] {
  const counts = countedNames(scenario).map((name) => `${name} ${String(scenario.counts?.[name] ?? 0)}`);
  const events = (scenario.events ?? []).map((name) => `event ${name}`);
  return [...[...scenario.spans].sort(), ...events, ...counts];
}

function countedNames({ counts = {} }: Scenario): string[] {
  return [...new Set([...TROUBLE, ...Object.keys(counts)])];
}
