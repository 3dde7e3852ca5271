/** The results of a run, and their medians. */
import type { Percentiles } from './histogram.ts';
import type { Cost, Round } from './round.ts';
import type { RowId } from './rows.ts';
import { median, spread } from './statistics.ts';
import type { Spread } from './statistics.ts';
import type { WorkloadId } from './workloads.ts';

/** One row of one workload. */
export interface RowResult {
  readonly workload: WorkloadId;
  readonly row: RowId;
  readonly rounds: Round[];
  /** Why it could not be measured, or what went wrong. */
  problem?: string;
}

export interface ImportTime {
  readonly entry: string;
  readonly ms: Spread;
}

/** What a run measured, and on what; written as JSON. */
export interface Results {
  readonly machine: string;
  readonly versions: string;
  readonly commit: string;
  readonly parameters: string;
  readonly rows: readonly RowResult[];
  readonly imports: readonly ImportTime[];
}

/** The medians of the rounds of a row. */
export interface Summary {
  readonly rate: Spread;
  readonly send: Cost;
  readonly receive: Cost;
  readonly latency: Percentiles | undefined;
  readonly spansDropped: number | undefined;
}

export function summaryOf({ rounds }: Pick<RowResult, 'rounds'>): Summary {
  const middle = (pick: (round: Round) => number | undefined): number => median(rounds.map((one) => pick(one) ?? NaN));
  const cost = (side: 'send' | 'receive'): Cost => ({
    cpuUs: middle((round) => round[side].cpuUs),
    heapBytes: middle((round) => round[side].heapBytes),
  });
  const latency = (pick: keyof Percentiles): number => middle((round) => round.latency?.[pick]);
  return {
    rate: spread(rounds.map(({ rate }) => rate)),
    send: cost('send'),
    receive: cost('receive'),
    latency:
      rounds[0]?.latency === undefined
        ? undefined
        : {
            p50: latency('p50'),
            p90: latency('p90'),
            p99: latency('p99'),
            p999: latency('p999'),
            max: latency('max'),
          },
    spansDropped: rounds[0]?.spansDropped === undefined ? undefined : middle((round) => round.spansDropped),
  };
}
