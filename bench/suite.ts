/** Plays the chosen rows of the chosen workloads, alternating, round after round. */
import { Outside } from './outside/needs.ts';
import type { RowResult } from './results.ts';
import { playRound } from './round.ts';
import type { Timing } from './round.ts';
import { rowOf } from './rows.ts';
import type { Need, RowId } from './rows.ts';
import { WORKLOADS, workloadOf } from './workloads.ts';
import type { WorkloadId } from './workloads.ts';

export interface Plan {
  readonly rounds: number;
  readonly timing: Timing;
  /** Parts of `workload/row`; all rows without any. */
  readonly only: readonly string[];
  readonly without: readonly Need[];
  readonly log: (line: string) => void;
}

/** The rows that a plan plays. */
export function chosen({ only, without }: Pick<Plan, 'only' | 'without'>): RowResult[] {
  const all = (Object.keys(WORKLOADS) as WorkloadId[]).flatMap((workload) =>
    workloadOf(workload).rows.map((row) => ({ workload, row, rounds: [] })),
  );
  return all.filter(({ workload, row }) => {
    const isWanted = only.length === 0 || only.some((part) => `${workload}/${row}`.includes(part));
    return isWanted && !(rowOf(row).needs ?? []).some((need) => without.includes(need));
  });
}

export async function playSuite(plan: Plan): Promise<RowResult[]> {
  const rows = chosen(plan);
  const outside = new Outside();
  try {
    for (const workload of new Set(rows.map((row) => row.workload))) {
      plan.log(`\n${workloadOf(workload).title}`);
      await playWorkload(
        rows.filter((row) => row.workload === workload),
        plan,
        outside,
      );
    }
  } finally {
    await outside.stop();
  }
  return rows;
}

async function playWorkload(rows: readonly RowResult[], plan: Plan, outside: Outside): Promise<void> {
  for (const result of rows) {
    const missing = await firstMissing(result.row, outside);
    if (missing === undefined) continue;
    result.problem = missing;
    plan.log(`  ${rowOf(result.row).label}: not measured: ${missing}`);
  }
  for (let round = 0; round < plan.rounds; round++) {
    // Every second round goes the other way round, so that no row always follows the same one.
    for (const result of round % 2 === 0 ? rows : [...rows].reverse()) {
      if (result.problem === undefined) await playRow(result, round, plan, outside);
    }
  }
}

async function firstMissing(row: RowId, outside: Outside): Promise<string | undefined> {
  for (const need of rowOf(row).needs ?? []) {
    const reason = await outside.get(need);
    if (reason !== undefined) return `${reason} (leave it out with --without ${need})`;
  }
  return undefined;
}

async function playRow(result: RowResult, round: number, plan: Plan, outside: Outside): Promise<void> {
  const row = rowOf(result.row);
  try {
    const played = await playRound(row, { ...workloadOf(result.workload).load, ...row.load }, plan.timing, outside);
    result.rounds.push(played);
    plan.log(`  round ${String(round + 1)}, ${row.label}: ${String(Math.round(played.rate))}/s`);
  } catch (error) {
    result.problem = `round ${String(round + 1)}: ${error instanceof Error ? error.message : String(error)}`;
    plan.log(`  ${row.label}: ${result.problem}`);
  }
}
