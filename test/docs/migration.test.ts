/**
 * docs/migration.md keeps its word: its TypeScript compiles, every test that it names exists, and no method, key or figure of its
 * tables is without one.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { PREDECESSOR_KEYS } from '../../src/core/option-names.ts';
import { Counters } from '../../src/core/counters.ts';
import { complaints } from '../support/compile.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const page = readFileSync(path.join(ROOT, 'docs/migration.md'), 'utf8');

/** What the page takes as given in a block that imports no bus of its own. */
const GIVEN = "import type { MessageBus as Given } from 'tracebus';\ndeclare const bus: Given;\n";

/** The rows of the table under a heading, without its head. */
function rowsUnder(heading: string): string[][] {
  const section = page.split(/^#{2,3} /m).find((part) => part.startsWith(`${heading}\n`));
  const lines = (section ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const named = ['Features', 'Config keys', 'Figures'].flatMap((heading) => {
  let row = '';
  let file = '';
  return rowsUnder(heading).map(([first = '', second = '', title = '']) => {
    if (first !== '') row = first;
    if (second !== '') file = second;
    return { heading, row, file, title: title.slice(1, -1) };
  });
});

/** The titles of a test file; what a template fills in may be anything. */
function titlesIn(file: string): RegExp[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/\b(?:test|it)\(\s*(['"`])((?:(?!\1).)+)\1/g)].map(([, , title = '']) => {
    const parts = title.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.+')}$`);
  });
}

test('every test that it names exists', () => {
  assert.ok(named.length > 100, 'the tables were not read');
  const missing = named.filter(({ file, title }) => {
    const full = path.join(ROOT, 'test', `${file}.test.ts`);
    return !existsSync(full) || !titlesIn(full).some((known) => known.test(title));
  });
  assert.deepEqual(missing, []);
});

test('every method, config key and figure is there and has a test', () => {
  const tested = new Set(named.map(({ row }) => row));
  const shown = (heading: string): string[] => {
    return rowsUnder(heading).map(([cell = '']) => cell.replace(/ \(\d.*\)$| \([A-Za-z]+\)$/, ''));
  };
  const inCode = (names: readonly string[]): string[] => names.map((name) => `\`${name}\``).sort();
  assert.deepEqual(shown('Config').sort(), inCode([...Object.keys(PREDECESSOR_KEYS), 'serializer']));
  assert.deepEqual(shown('Metrics').sort(), inCode(Object.keys(new Counters().documented())));
  const all = [...shown('Methods'), ...shown('Config'), ...shown('Metrics')];
  const untested = all.filter((cell) => !tested.has(cell) && !cell.split(', ').every((part) => tested.has(part)));
  assert.deepEqual(untested, []);
});

test('its TypeScript compiles', () => {
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  assert.ok(blocks.length >= 8, 'the blocks were not read');
  const files = Object.fromEntries(
    blocks.map((block, index) => {
      const text = /const bus = /.test(block) ? block : GIVEN + block;
      return [path.join(ROOT, `migration-block-${String(index + 1)}.ts`), `${text}\nvoid bus;\nexport {};\n`];
    }),
  );
  assert.deepEqual(complaints(files), []);
});
