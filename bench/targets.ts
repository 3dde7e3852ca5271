/** Where tracebus must come out: ratios within one run, as data, and what became of them. */
import type { Results } from './results.ts';
import { summaryOf } from './results.ts';
import type { RowId } from './rows.ts';
import { quantile } from './statistics.ts';
import type { WorkloadId } from './workloads.ts';

export interface Target {
  readonly workload: WorkloadId;
  readonly row: RowId;
  readonly against: RowId;
  /** Messages per second, which must be at least `ratio` times the other's; or the median latency, at most. */
  readonly measure: 'rate' | 'p50';
  readonly ratio: number;
}

type TargetRow = readonly [workload: WorkloadId, row: RowId, against: RowId, measure: Target['measure'], ratio: number];

const TABLE: readonly TargetRow[] = [
  ['publish-100b', 'tracebus', 'raw', 'rate', 8],
  ['publish-100b', 'tracebus', 'nats-headers', 'rate', 3],
  ['publish-100b', '1%', 'raw', 'rate', 4],
  ['publish-100b', '1%', 'nats-headers', 'rate', 1.5],
  ['publish-100b', '100%', 'raw', 'rate', 2],
  ['publish-100b', 'signed', 'tracebus', 'rate', 0.3],
  ['publish-100b', 'encrypted', 'tracebus', 'rate', 0.2],
  ['publish-100b', 'curve', 'tracebus', 'rate', 0.7],
  ['publish-1000-topics', 'tracebus', 'raw', 'rate', 1.3],
  ['publish-1000-topics', 'order-topic', 'raw', 'rate', 3],
  ['publish-64kb', 'tracebus', 'raw', 'rate', 0.95],
  ['publish-1mib', 'tracebus', 'raw', 'rate', 0.95],
  ['push-100b', 'tracebus', 'raw', 'rate', 1],
  ['push-100b', 'pack-200', 'raw', 'rate', 4],
  ['request-100-in-flight', 'tracebus', 'dealer-router', 'rate', 3.5],
  ['request-100-in-flight', 'tracebus', 'nats-headers', 'rate', 1],
  ['request-100-in-flight', 'tracebus', 'grpc', 'rate', 1],
  ['request-100-in-flight', 'tracebus', 'moleculer', 'rate', 1],
  ['request-lock-step', 'tracebus', 'req-rep', 'p50', 1.15],
  ['idle-to-first', 'tracebus', 'raw', 'p50', 1.15],
  ['middleware', 'middleware-5', 'middleware-0', 'rate', 0.9],
  ['middleware', 'middleware-10', 'middleware-5', 'rate', 0.9],
];

export const TARGETS: readonly Target[] = TABLE.map(([workload, row, against, measure, ratio]) => ({
  workload,
  row,
  against,
  measure,
  ratio,
}));

/** How long importing an entry point may take, in milliseconds. */
export const IMPORT_LIMITS_MS: Readonly<Record<string, number>> = { 'tracebus/core': 40, tracebus: 60 };

export interface Verdict {
  readonly target: Target;
  /** Of the medians; undefined when one of the two was not measured. */
  readonly ratio: number | undefined;
  /** Of the same round: the smallest and the largest. */
  readonly ofRounds: readonly [number, number] | undefined;
  readonly isReached: boolean;
}

export function verdicts(results: Results): Verdict[] {
  return TARGETS.map((target) => {
    const find = (row: RowId) =>
      results.rows.find((one) => one.workload === target.workload && one.row === row && one.rounds.length > 0);
    const [ours, theirs] = [find(target.row), find(target.against)];
    if (ours === undefined || theirs === undefined)
      return { target, ratio: undefined, ofRounds: undefined, isReached: false };
    const isRate = target.measure === 'rate';
    const figure = (result: typeof ours): number => {
      const { rate, latency } = summaryOf(result);
      return isRate ? rate.median : (latency?.p50 ?? NaN);
    };
    const ratio = figure(ours) / figure(theirs);
    const each = ours.rounds.flatMap((round, i) => {
      const other = theirs.rounds[i];
      return other === undefined ? [] : [figure({ ...ours, rounds: [round] }) / figure({ ...theirs, rounds: [other] })];
    });
    const isReached = isRate ? ratio >= target.ratio : ratio <= target.ratio;
    return { target, ratio, ofRounds: [quantile(each, 0), quantile(each, 1)], isReached };
  });
}
