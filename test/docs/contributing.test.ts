/** CONTRIBUTING.md gives a reason for each dependency, and names no command that there is not. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const page = read('CONTRIBUTING.md');

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(read('package.json')) as Manifest;

/** The names in the first column of the table with this head. */
function named(head: string): string[] {
  const table = page.split('\n\n').find((part) => part.startsWith(`| ${head} `)) ?? '';
  const cells = table.split('\n').map((line) => line.split('|')[1] ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)).sort();
}

test('every dependency has a line that says why, and no line is about one that is not there', () => {
  const { dependencies, peerDependencies, devDependencies } = manifest;
  assert.deepEqual(named('runtime'), Object.keys({ ...dependencies, ...peerDependencies }).sort());
  assert.deepEqual(named('development'), Object.keys(devDependencies).sort());
});

test('every npm script that CONTRIBUTING.md and the READMEs name is there', () => {
  const text = page + read('README.md') + read('README.zh-CN.md');
  const scripts = [...text.matchAll(/npm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name);
  assert.ok(scripts.includes('check') && scripts.includes('observability'));
  assert.deepEqual(
    scripts.filter((name) => !Object.hasOwn(manifest.scripts, name)),
    [],
  );
});
