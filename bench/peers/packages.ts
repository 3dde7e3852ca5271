/** Packages that are no dependencies of the project: they lie in a folder of the benchmark's own, and callers declare what they use of them. */
import { createRequire } from 'node:module';
import path from 'node:path';

/** Loads one from the folder. */
export function load(folder: string, name: string): unknown {
  return createRequire(path.join(folder, 'package.json'))(name);
}
