/** How long importing an entry point takes: medians over processes that do nothing else, as a service that starts feels it. */
import path from 'node:path';
import type { ImportTime } from './results.ts';
import { runProgram } from './outside/run-program.ts';
import { spread } from './statistics.ts';
import { IMPORT_LIMITS_MS } from './targets.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

export async function importTimes(starts: number): Promise<ImportTime[]> {
  const entries = Object.keys(IMPORT_LIMITS_MS);
  const times = new Map<string, number[]>(entries.map((entry) => [entry, []]));
  for (let i = 0; i < starts; i++) for (const entry of entries) times.get(entry)?.push(await importTime(entry));
  return [...times].map(([entry, ms]) => ({ entry, ms: spread(ms) }));
}

async function importTime(entry: string): Promise<number> {
  const script = `const t = performance.now(); await import('${entry}'); console.log(performance.now() - t); process.exit()`;
  return Number(await runProgram(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT }));
}
