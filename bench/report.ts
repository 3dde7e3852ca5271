/** The results as Markdown, and where in a page they belong. */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import type { Cost } from './round.ts';
import type { Results, RowResult } from './results.ts';
import { summaryOf } from './results.ts';
import { rowOf } from './rows.ts';
import { IMPORT_LIMITS_MS, verdicts } from './targets.ts';
import { WORKLOADS, workloadOf } from './workloads.ts';
import type { WorkloadId } from './workloads.ts';

/** The sections of a page, by the name in their markers, and which workloads each shows. */
const SECTIONS: Readonly<Record<string, readonly WorkloadId[]>> = {
  bench: (Object.keys(WORKLOADS) as WorkloadId[]).filter((id) => id !== 'telemetry'),
  'bench:telemetry': ['telemetry'],
};

const NONE = '–';
const isFigure = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);

/** Three digits that count, thousands separated. */
export function figure(value: number | undefined): string {
  if (!isFigure(value)) return NONE;
  if (Math.abs(value) >= 100) return Number(value.toPrecision(3)).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

/** Where it was measured, and how. */
export function preamble({ machine, versions, commit, parameters }: Results): string {
  return `Measured on ${machine}; commit ${commit}; ${parameters}.\n\nBeside: ${versions}.`;
}

/** One workload: rates with their spread, what a message costs each side, latencies where they are measured. */
export function workloadTable(results: Results, id: WorkloadId): string {
  const rows = results.rows.filter(({ workload }) => workload === id);
  const isCall = workloadOf(id).load.pattern === 'request';
  const hasLatency = rows.some(({ rounds }) => rounds[0]?.latency !== undefined);
  const head = [
    'row',
    isCall ? 'calls/s' : 'messages/s',
    'min..max (IQR)',
    ...(isCall ? ['CPU µs ask / answer', 'heap B ask / answer'] : ['CPU µs send / receive', 'heap B send / receive']),
    ...(hasLatency ? ['p50 ms', 'p99 ms', 'p99.9 ms'] : []),
  ];
  return `#### ${workloadOf(id).title}\n\n${tableOf(
    head,
    rows.map((row) => cells(row, head.length, hasLatency)),
  )}`;
}

function cells(result: RowResult, width: number, hasLatency: boolean): string[] {
  const { label } = rowOf(result.row);
  if (result.problem !== undefined || result.rounds.length === 0) {
    return [label, `not measured: ${result.problem ?? 'no round'}`, ...Array.from({ length: width - 2 }, () => '')];
  }
  const { rate, send, receive, latency, spansDropped } = summaryOf(result);
  const both = (pick: keyof Cost): string => `${figure(send[pick])} / ${figure(receive[pick])}`;
  const dropped = spansDropped === undefined ? '' : ` (${figure(spansDropped * 100)} % of spans dropped)`;
  return [
    `${label}${dropped}`,
    figure(rate.median),
    `${figure(rate.min)}..${figure(rate.max)} (${figure(rate.q3 - rate.q1)})`,
    both('cpuUs'),
    both('heapBytes'),
    ...(hasLatency ? [latency?.p50, latency?.p99, latency?.p999].map(figure) : []),
  ];
}

/** What was to be reached, and whether it was. Empty when nothing of it was measured. */
export function targetTable(results: Results): string {
  const measured = verdicts(results).filter(({ ratio }) => ratio !== undefined);
  const rows = measured.map(({ target, ratio, ofRounds, isReached }) => [
    `${rowOf(target.row).label}: ${target.workload}, against ${rowOf(target.against).label}`,
    target.measure === 'rate' ? 'rate' : 'median latency',
    `${target.measure === 'rate' ? 'at least' : 'at most'} ${figure(target.ratio)}`,
    figure(ratio),
    `${figure(ofRounds?.[0])}..${figure(ofRounds?.[1])}`,
    isReached ? 'reached' : '**not reached**',
  ]);
  const imports = results.imports.map(({ entry, ms }) => [
    `importing \`${entry}\``,
    'ms',
    `under ${figure(IMPORT_LIMITS_MS[entry])}`,
    figure(ms.median),
    `${figure(ms.min)}..${figure(ms.max)}`,
    ms.median < (IMPORT_LIMITS_MS[entry] ?? NaN) ? 'reached' : '**not reached**',
  ]);
  if (rows.length + imports.length === 0) return '';
  return tableOf(['what', 'of', 'target', 'measured', 'min..max of rounds', ''], [...rows, ...imports]);
}

/** The whole of one section of a page; undefined when not all of its workloads were run. */
function sectionOf(results: Results, name: string): string | undefined {
  const ids = SECTIONS[name] ?? [];
  const isWhole = ids.every((id) => results.rows.some(({ workload }) => workload === id));
  if (!isWhole) return undefined;
  const targets = name === 'bench' ? [targetTable(results)] : [];
  return [preamble(results), ...targets, ...ids.map((id) => workloadTable(results, id))].join('\n\n');
}

/** Puts the sections that a run can fill between their markers, and a chart if there is one; answers their names. @throws Error when there is none */
export async function fillPage(file: string, results: Results, picture?: string): Promise<string[]> {
  const filled: string[] = [];
  for (const name of Object.keys(SECTIONS)) {
    const section = sectionOf(results, name);
    if (section === undefined) continue;
    const shown = name === 'bench' && picture !== undefined ? `![Rates by workload and row](${picture})\n\n` : '';
    await fillMarkers(file, name, shown + section);
    filled.push(name);
  }
  if (filled.length === 0)
    throw new Error('only whole sections go into a page: leave --only out, or say --only telemetry');
  return filled;
}

/** Replaces what is between `<!-- NAME:start -->` and `<!-- NAME:end -->` of a page. @throws Error when they are not there */
export async function fillMarkers(file: string, name: string, section: string): Promise<void> {
  const page = readFileSync(file, 'utf8');
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no place between ${start} and ${end}`);
  const text = `${page.slice(0, from + start.length)}\n\n${section}\n\n${page.slice(to)}`;
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), parser: 'markdown' }));
}
