/** promtool, the checker that comes with Prometheus, about the alert rules and their unit tests. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promtool } from './promtool.ts';
import { timeLapse } from './time-lapse.ts';

const FOLDER = path.resolve(import.meta.dirname, '../../observability/prometheus');

test('promtool accepts the rules, as they are and in the time lapse of the tests', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-rules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const text = readFileSync(path.join(FOLDER, 'rules.yml'), 'utf8');
  writeFileSync(path.join(folder, 'rules.yml'), timeLapse(text));
  for (const cwd of [FOLDER, folder]) {
    const { code, said } = promtool(cwd, ['check', 'rules', 'rules.yml']);
    assert.equal(code, 0, said);
    assert.match(said, /SUCCESS: \d+ rules found/);
  }
});

test('the unit tests of the rules pass', () => {
  const { code, said } = promtool(FOLDER, ['test', 'rules', 'rules.test.yml']);
  assert.equal(code, 0, said);
  assert.match(said, /SUCCESS/);
});

test('the unit tests notice a rule that never fires', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-rules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const text = readFileSync(path.join(FOLDER, 'rules.yml'), 'utf8');
  writeFileSync(path.join(folder, 'rules.yml'), text.replaceAll('> 0', '> 1e9'));
  writeFileSync(path.join(folder, 'rules.test.yml'), readFileSync(path.join(FOLDER, 'rules.test.yml')));
  const { code, said } = promtool(folder, ['test', 'rules', 'rules.test.yml']);
  assert.equal(code, 1);
  assert.match(said, /exp: \{alertname="TracebusGaps"/);
});
