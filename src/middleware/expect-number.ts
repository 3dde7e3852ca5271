/** The checks of numeric options: wrong ones throw at construction, in one wording. */

/** Throws RangeError unless the value is an integer from `from` upwards. */
export function expectInteger(name: string, value: number, from: number): void {
  if (Number.isInteger(value) && value >= from) return;
  throw new RangeError(`Expected \`${name}\` to be an integer from ${String(from)}, got ${String(value)}`);
}

/** Throws RangeError unless the value is a number from 0 upwards that is not infinite. */
export function expectAmount(name: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return;
  throw new RangeError(`Expected \`${name}\` to be a number from 0, got ${String(value)}`);
}
