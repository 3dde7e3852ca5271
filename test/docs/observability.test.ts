import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { PAGE, withTables } from '../../scripts/observability-docs/page.ts';
import { ERROR_CODES } from '../../src/core/errors.ts';
import {
  ATTR,
  COUNTER_METRICS,
  DURATION_METRICS,
  GAUGE_METRICS,
  HEADER_PREFIX,
  LOG_EVENTS,
  SPAN_EVENTS,
  SPANS,
} from '../../src/core/semconv.ts';
import { dashboards } from '../backends/dashboard-queries.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const page = readFileSync(PAGE, 'utf8');

const METRICS: readonly string[] = [COUNTER_METRICS, GAUGE_METRICS, DURATION_METRICS].flatMap((table) =>
  Object.values<{ name: string }>(table).map(({ name }) => name),
);

/** The cells of the rows below a heading, up to the end of its first table, without the head. */
function rowsUnder(heading: string): string[][] {
  const lines = page.slice(page.indexOf(`\n${heading}\n`) + 1).split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const length = lines.slice(first).findIndex((line) => !line.startsWith('|'));
  const rows = lines.slice(first + 2, first + length);
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

test('the tables are what `npm run docs:observability` writes', async () => {
  assert.equal(page, await withTables(page), 'docs/observability.md has drifted: npm run docs:observability');
});

test('a changed name, a row too many and one too few are written anew', async () => {
  for (const [from, to] of [
    ['`messagebus.queue_depth`', '`messagebus.queue_deep`'],
    ['\n| `no_handler`', '\n| `nothing` | x | y |\n| `no_handler`'],
    [/\n\| `messagebus.gap` [^\n]*/, ''],
    [/\n\| `COLLECTOR_LOG_LEVEL` [^\n]*/, ''],
  ] as const) {
    const at = page.indexOf('## Spans');
    const drifted = page.slice(0, at) + page.slice(at).replace(from, to);
    assert.notEqual(drifted, page, String(from));
    assert.equal(await withTables(drifted), page, String(from));
  }
});

test('a table without a place, one with two and a place without a table are refused', async () => {
  await assert.rejects(withTables(page.replace('generated: spans', 'generated: spines')), /got spines$/);
  await assert.rejects(withTables(page.replace('generated: events', 'generated: spans')), /spans is there twice$/);
  await assert.rejects(
    withTables(page.replace(/<!-- generated: scope -->[^]*?<!-- end -->/, '')),
    /no place for scope$/,
  );
});

test('every name of the sources is on the page', () => {
  const names = [
    ...METRICS,
    ...Object.values(ATTR),
    ...Object.values(SPAN_EVENTS),
    ...Object.values(LOG_EVENTS),
    ...Object.values(HEADER_PREFIX).map((prefix) => `${prefix}<name>`),
    ...Object.values(SPANS).flatMap(({ operation }) => (operation === undefined ? [] : [operation])),
    ...Object.entries(ERROR_CODES).flatMap(([code, { type }]) => [code, type]),
  ];
  assert.ok(names.length > 100);
  assert.deepEqual(
    names.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});

test('the table of alerts has the names and severities of rules.yml, in their order', () => {
  const { groups } = parse(read('observability/prometheus/rules.yml')) as {
    groups: { rules: { alert: string; labels: { severity: string } }[] }[];
  };
  assert.deepEqual(
    rowsUnder('### Alerts').map(([name, , severity]) => [name, severity]),
    groups.flatMap(({ rules }) => rules.map(({ alert, labels }) => [`\`${alert}\``, labels.severity])),
  );
});

test('the answers to "which panel" name panels and metrics that exist', () => {
  const titles = new Set(dashboards().flatMap(({ panels }) => panels.map(({ title }) => title)));
  const rows = rowsUnder('## Which panel do I look at when ...');
  assert.ok(rows.length >= 15);
  for (const [symptom = '', panel = '', metric = '', todo = ''] of rows) {
    const named = [...`${panel} ${todo}`.matchAll(/\*\*([^*]+)\*\*/g)].map(([, title = '']) => title);
    assert.deepEqual([symptom, named.filter((title) => !titles.has(title))], [symptom, []]);
    assert.ok(panel.includes('**') || panel.startsWith('none'), symptom);
    const asked = [...metric.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    assert.ok(asked.length > 0, symptom);
    assert.deepEqual([symptom, asked.filter((name) => !METRICS.includes(name))], [symptom, []]);
  }
});

test('every metric is in an answer to "which panel"', () => {
  const answers = rowsUnder('## Which panel do I look at when ...').flat().join(' ');
  assert.deepEqual(
    METRICS.filter((name) => !answers.includes(`\`${name}\``)),
    [],
  );
});

test('the names of the dashboards are theirs', () => {
  for (const { title } of dashboards()) assert.ok(page.includes(`**${title}**`), title);
});

test('every option of trace, logs and startTelemetry is on the page', () => {
  const sources = ['src/middleware/trace-options.ts', 'src/middleware/logs.ts', 'src/telemetry/options.ts'];
  const options = sources.flatMap((file) =>
    [...read(file).matchAll(/^ {2}readonly (\w+)\??: /gm)].map(([, name = '']) => name),
  );
  assert.ok(options.length >= 15, options.join());
  assert.deepEqual(
    options.filter((name) => !new RegExp(`\`${name}[\`:]|[({] ?(?:\\w+, )*${name}\\b`).test(page)),
    [],
  );
});
