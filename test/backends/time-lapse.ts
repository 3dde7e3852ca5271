/**
 * The alert rules in a time lapse: the same file with minutes read as seconds, so that a test sees in seconds what takes minutes
 * in service. Nothing else is changed; rules.yml writes every time in minutes for this, which test/observability/rules.test.ts checks.
 */
import { parse, stringify } from 'yaml';

/** An alert of the rules file. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A rules file of Prometheus. */
export interface RulesFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

/** How `for` is written. */
export const MINUTES: RegExp = /^(\d+)m$/;

/** How the ranges within expressions are written: `[5m]`, `[5m:]`. */
export const RANGE_IN_MINUTES: RegExp = /\[(\d+)m(:?)\]/g;

export function parseRules(text: string): RulesFile {
  return parse(text) as RulesFile;
}

/** The text of a rules file in which every minute has become a second, or a few. */
export function timeLapse(text: string, secondsPerMinute = 1): string {
  const seconds = (_all: string, minutes: string): string => `${String(Number(minutes) * secondsPerMinute)}s`;
  const groups = parseRules(text).groups.map((group) => ({
    ...group,
    rules: group.rules.map((rule) => ({
      ...rule,
      expr: rule.expr.replace(
        RANGE_IN_MINUTES,
        (all, minutes: string, colon: string) => `[${seconds(all, minutes)}${colon}]`,
      ),
      for: rule.for.replace(MINUTES, seconds),
    })),
  }));
  return stringify({ groups });
}
