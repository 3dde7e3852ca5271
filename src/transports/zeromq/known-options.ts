/** Options that nobody knows are errors: a misspelt `authorized` must not be a server without one. */
import { expectObject } from '../../core/option-checks.ts';
import { unknownOption } from '../../core/option-names.ts';

/** @throws TypeError unless `options` is an object that has no other properties than these */
export function expectKnownOptions(name: string, options: unknown, known: readonly string[]): void {
  expectObject(name, options);
  for (const key of Object.keys(options as object)) {
    if (!known.includes(key)) throw new TypeError(`${unknownOption(key, known)} in \`${name}\``);
  }
}
