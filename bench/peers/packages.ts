/** Packages that are no dependencies of the project: they lie in a folder of the benchmark's own and have no types here. */
import { createRequire } from 'node:module';
import path from 'node:path';

/** Loads one as a value of the interface that its caller declares. */
export function load<T>(folder: string, name: string): T {
  return createRequire(path.join(folder, 'package.json'))(name) as T;
}
