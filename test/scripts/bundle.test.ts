/** scripts/bundle.ts beside a process that may be importing what it replaces: a folder of its own, the real sources. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '../..');

async function bundle(folder: string, checkout = ROOT): Promise<void> {
  const script = path.join(checkout, 'scripts/bundle.ts');
  await promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), script, folder], {
    timeout: 60_000,
  });
}

/** What the build needs of this checkout, copied. */
function checkoutIn(folder: string): string {
  for (const name of ['src', 'scripts/bundle.ts', 'package.json'])
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-bundle-'));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** The files of a folder with the inode of each: a file that was written anew has another. */
function filesOf(folder: string): Map<string, number> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name));
  return new Map(names.sort().map((name) => [name, statSync(path.join(folder, name)).ino]));
}

test('bundle replaces what has changed, leaves the rest alone and removes what a build before has left', async (t) => {
  const folder = temporary(t);
  const at = (name: string): string => path.join(folder, name);
  await bundle(folder);
  const before = filesOf(folder);
  for (const entry of ['index.js', 'core/index.js', 'telemetry/register.js', 'cli/main.js', 'index.js.map'])
    assert.ok(before.has(entry), entry);

  mkdirSync(at('core/old'));
  for (const name of ['chunks/OLD.js', 'chunks/OLD.js.map', 'core/old/bus.js']) writeFileSync(at(name), 'old');
  writeFileSync(at('core/index.d.ts'), 'export {};');
  writeFileSync(at('index.js'), 'changed');
  await bundle(folder);

  const now = filesOf(folder);
  assert.ok(existsSync(at('core/index.d.ts')), 'the types are not its own');
  now.delete('core/index.d.ts');
  assert.deepEqual([...now.keys()], [...before.keys()]);
  const written = [...now].filter(([name, inode]) => before.get(name) !== inode).map(([name]) => name);
  assert.deepEqual(written, ['index.js']);
  assert.notEqual(statSync(at('index.js')).size, 'changed'.length);
});

test('bundle leaves the entry points alone until the chunks that they import are there', async (t) => {
  const folder = temporary(t);
  writeFileSync(path.join(folder, 'index.js'), 'old');
  symlinkSync('nowhere', path.join(folder, 'chunks')); // in the way of the chunks
  await assert.rejects(bundle(folder), /ENOENT|EEXIST/);
  assert.deepEqual(readdirSync(folder), ['chunks', 'index.js']);
  assert.equal(readFileSync(path.join(folder, 'index.js'), 'utf8'), 'old');
});

test('two builds at once do not trip over each other', async (t) => {
  const folder = temporary(t);
  mkdirSync(path.join(folder, 'old'));
  for (let index = 0; index < 5000; index++) writeFileSync(path.join(folder, `old/${String(index)}.js`), 'old');
  await Promise.all([bundle(folder), bundle(folder)]);
  assert.deepEqual(readdirSync(path.join(folder, 'old')), []);
  assert.ok(existsSync(path.join(folder, 'index.js')));
});

test('bundle makes the same of the same sources in every folder, and its maps show them as they are', async (t) => {
  const checkouts = [checkoutIn(temporary(t)), checkoutIn(path.join(temporary(t), 'elsewhere'))];
  const [here = '', there = ''] = checkouts.map((checkout) => path.join(checkout, 'dist'));
  await Promise.all([bundle(here, checkouts[0]), bundle(there, checkouts[1])]);
  const names = [...filesOf(here).keys()];
  assert.deepEqual([...filesOf(there).keys()], names);
  for (const name of names) {
    const text = readFileSync(path.join(here, name), 'utf8');
    assert.equal(readFileSync(path.join(there, name), 'utf8'), text, name);
    if (!name.endsWith('.map')) continue;
    const { sources, sourcesContent } = JSON.parse(text) as { sources: string[]; sourcesContent: string[] };
    for (const [index, source] of sources.entries()) {
      const file = path.resolve(here, path.dirname(name), source);
      assert.equal(sourcesContent[index], readFileSync(file, 'utf8'), `${name}: ${source}`);
    }
  }
});
