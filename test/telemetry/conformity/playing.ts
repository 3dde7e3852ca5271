/** Plays a scenario and says what came of it: its telemetry, and where that is not what the scenario announces. */
import type { Telemetry } from './model.ts';
import { observe } from './observing.ts';
import type { Observed } from './observing.ts';
import { TROUBLE } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { Stage } from './stage.ts';
import type { System } from './stage.ts';

/** Registers the SDK that a scenario is played under. */
export type Watch = (scenario: Scenario) => Observed | Promise<Observed>;

/** Plays, by default under an SDK in memory. */
export async function played(scenario: Scenario, system: System, watch: Watch = observe): Promise<Telemetry> {
  const observed = await watch(scenario);
  const stage = await Stage.open(system, observed.prepare);
  const [outcome] = await Promise.allSettled([scenario.play(stage)]);
  await stage.close();
  const telemetry = await observed.finish(); // also after a failure: the next scenario registers an SDK of its own
  if (outcome.status === 'rejected') throw outcome.reason;
  return telemetry;
}

/** What was recorded, in the lines of `announced`. */
export function recorded(telemetry: Telemetry, scenario: Scenario): string[] {
  const { spans, metrics } = telemetry;
  const names = spans.map(({ kind, name, attributes }) => {
    const type = attributes['error.type'];
    return typeof type === 'string' ? `${kind} ${name} ${type}` : `${kind} ${name}`;
  });
  const counts = countedNames(scenario).map((name) => {
    const { points = [], histogram = [] } = metrics.find((metric) => metric.name === name) ?? {};
    const all =
      points.reduce((sum, { value }) => sum + value, 0) + histogram.reduce((sum, { count }) => sum + count, 0);
    const sum = scenario.repeated?.includes(name) === true ? Math.min(1, all) : all;
    return `${name} ${String(sum)}`;
  });
  const events = spans.flatMap((span) => span.events.map(({ name }) => `event ${name}`));
  const told = scenario.events === undefined ? [] : events.filter((line) => line !== 'event exception').sort();
  return [...names.sort(), ...told, ...counts, ...countedSeries(telemetry, scenario), ...logLines(telemetry, scenario)];
}

/** What a scenario says will be recorded: spans, then metrics that count. */
export function announced(scenario: Scenario): string[] {
  const { spans, series = [], logs = [], repeated = [] } = scenario;
  const expected = (name: string): number => scenario.counts?.[name] ?? (repeated.includes(name) ? 1 : 0);
  const counts = countedNames(scenario).map((name) => `${name} ${String(expected(name))}`);
  const events = (scenario.events ?? []).map((name) => `event ${name}`);
  return [...[...spans].sort(), ...events, ...counts, ...series, ...logs];
}

function countedSeries({ metrics }: Telemetry, { series = [] }: Scenario): string[] {
  const counted = metrics.flatMap(({ name, points }) =>
    points
      .filter(({ value }) => value > 0)
      .flatMap(({ attributes }) => Object.entries(attributes).map(([key, value]) => `${name} ${key}=${String(value)}`)),
  );
  return series.filter((line) => counted.includes(line));
}

function logLines({ logs, spans }: Telemetry, scenario: Scenario): string[] {
  if (scenario.logs === undefined) return [];
  const lines = logs.map(({ severityText, eventName, attributes, place }) => {
    const of = spans.find(({ spanId, traceId }) => spanId === place?.spanId && traceId === place.traceId);
    const line = [severityText, eventName, attributes['error.type']].join(' ');
    return of === undefined ? line : `${line} in ${of.kind} ${of.name}`;
  });
  return lines.sort();
}

function countedNames({ counts = {}, repeated = [] }: Scenario): string[] {
  return [...new Set([...TROUBLE, ...Object.keys(counts), ...repeated])];
}
