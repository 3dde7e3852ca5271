/** Attributes against their rules: of spans, events, metric series and log records alike. */
import type { Attributes } from './model.ts';
import { ATTRIBUTE_RULES, CAPTURING, DEPRECATED, DEPRECATED_VALUES } from './rules.ts';

export interface Expected {
  readonly required: readonly string[];
  readonly allowed: readonly string[];
  readonly fixed?: Readonly<Record<string, string>>;
  /** Where only these values are right, instead of those of the attribute's own rule. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
}

/** What is wrong with the attributes of `what`, as sentences. */
export function checkAttributes(what: string, attributes: Attributes, expected: Expected): string[] {
  const { required, allowed, fixed = {}, values = {} } = expected;
  const findings: string[] = [];
  const replaced = new Set<string>();
  for (const [name, value] of Object.entries(attributes)) {
    const known = required.includes(name) || allowed.includes(name) || name in fixed;
    const instead = deprecation(name);
    if (instead !== undefined) {
      findings.push(`${what} has the deprecated attribute ${name}; the conventions now have ${instead}`);
      replaced.add(instead);
    } else if (!known && CAPTURING.test(name)) findings.push(`${what} captures what the message says in ${name}`);
    else if (!known) findings.push(`${what} has the attribute ${name}, which it should not have`);
    else findings.push(...checkValue(what, [name, value], fixed[name], values[name]));
  }
  for (const name of [...Object.keys(fixed), ...required]) {
    if (name in attributes || replaced.has(name)) continue;
    findings.push(`${what} lacks the attribute ${name}`);
  }
  return findings;
}

function checkValue(
  what: string,
  [name, value]: readonly [string, unknown],
  fixed: string | undefined,
  own: readonly string[] | undefined,
): string[] {
  const rule = ATTRIBUTE_RULES[name];
  if (rule === undefined) return [];
  const shown = `${what} has ${name} ${JSON.stringify(value)}`;
  const isTyped = rule.type === 'int' ? Number.isInteger(value) : typeof value === 'string';
  if (!isTyped) return [`${shown}, which is no ${rule.type}`];
  const instead = typeof value === 'string' ? DEPRECATED_VALUES[name]?.[value] : undefined;
  if (instead !== undefined) return [`${shown}, which the conventions have replaced by ${instead}`];
  if (fixed !== undefined && value !== fixed) return [`${shown} instead of ${fixed}`];
  const values = own ?? rule.values;
  if (values !== undefined && !values.includes(value as string)) {
    return [`${shown}, which is none of ${values.join(', ')}`];
  }
  const isOutside = typeof value === 'number' && (value < (rule.min ?? value) || value > (rule.max ?? value));
  if (isOutside || (typeof value === 'string' && rule.pattern?.test(value) === false))
    return [`${shown}, which cannot be`];
  return [];
}

/** What the conventions have instead of a name that they have given up. */
export function deprecation(name: string): string | undefined {
  for (const [given, instead] of Object.entries(DEPRECATED)) {
    if (given.endsWith('.') ? name.startsWith(given) : name === given) return instead;
  }
  return undefined;
}
