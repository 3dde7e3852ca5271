/** That no program is left behind by a process that dies, and that what does not start says why. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { until } from '../../scripts/backends/http.ts';
import { start } from '../../scripts/backends/running.ts';
import { startBackends } from '../../scripts/backends/start.ts';

let folder: string;

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tracebus-crash-'));
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('programs end when the process that started them is killed', async () => {
  const script = `
    import { startBackends } from './scripts/backends/start.ts';
    const { pids, folder } = await startBackends();
    console.log(JSON.stringify({ pids, folder }));
    setInterval(() => undefined, 1000);
  `;
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: parent.stdout }).once('line', resolve).once('close', reject);
  });
  const told = JSON.parse(line) as { pids: Record<string, number>; folder: string };
  const pids = Object.values(told.pids);
  assert.equal(pids.length, 3);
  assert.deepEqual(pids.map(isAlive), [true, true, true]);
  parent.kill('SIGKILL');
  await until('all three to be gone', async () => !pids.some(isAlive) || undefined, { timeoutMs: 20_000 });
  rmSync(told.folder, { recursive: true });
});

test('stop() ends every program and removes their files', async () => {
  const backends = await startBackends();
  const pids = Object.values(backends.pids);
  assert.equal(pids.every(isAlive), true);
  await backends.stop();
  assert.equal(pids.some(isAlive), false);
  assert.throws(() => mkdtempSync(path.join(backends.folder, 'x')), { code: 'ENOENT' });
});

test('a program that ends at once is an error with what it said', async () => {
  const command = { name: 'liar', path: process.execPath, folder, health: 'http://127.0.0.1:9/' };
  const args = ['-e', 'console.error("no configuration, no service"); process.exit(3)'];
  await assert.rejects(
    start({ ...command, args }, unexpected),
    /liar has ended by itself \(3\)\.\n--- liar\nno configuration, no service/,
  );
});

test('a program that does not exist is an error', async () => {
  const command = {
    name: 'nobody',
    path: path.join(folder, 'nobody'),
    folder,
    health: 'http://127.0.0.1:9/',
    args: [],
  };
  await assert.rejects(start(command, unexpected), { code: 'ENOENT' });
});

test('rules that make no sense are an error with the words of Prometheus', async () => {
  await assert.rejects(startBackends({ rulesFile: 'package.json' }), /prometheus has ended by itself[^]*rules\.yml/);
});

function unexpected(why: Error): void {
  throw why;
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}
