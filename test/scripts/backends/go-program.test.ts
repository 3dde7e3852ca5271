import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ensureGoProgram } from '../../../scripts/backends/go-program.ts';
import type { GoProgram, Installed } from '../../../scripts/backends/go-program.ts';

let folder: string;
let program: GoProgram;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tracebus-go-'));
  for (const name of ['module', 'bin', 'cache']) mkdirSync(path.join(folder, name));
  writeFileSync(
    path.join(folder, 'module/go.mod'),
    'module x\n\ngo 1.26\n\nrequire (\n\texample.org/thing v1.2.3\n)\n',
  );
  writeFileSync(path.join(folder, 'module/go.sum'), 'sums\n');
  program = { name: 'thing', folder: path.join(folder, 'module'), package: '.', module: 'example.org/thing' };
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A `go` that says it is of a version, and whose build does what the shell is told; `$out` is the file to be made. */
function installGo(version: string, build = 'echo built > "$out"'): void {
  const lines = ['#!/bin/sh', `if [ "$1" = version ]; then echo "go version go${version} linux/amd64"; exit; fi`];
  lines.push(`echo "$@" >> '${path.join(folder, 'calls')}'`, 'out=$5', build);
  const file = path.join(folder, 'bin/go');
  writeFileSync(file, lines.join('\n'));
  chmodSync(file, 0o755);
}

function ensure(log: string[] = []): Promise<Installed> {
  const env = { PATH: `${path.join(folder, 'bin')}:/bin:/usr/bin`, XDG_CACHE_HOME: path.join(folder, 'cache') };
  return ensureGoProgram(program, { env, log: (line) => log.push(line) });
}

function cached(): string[] {
  return readdirSync(path.join(folder, 'cache'), { recursive: true, encoding: 'utf8' }).map((name) =>
    name.replace(/-[0-9a-f]{16}/, '-HASH'),
  );
}

test('a program is built once, into the cache, under its name, version and the hash of what it is made from', async () => {
  installGo('1.26.8');
  const log: string[] = [];
  const first = await ensure(log);
  assert.deepEqual(await ensure(log), first);
  assert.equal(first.version, '1.2.3');
  assert.equal(readFileSync(first.path, 'utf8'), 'built\n');
  assert.deepEqual(cached().sort(), ['tracebus', 'tracebus/thing-1.2.3-HASH', 'tracebus/thing-1.2.3-HASH/thing']);
  assert.equal(readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n').length, 1);
  assert.equal(log.length, 1);
});

test('other sums are another program', async () => {
  installGo('1.26.8');
  const first = await ensure();
  writeFileSync(path.join(folder, 'module/go.sum'), 'other sums\n');
  assert.notEqual((await ensure()).path, first.path);
});

test('a build that fails leaves nothing behind that could be taken for a program, and says what the compiler said', async () => {
  installGo('1.26.8', 'echo half > "$out"; echo "undefined: main" >&2; exit 1');
  await assert.rejects(ensure(), /`go build` of thing ended with 1:\nundefined: main/);
  assert.deepEqual(cached().sort(), ['tracebus', 'tracebus/thing-1.2.3-HASH']);
  installGo('1.26.8');
  assert.equal(readFileSync((await ensure()).path, 'utf8'), 'built\n');
});

test('two that build at the same time do not disturb each other', async () => {
  installGo('1.26.8', 'sleep 0.2; echo built > "$out"');
  const [one, other] = await Promise.all([ensure(), ensure()]);
  assert.deepEqual(one, other);
  assert.equal(readFileSync(one.path, 'utf8'), 'built\n');
});

test('a Go that cannot fetch newer ones is an error that says what to install', async () => {
  installGo('1.19.8');
  await assert.rejects(ensure(), /Building thing takes Go 1\.21 or newer, found 1\.19\.8\. Install it .*compose/);
});

test('no Go is an error that says what to install, and that containers are the other way', async () => {
  const env = { PATH: path.join(folder, 'bin'), XDG_CACHE_HOME: path.join(folder, 'cache') };
  await assert.rejects(
    ensureGoProgram(program, { env, go: ['go', path.join(folder, 'go')] }),
    /Building thing takes Go, and there is no `go` on the PATH\. Install it from .*golang-go.* docker compose/,
  );
});

test('a module that go.mod does not require is an error', async () => {
  installGo('1.26.8');
  program = { ...program, module: 'example.org/other' };
  await assert.rejects(ensure(), /go\.mod to require example\.org\/other/);
});
