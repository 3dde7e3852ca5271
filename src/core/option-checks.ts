/** How options are checked, those of a bus and those of a call: each check answers what it expects, the error is made here. */
import { inspect } from 'node:util';
import { unknownOption } from './option-names.ts';

/** Says what an option should be when it is not; else nothing. */
export type Check = (value: unknown) => string | undefined;

/** A whole number in a range, both ends included. */
export const whole =
  (least: number, most: number = Number.MAX_SAFE_INTEGER): Check =>
  (value) => {
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return undefined;
    return `an integer from ${String(least)}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${String(most)}`}`;
  };
/** What a timer of Node's takes: with more it would fire at once. */
export const LONGEST_MS = 2_147_483_647;
/** A duration that a timer takes. */
export const time: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= LONGEST_MS
    ? undefined
    : `a number of milliseconds from 0 to ${String(LONGEST_MS)}`;
/** A finite number that is not negative. */
export const amount: Check = (value) =>
  Number.isFinite(value) && (value as number) >= 0 ? undefined : 'a number from 0';
/** One of some words. */
export const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string) ? undefined : `one of ${values.map((one) => `'${one}'`).join(', ')}`;
/** A truth value. */
export const aBoolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
/** Something to call. */
export const aFunction: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
/** Checked where it is used, with words of its own. */
export const anything: Check = () => undefined;
/** Anything with properties. */
export const anObject: Check = (value) => (typeof value === 'object' && value !== null ? undefined : 'an object');
/** What the bus calls must be there: else the first message would find out. */
export const withMethods =
  (what: string, ...methods: readonly string[]): Check =>
  (value) =>
    methods.every((name) => typeof (Object(value) as Record<string, unknown>)[name] === 'function')
      ? undefined
      : `${what} with ${methods.join(', ')}`;
/** Time and timers. */
export const aClock: Check = withMethods('a clock', 'now', 'wallUs', 'setTimeout', 'clearTimeout');
/** A text that is not empty. */
export const aString: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'a non-empty string');

/** Checks the time-out of a call; it may be infinite. @throws RangeError */
export function expectTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs === 'number' && timeoutMs >= 0) return;
  throw new RangeError(`Expected \`timeoutMs\` to be a number of milliseconds from 0, got ${show(timeoutMs)}`);
}

/** Checks a count given to a call. @throws RangeError */
export function expectCount(name: string, value: unknown, least: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return;
  throw new RangeError(`Expected \`${name}\` to be an integer from ${String(least)}, got ${show(value)}`);
}

/** Checks the value of `options` itself. @throws TypeError when it is no object */
export function expectObject(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return;
  throw new TypeError(`Expected \`${name}\` to be an object, got ${show(value)}`);
}

/**
 * Makes the check of all options of one kind: none but these, each as its check wants it. `within` names the option that holds them, where they are
 * not given themselves.
 */
export function optionsCheck(checks: Readonly<Record<string, Check>>, within?: string): (options: object) => void {
  const known: ReadonlyMap<string, Check> = new Map(Object.entries(checks));
  return (options) => {
    expectObject(within ?? 'options', options);
    checkAll(options as Readonly<Record<string, unknown>>, known, within);
  };
}

/** Checks each option that is there. Allocates nothing while they are right. @throws TypeError or RangeError that says what was expected */
export function checkAll(
  options: Readonly<Record<string, unknown>>,
  checks: ReadonlyMap<string, Check>,
  within?: string,
): void {
  for (const name in options) {
    const value = options[name];
    if (value === undefined) continue;
    const check = checks.get(name);
    const whole = within === undefined ? name : `${within}.${name}`;
    if (check === undefined) throw new TypeError(unknownOption(whole, namesOf(checks, within)));
    expectOption(whole, value, check);
  }
}

/** Checks one value that has to be there. @throws TypeError or RangeError that says what was expected */
export function expectOption(name: string, value: unknown, check: Check): void {
  const expected = check(value);
  if (expected === undefined) return;
  const message = `Expected \`${name}\` to be ${expected}, got ${show(value)}`;
  throw typeof value === 'number' ? new RangeError(message) : new TypeError(message);
}

function namesOf(checks: ReadonlyMap<string, Check>, within: string | undefined): string[] {
  return Array.from(checks.keys(), (name) => (within === undefined ? name : `${within}.${name}`));
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') return typeof value;
  return inspect(value);
}
