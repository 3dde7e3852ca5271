/**
 * Runs the tests with node:test. Node 20's runner has no globs, so the files are collected here.
 *
 *   npm test                                 every test but test/interop and test/backends
 *   npm run test:interop                     test/interop alone; needs a Python with zmq, see find-python.ts
 *   npm run test:backends                    test/backends alone; needs Prometheus and Go, see backends/programs.ts
 *   npm test -- packet                       files whose path contains `packet`; arguments with a dash go to Node
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { ensurePrograms, listOf } from './backends/programs.ts';
import { findPython } from './find-python.ts';

/** Two files at once: many tests start processes of their own, and more would measure the machine. */
const CONCURRENCY = 2;

/** For one file. A file that never ends has left something open, and is a failure rather than a build that hangs. */
const FILE_TIMEOUT_MS = 300_000;

/** Tests that need more than Node, each kind in a folder of its own that is run by itself. */
const KINDS = ['interop', 'backends'] as const;

const words = process.argv.slice(2);
const kind = KINDS.find((name) => words.includes(`--${name}`));
const nodeOptions = words.filter((word) => word.startsWith('-') && word !== `--${String(kind)}`);
const filters = words.filter((word) => !word.startsWith('-'));

const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((file) => path.posix.join('test', file.replaceAll(path.sep, '/')))
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => KINDS.find((name) => file.startsWith(`test/${name}/`)) === kind)
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  .sort();

if (files.length === 0) {
  console.error(filters.length === 0 ? 'No test files found.' : `No test file matches ${filters.join(' or ')}.`);
  process.exit(1);
}

if (kind === 'backends') {
  // Before the tests: building may take longer than a test file may.
  const programs = await ensurePrograms();
  console.log(`Programs:\n${listOf(programs)}`);
}

const runner = spawn(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${kind === 'backends' ? 1 : CONCURRENCY}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    ...nodeOptions,
    ...files,
  ],
  { stdio: 'inherit', env: kind === 'interop' ? { ...process.env, TRACEBUS_PYTHON: findPython() } : process.env },
);
runner.on('exit', (code, signal) => {
  if (signal !== null) console.error(`The test runner was ended by ${signal}.`);
  process.exitCode = code ?? 1;
});
