/**
 * Writes the generated tables of docs/observability.md from src/core/semconv.ts, src/core/errors.ts and the heads of the back ends'
 * configurations.
 *
 *   npm run docs:observability
 *
 * A test fails when the page differs from what this would write: change the sources, not the tables.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { PAGE, withTables } from './observability-docs/page.ts';

writeFileSync(PAGE, await withTables(readFileSync(PAGE, 'utf8')));
