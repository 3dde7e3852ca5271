/** The configuration files, judged by the programs that read them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ensurePrograms } from '../../scripts/backends/programs.ts';
import type { Programs } from '../../scripts/backends/programs.ts';

let programs: Programs;
let folder: string;

before(async () => {
  programs = await ensurePrograms();
  folder = mkdtempSync(path.join(tmpdir(), 'tracebus-configurations-'));
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('the Collector accepts its configuration, with the defaults alone', () => {
  const { status, output } = run(programs.collector.path, ['validate', '--config', 'otel-collector.yaml']);
  assert.equal(status, 0, output);
});

test('the Collector would not accept a component that it does not have', () => {
  const file = path.join(folder, 'wrong.yaml');
  writeFileSync(file, readFileSync('otel-collector.yaml', 'utf8').replaceAll('span_metrics', 'span_metricks'));
  const { status, output } = run(programs.collector.path, ['validate', '--config', file]);
  assert.notEqual(status, 0);
  assert.match(output, /span_metricks/);
});

test('Jaeger accepts its configuration, with the defaults alone', () => {
  const { status, output } = run(programs.jaeger.path, ['validate', '--config', 'file:observability/jaeger.yaml']);
  assert.equal(status, 0, output);
});

test('promtool accepts the configuration of Prometheus and its rules', () => {
  const { status, output } = run(programs.promtool.path, ['check', 'config', 'observability/prometheus.yml']);
  assert.equal(status, 0, output);
  assert.match(output, /rules found/);
  assert.doesNotMatch(output, /FAILED|duplicate/);
});

test('every environment variable that a configuration reads stands in its head with the same default, and no other does', () => {
  for (const file of ['otel-collector.yaml', 'observability/jaeger.yaml']) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const read = lines
      .filter((line) => !line.startsWith('#'))
      .flatMap((line) => [...line.matchAll(/\$\{env:(\w+):-([^}]*)\}/g)])
      .map(([, name, value]) => `${String(name)}=${String(value)}`);
    const documented = lines
      .map((line) => /^# \| ([A-Z_]+) +\| (\S+) /.exec(line))
      .filter((match) => match !== null)
      .map(([, name, value]) => `${String(name)}=${value === '(none)' ? '' : String(value)}`);
    assert.deepEqual([...read].sort(), documented.sort(), file);
    assert.equal(
      lines.filter((line) => line.includes('${')).length,
      read.length,
      `${file}: a variable without a default`,
    );
  }
});

test('compose sets only variables that the configurations read, mounts files that exist, and pins every image', () => {
  const text = readFileSync('observability/compose.yaml', 'utf8');
  const configurations = ['otel-collector.yaml', 'observability/jaeger.yaml'].map((file) => readFileSync(file, 'utf8'));
  const variables = [...text.matchAll(/^ +((?:COLLECTOR|JAEGER|PROMETHEUS)_\w+):/gm)].map(([, name]) => String(name));
  assert.ok(variables.length >= 10);
  for (const name of variables)
    assert.ok(
      configurations.some((one) => one.includes(`\${env:${name}:-`)),
      name,
    );

  const images = [...text.matchAll(/^ +image: (\S+)$/gm)].map(([, image]) => String(image));
  assert.equal(images.length, 4);
  for (const image of images) assert.match(image, /:v?\d+\.\d+\.\d+$/);

  const ports = [...text.matchAll(/^ +- (\S+:\d+)$/gm)].map(([, port]) => String(port));
  assert.ok(ports.length >= 5);
  for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);

  const mounted = [...text.matchAll(/^ +- (\.\.?\/[^:]+):/gm)].map(([, file]) =>
    path.join('observability', String(file)),
  );
  assert.ok(mounted.length >= 4);
});

function run(program: string, args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}
