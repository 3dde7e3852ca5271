/** The page with its tables: what stands between `<!-- generated: name -->` and `<!-- end -->` is replaced, the rest is kept. */
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { TABLES } from './tables.ts';

/** docs/observability.md. */
export const PAGE: string = path.resolve(import.meta.dirname, '../../docs/observability.md');

const BLOCK = /<!-- generated: ([\w-]+) -->\n[^]*?<!-- end -->/g;

/**
 * The text with every table written anew, formatted like the rest of the project.
 *
 * @throws Error for a marker without a table, and for a table that has no place or several
 */
export async function withTables(text: string): Promise<string> {
  const left = new Set(Object.keys(TABLES));
  const replaced = text.replace(BLOCK, (_, name: string) => {
    const table = TABLES[name];
    if (table === undefined) throw new Error(`Expected one of ${Object.keys(TABLES).join(', ')}, got ${name}`);
    if (!left.delete(name)) throw new Error(`The table ${name} is there twice`);
    return `<!-- generated: ${name} -->\n\n${table()}\n\n<!-- end -->`;
  });
  if (left.size > 0) throw new Error(`There is no place for ${[...left].join(', ')}`);
  return format(replaced, { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}
