/** What a scenario is: something that buses do, and the telemetry that must come of it. */
import type { Particulars } from './model.ts';
import type { Stage, System } from './stage.ts';

/** The telemetry that has to be there; the checker says whether it is right. */
export interface Scenario extends Particulars {
  readonly name: string;
  /** Where it can be played. @default both */
  readonly systems?: readonly System[];
  /** Plays until it is clear what happens; the buses are closed afterwards, which waits for running handlers. */
  play(stage: Stage): Promise<void>;
  /** Each span as `KIND name`, followed by its `error.type` if it failed, sorted. */
  readonly spans: readonly string[];
  /** The names of the events on all spans, exceptions left out, sorted. @default not looked at */
  readonly events?: readonly string[];
  /** Metrics whose values, added up over their series, are these; every other counter of `TROUBLE` is 0. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Metrics whose values, added up, are at least 1: of what may happen again while nobody looks. */
  readonly repeated?: readonly string[];
  /** Series that have counted something, each as `metric attribute=value`. @default not looked at */
  readonly series?: readonly string[];
  /** Each log record as `SEVERITY event error.type`, followed by ` in KIND name` of its span, sorted. @default not looked at */
  readonly logs?: readonly string[];
  /** Of the SDK: `always_on` samples also what the parent does not. @default what the parent says, and roots always */
  readonly sampler?: 'always_on';
}

/** Counters of what went wrong or was given up. */
export const TROUBLE: readonly string[] = [
  'messagebus.errors',
  'messagebus.outbound_dropped',
  'messagebus.inbound_dropped',
  'messagebus.request_timeouts',
  'messagebus.failed_bind_count',
  'messagebus.unrouted',
  'messagebus.gaps',
  'messagebus.late_replies',
  'messagebus.retries',
  'messagebus.subscribers_left_behind',
  'messagebus.cool_downs',
  'messagebus.handshake_failures',
  'messagebus.no_handler',
  'messagebus.unverified',
];

/** `count` times the same line. */
export function times(count: number, line: string): string[] {
  return Array.from({ length: count }, () => line);
}
