import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runNode } from '../telemetry/child.ts';

const FIXTURE = fileURLToPath(new URL('./fixtures/second-api.ts', import.meta.url));
const API = path.resolve('node_modules/@opentelemetry/api');

interface Seen {
  readonly lines: readonly string[];
  readonly isReached: boolean;
}

/** A copy of the API that says it is of another version. */
async function copyOf(t: TestContext, version: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tracebus-api-'));
  t.after(() => rm(folder, { recursive: true }));
  await cp(path.join(API, 'package.json'), path.join(folder, 'package.json'));
  await cp(path.join(API, 'build/src'), path.join(folder, 'build/src'), { recursive: true });
  const file = path.join(folder, 'build/src/version.js');
  const source = await readFile(file, 'utf8');
  const changed = source.replace(/VERSION = '[\d.]+'/, `VERSION = '${version}'`);
  await writeFile(file, changed);
  assert.match(changed, new RegExp(`VERSION = '${version.replaceAll('.', '\\.')}'`));
  return folder;
}

async function run(...args: readonly string[]): Promise<Seen> {
  const { code, stdout, stderr } = await runNode([FIXTURE, ...args]).ended;
  assert.deepEqual([code, stderr], [0, '']);
  return JSON.parse(stdout) as Seen;
}

const WARNING =
  /^\[tracebus one\] An OpenTelemetry SDK is registered with @opentelemetry\/api 1\.4\.0, but this bus has another copy .*`npm ls @opentelemetry\/api`.*`npm dedupe`/;

for (const what of ['both', 'trace', 'metrics']) {
  test(`an SDK that an older copy of the API registered (${what}) is warned about, once for all buses`, async (t) => {
    const { lines, isReached } = await run(await copyOf(t, '1.4.0'), what);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', WARNING);
    assert.equal(isReached, false, 'it is what the warning says');
  });
}

test('an SDK of another major version of the API is warned about too', async (t) => {
  const { lines, isReached } = await run(await copyOf(t, '2.0.0'));
  assert.match(lines.join('\n'), /^\[tracebus one\] .* @opentelemetry\/api 2\.0\.0/);
  assert.deepEqual([lines.length, isReached], [1, false]);
});

test('a second copy that ours can use is no reason to warn: an equal or a newer one', async (t) => {
  const { version } = JSON.parse(await readFile(path.join(API, 'package.json'), 'utf8')) as { version: string };
  for (const fitting of [version, '1.99.0']) {
    assert.deepEqual(await run(await copyOf(t, fitting)), { lines: [], isReached: true }, fitting);
  }
});

test('without an SDK nothing is warned about', async () => {
  assert.deepEqual(await run(), { lines: [], isReached: false });
});
