/**
 * The part of Standard Schema v1 that a consumer needs (https://standardschema.dev, MIT; the specification asks for its types to be
 * copied instead of imported). Zod, Valibot, ArkType and others implement it.
 */

/** A schema of any library that implements Standard Schema v1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    /** Checks a value and answers what it became, or what is wrong with it. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The output of a schema, or what is wrong with the input. */
export type StandardResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** One fault of a value. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** True for an object (or, as ArkType has it, a function) that carries the standard's properties. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}

/** Issues listed at most, and the length at which one is cut: a hostile body must not write the log full. */
const MOST_ISSUES = 10;
const LONGEST_ISSUE = 200;

/** The issues in one line: `bid.price: expected a number; at: required`. */
export function describeIssues(issues: readonly StandardIssue[]): string {
  const lines = issues.slice(0, MOST_ISSUES).map(describeIssue);
  if (issues.length > MOST_ISSUES) lines.push(`and ${String(issues.length - MOST_ISSUES)} more`);
  return lines.join('; ');
}

function describeIssue({ path = [], message }: StandardIssue): string {
  const keys = path.map((step) => String(typeof step === 'object' ? step.key : step));
  return `${keys.length > 0 ? `${keys.join('.')}: ` : ''}${message}`.slice(0, LONGEST_ISSUE);
}
