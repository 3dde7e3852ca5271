import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const FIXTURE = fileURLToPath(new URL('./fixtures/unobserved.ts', import.meta.url));

function run(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return promisify(execFile)(process.execPath, ['--import', 'tsx', FIXTURE, ...args], { timeout: 60_000 });
}

test('no rejection that nobody looks at ends the process, whatever fails, and each is counted', async () => {
  const { stdout, stderr } = await run();
  const [, errors] = /^alive (\d+)$/.exec(stdout.trim()) ?? assert.fail(`${stdout}\n${stderr}`);
  assert.ok(Number(errors) >= 20, stdout);
  assert.equal(stderr, '');
});

test('a rejection that the bus has nothing to do with still ends the process, so this test can fail', async () => {
  await assert.rejects(run('control'), /nobody looks/);
});
