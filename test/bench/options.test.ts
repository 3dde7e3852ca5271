/** What is asked wrongly is refused before anything is measured. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import path from 'node:path';
import { runProgram } from '../../bench/outside/run-program.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

function refusal(script: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = ['--import', 'tsx', path.join(ROOT, 'bench', script), ...args];
    execFile(process.execPath, all, { cwd: ROOT, timeout: 60_000 }, (error, _stdout, stderr) => {
      if (error === null) reject(new Error(`${args.join(' ')} was accepted`));
      else resolve(stderr);
    });
  });
}

for (const [script, args, message] of [
  ['main.ts', ['--rounds', '0'], /Expected --rounds to be a number above 0, got 0/],
  ['main.ts', ['--without', 'rabbits'], /Expected --without to be one of grpc, .*, got rabbits/],
  ['main.ts', ['--only', 'nothing-is-called-this'], /no row matches nothing-is-called-this/],
  ['soak.ts', ['--minutes', 'x'], /Expected --minutes to be a number above 0, got x/],
  ['soak.ts', ['--only', 'nothing-is-called-this'], /no scene's title contains "nothing-is-called-this"/],
] as const) {
  test(`${script} ${args.join(' ')} is refused with a reason`, async () => {
    assert.match(await refusal(script, ...args), message);
  });
}

test('a program that is missing or fails says so, with the end of what it wrote', async () => {
  await assert.rejects(runProgram('tracebus-has-no-such-program', []), /tracebus-has-no-such-program is not installed/);
  const fails = ['--eval', 'console.error("this is why"); process.exit(3)'];
  await assert.rejects(runProgram(process.execPath, fails), /--eval failed \(3\): this is why/);
  assert.equal(await runProgram(process.execPath, ['--print', '1 + 1']), '2\n');
});
