/**
 * `npm run bench`: tracebus beside what it stands on and what else could carry the messages. Every row does the same work in processes of
 * its own; the rows of a workload alternate; what counts are ratios within one run.
 *
 *   --rounds N        rounds per row (5)             --quick          one short round: to see that it works, not for figures
 *   --seconds N       length of a round (1)          --warm-up N      and before it, in seconds (1)
 *   --only PART       rows whose `workload/row` contains it; may be repeated; `import` for the import times
 *   --without NEED    leaves out rows that need grpc, libzmq, moleculer, nats, otlp-sink or redis; may be repeated
 *   --json FILE       everything that was measured   --svg FILE       a chart
 *   --markdown FILE   fills the places of the benchmark in a page
 *
 * Ends with 1 when a row could not be measured or lost a message, not when a target was missed.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chartOf } from './chart.ts';
import { importTimes } from './import-time.ts';
import { commit, machine, versions } from './machine.ts';
import { fillPage, preamble, targetTable, workloadTable } from './report.ts';
import type { Results } from './results.ts';
import { NEEDS } from './rows.ts';
import type { Need } from './rows.ts';
import { chosen, playSuite } from './suite.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'warm-up': { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    without: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    markdown: { type: 'string' },
    svg: { type: 'string' },
  },
});

const IMPORT_STARTS = 15;

function positive(name: 'rounds' | 'seconds' | 'warm-up', whenQuick: number, normally: number): number {
  const value = Number(values[name] ?? (values.quick ? whenQuick : normally));
  if (value > 0) return value;
  throw new RangeError(`Expected --${name} to be a number above 0, got ${String(values[name])}`);
}

function needs(): Need[] {
  return values.without.map((name) => {
    const need = NEEDS.find((one) => one === name);
    if (need === undefined) throw new RangeError(`Expected --without to be one of ${NEEDS.join(', ')}, got ${name}`);
    return need;
  });
}

const rounds = Math.ceil(positive('rounds', 1, 5));
const [seconds, warmUp] = [positive('seconds', 0.3, 1), positive('warm-up', 0.3, 1)];
const plan = {
  rounds,
  timing: { runMs: seconds * 1000, warmUpMs: warmUp * 1000 },
  only: values.only,
  without: needs(),
  log: (line: string) => console.log(line),
};
const isImportWanted = values.only.length === 0 || values.only.some((part) => 'import'.includes(part));
if (chosen(plan).length === 0 && !isImportWanted) throw new RangeError(`no row matches ${values.only.join(' or ')}`);

const about = {
  machine: machine(),
  versions: versions(),
  commit: commit(),
  parameters: `${String(rounds)} alternating rounds of ${String(seconds)} s after ${String(warmUp)} s of warm-up, medians`,
};
console.log(Object.values(about).join('\n'));
const rows = await playSuite(plan);
const imports = isImportWanted ? await importTimes(values.quick ? 3 : IMPORT_STARTS) : [];
const results: Results = { ...about, rows, imports };

console.log(`\n${preamble(results)}`);
for (const id of new Set(rows.map(({ workload }) => workload))) console.log(`\n${workloadTable(results, id)}`);
console.log(`\n${targetTable(results)}`);

if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
if (values.svg !== undefined) writeFileSync(values.svg, chartOf(results));
if (values.markdown !== undefined) {
  const { markdown, svg } = values;
  const picture = svg === undefined ? undefined : path.relative(path.dirname(markdown), svg).replaceAll(path.sep, '/');
  console.log(`filled: ${(await fillPage(markdown, results, picture)).join(', ')}`);
}
const problems = rows.filter(({ problem }) => problem !== undefined);
for (const { workload, row, problem } of problems) console.error(`${workload}/${row}: ${problem ?? ''}`);
if (problems.length > 0) process.exitCode = 1;
