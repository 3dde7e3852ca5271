/** scripts/bundle.ts beside a process that may be importing what it replaces: a folder of its own, the real sources. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const SCRIPT = path.resolve(import.meta.dirname, '../../scripts/bundle.ts');

async function bundle(folder: string): Promise<void> {
  await promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), SCRIPT, folder], {
    timeout: 60_000,
  });
}

/** The files of a folder with the inode of each: a file that was written anew has another. */
function filesOf(folder: string): Map<string, number> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name));
  return new Map(names.sort().map((name) => [name, statSync(path.join(folder, name)).ino]));
}

test('bundle replaces what has changed, leaves the rest alone and removes what a build before has left', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-bundle-'));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
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
