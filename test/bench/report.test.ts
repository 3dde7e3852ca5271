/** What becomes of results: tables, the verdict on targets, a page, a chart. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { chartOf } from '../../bench/chart.ts';
import { benchFolder } from '../../bench/outside/folder.ts';
import { figure, fillMarkers, fillPage, targetTable, workloadTable } from '../../bench/report.ts';
import type { Results, RowResult } from '../../bench/results.ts';
import type { Round } from '../../bench/round.ts';
import type { RowId } from '../../bench/rows.ts';
import { verdicts } from '../../bench/targets.ts';
import { WORKLOADS, workloadOf } from '../../bench/workloads.ts';
import type { WorkloadId } from '../../bench/workloads.ts';

const round = (rate: number, more: Partial<Round> = {}): Round => ({
  ...{ rate, count: 1000, send: { cpuUs: 1.234, heapBytes: 2345 }, receive: { cpuUs: 2, heapBytes: NaN } },
  ...more,
});

const rowsOf = (id: WorkloadId, ...rates: readonly number[]): RowResult[] =>
  workloadOf(id).rows.map((row: RowId) => ({ workload: id, row, rounds: rates.map((rate) => round(rate)) }));

const resultsOf = (...rows: RowResult[]): Results => ({
  ...{ machine: 'a machine', versions: 'nats 1', commit: 'abc', parameters: 'two rounds' },
  rows,
  imports: [],
});

const everything = (): Results =>
  resultsOf(...(Object.keys(WORKLOADS) as WorkloadId[]).flatMap((id) => rowsOf(id, 100, 200)));

test('figures have three digits that count', () => {
  assert.deepEqual([123_456, 99.94, 1.005, 0.012_345, 0, NaN, undefined].map(figure), [
    '123,000',
    '99.9',
    '1',
    '0.0123',
    '0',
    '–',
    '–',
  ]);
});

test('a row shows its median, its spread and what both sides spend; one that failed shows why', () => {
  const [raw, ...others] = rowsOf('push-100b', 100, 300, 200);
  const [last] = others;
  last!.problem = 'round 1: 9 of 10 messages arrived';
  const table = workloadTable(resultsOf(raw!, last!), 'push-100b');
  assert.match(table, /\| libzmq in C \| 200 \| 100\.\.300 \(100\) \| 1\.23 \/ 2 \| 2,350 \/ – \|/);
  assert.match(table, /\| zeromq\.js, same work \| not measured: round 1: 9 of 10 messages arrived \|/);
});

test('a target is reached or not by the ratio of the medians, whichever way it has to point', () => {
  const latency = { p90: 1, p99: 1, p999: 1, max: 1 };
  const results = resultsOf(
    { workload: 'push-100b', row: 'raw', rounds: [round(100), round(100)] },
    { workload: 'push-100b', row: 'tracebus', rounds: [round(90), round(130)] },
    { workload: 'push-100b', row: 'pack-200', rounds: [round(390), round(390)] },
    { workload: 'idle-to-first', row: 'raw', rounds: [round(1, { latency: { p50: 1, ...latency } })] },
    { workload: 'idle-to-first', row: 'tracebus', rounds: [round(1, { latency: { p50: 1.2, ...latency } })] },
  );
  const measured = verdicts(results).filter(({ ratio }) => ratio !== undefined);
  assert.deepEqual(
    measured.map(({ target, ratio, ofRounds, isReached }) => [target.row, ratio, ofRounds, isReached]),
    [
      ['tracebus', 1.1, [0.9, 1.3], true],
      ['pack-200', 3.9, [3.9, 3.9], false],
      ['tracebus', 1.2, [1.2, 1.2], false],
    ],
  );
  const table = targetTable({
    ...results,
    imports: [{ entry: 'tracebus', ms: { median: 61, min: 60, max: 62, q1: 60, q3: 62 } }],
  });
  assert.match(
    table,
    /tracebus: push-100b, against zeromq.js, same work \| rate \| at least 1 \| 1\.1 \| .* \| reached \|/,
  );
  assert.match(table, /importing `tracebus` \| ms \| under 60 \| 61 \| 60\.\.62 \| \*\*not reached\*\* \|/);
  assert.equal(targetTable(resultsOf()), '');
});

function page(t: TestContext, text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tracebus-report-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'page.md');
  writeFileSync(file, text);
  return file;
}

const PLACES = ['bench', 'bench:telemetry'].map((name) => `<!-- ${name}:start -->\n\nold\n\n<!-- ${name}:end -->\n`);

test('a whole run fills every place of a page and leaves the rest alone', async (t) => {
  const file = page(t, `# Page\n\n${PLACES.join('\nbetween\n\n')}\nend\n`);
  assert.deepEqual(await fillPage(file, everything(), 'performance.svg'), ['bench', 'bench:telemetry']);
  const text = readFileSync(file, 'utf8');
  assert.doesNotMatch(text, /old/);
  for (const kept of ['# Page', 'between', 'end\n', 'a machine', '![Rates by workload and row](performance.svg)'])
    assert.ok(text.includes(kept), kept);
  for (const id of Object.keys(WORKLOADS) as WorkloadId[]) assert.ok(text.includes(workloadOf(id).title), id);
  await fillPage(file, everything(), 'performance.svg');
  assert.equal(readFileSync(file, 'utf8'), text); // also when it is filled again
});

test('a part of a run fills only what it has measured in full', async (t) => {
  const file = page(t, PLACES.join('\n'));
  assert.deepEqual(await fillPage(file, resultsOf(...rowsOf('telemetry', 1))), ['bench:telemetry']);
  assert.match(readFileSync(file, 'utf8'), /old/);
  await assert.rejects(fillPage(file, resultsOf(...rowsOf('middleware', 1))), /only whole sections/);
});

test('a page without the place is an error', async (t) => {
  await assert.rejects(fillMarkers(page(t, 'nothing'), 'bench', 'x'), /has no place between <!-- bench:start -->/);
});

test('the page on performance has every place that is filled', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/performance.md'), 'utf8');
  for (const name of ['bench', 'bench:telemetry', 'bench:soak']) {
    assert.ok(text.indexOf(`<!-- ${name}:end -->`) > text.indexOf(`<!-- ${name}:start -->`), name);
  }
});

test('the chart is small, escaped, as long as the rates say, and follows a dark page', () => {
  const results = resultsOf(
    { workload: 'push-100b', row: 'raw', rounds: [round(50)] },
    { workload: 'push-100b', row: 'tracebus', rounds: [round(100)] },
    { workload: 'push-100b', row: 'pack-200', rounds: [], problem: 'no <reason>' },
  );
  const svg = chartOf(results);
  assert.deepEqual(
    [...svg.matchAll(/<rect class="(\w)" [^>]*width="(\d+)"/g)].map(([, kind, width]) => [kind, Number(width)]),
    [
      ['b', 160],
      ['o', 320],
    ],
  );
  assert.match(svg, /prefers-color-scheme:dark/);
  assert.ok(chartOf(everything()).length < 15_000);
});

test('what is installed lies in the cache folder of the user, under a name that changes with what it holds', () => {
  assert.match(benchFolder({ XDG_CACHE_HOME: '/cache' }), /^\/cache\/tracebus\/bench-[0-9a-f]{16}$/);
  assert.match(benchFolder({ XDG_CACHE_HOME: '' }), /\.cache\/tracebus\/bench-[0-9a-f]{16}$/);
});
