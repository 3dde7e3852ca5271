import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { apiVersion, installCommand } from '../../src/telemetry/sdk-line.ts';

const SDK = ['@opentelemetry/sdk-node'];

test('the line that is recommended can be installed beside the API that is there, on the Node that runs', () => {
  const commands = [
    { api: '1.9.1', node: '20.19.0' },
    { api: '1.9.0', node: '24.1.0' },
    { api: '1.10.0', node: '22.15.0' },
    { api: '1.10.0-beta.1', node: '24.0.0' },
    { api: '1.11.2', node: '26.0.0-nightly' },
    { api: '2.0.0', node: '24.0.0' },
    { api: undefined, node: '24.0.0' },
    { api: '1.10.0', node: '20.19.0' },
    { api: '1.10.0', node: '22.14.1' },
  ].map((installed) => installCommand(SDK, installed));
  const [older, newer] = ['0.223', '0.301'].map((line) => `npm install @opentelemetry/sdk-node@${line}`);
  const withApi = `${String(older)} @opentelemetry/api@1.9`;
  assert.deepEqual(commands, [older, older, newer, newer, newer, newer, older, withApi, withApi]);
  assert.equal(
    installCommand(['a', 'b'], { api: '1.10.0', node: '22.15.0' }),
    'npm install a@0.301 b@0.301',
    'every package of one line',
  );
});

test('the version of the API is read from the package that it was resolved to', async () => {
  const resolved = createRequire(import.meta.url).resolve('@opentelemetry/api');
  assert.match(apiVersion(resolved) ?? '', /^1\.\d+\.\d+$/);
  const folder = await mkdtemp(path.join(tmpdir(), 'tracebus-'));
  try {
    const api = path.join(folder, 'node_modules/outer/node_modules/@opentelemetry/api');
    await mkdir(api, { recursive: true });
    const entry = path.join(api, 'build/src/index.js');
    assert.equal(apiVersion(entry), undefined, 'no package.json');
    for (const [text, version] of [
      ['{"version":"1.10.3"}', '1.10.3'],
      ['{"version":1}', undefined],
      ['{', undefined],
    ] as const) {
      await writeFile(path.join(api, 'package.json'), text);
      assert.equal(apiVersion(entry), version, text);
    }
    assert.equal(apiVersion('/srv/bundle.js'), undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});
