/** The workloads: what is asked, and of which rows. All rows of a workload alternate within each round, so their ratios are of one run. */
import type { Load } from './load.ts';
import type { RowId } from './rows.ts';

export interface Workload {
  readonly title: string;
  readonly load: Load;
  readonly rows: readonly RowId[];
}

const LOAD: Load = {
  pattern: 'publish',
  body: 'json',
  bytes: 100,
  topics: 1,
  run: 0,
  receivers: 1,
  inFlight: 1,
  idleMs: 0,
};

const large = (bytes: number): Load => ({ ...LOAD, body: 'bytes', bytes });

export const WORKLOADS = {
  'publish-100b': {
    title: 'publish/subscribe, 100 B JSON, one topic',
    load: LOAD,
    rows: [
      ...(['libzmq', 'raw', 'raw-one-frame', 'nats', 'nats-headers', 'redis', 'tracebus'] as const),
      ...(['not-sampled', '1%', '100%', '100%-otlp', 'signed', 'encrypted', 'curve'] as const),
    ],
  },
  'publish-1kb': {
    title: 'publish/subscribe, 1 KB JSON, one topic',
    load: { ...LOAD, bytes: 1024 },
    rows: ['libzmq', 'raw', 'nats-headers', 'redis', 'tracebus'],
  },
  'publish-64kb': {
    title: 'publish/subscribe, 64 KB of bytes, one topic',
    load: large(65_536),
    rows: ['libzmq', 'raw', 'nats-headers', 'tracebus'],
  },
  'publish-1mib': {
    title: 'publish/subscribe, 1 MiB of bytes, one topic',
    load: large(1_048_576),
    rows: ['libzmq', 'raw', 'nats-headers', 'tracebus'],
  },
  'publish-1000-topics': {
    title: 'publish/subscribe, 100 B JSON, 1,000 topics at random',
    load: { ...LOAD, topics: 1000 },
    rows: ['raw', 'nats-headers', 'redis', 'tracebus', 'order-topic'],
  },
  'publish-10-subscribers': {
    title: 'publish/subscribe, 100 B JSON, one topic, 10 subscriber processes',
    load: { ...LOAD, receivers: 10 },
    rows: ['raw', 'nats-headers', 'tracebus'],
  },
  'push-100b': {
    title: 'push/pull, 100 B JSON',
    load: { ...LOAD, pattern: 'push' },
    rows: ['libzmq', 'raw', 'tracebus', 'pack-200'],
  },
  'request-100-in-flight': {
    title: 'request/respond, 100 B JSON, 100 in flight',
    load: { ...LOAD, pattern: 'request', inFlight: 100 },
    rows: ['dealer-router', 'nats-headers', 'moleculer', 'grpc', 'tracebus', '1%'],
  },
  'request-lock-step': {
    title: 'request/respond, 100 B JSON, one at a time',
    load: { ...LOAD, pattern: 'request' },
    rows: ['req-rep', 'dealer-router', 'nats-headers', 'moleculer', 'grpc', 'tracebus'],
  },
  'idle-to-first': {
    title: 'publish/subscribe, 100 B JSON, one message after 10 ms of silence',
    load: { ...LOAD, idleMs: 10 },
    rows: ['raw', 'nats-headers', 'redis', 'tracebus'],
  },
  middleware: {
    title: 'cost of pass-through middleware, publish/subscribe, 100 B JSON',
    load: LOAD,
    rows: ['middleware-0', 'middleware-5', 'middleware-10'],
  },
  'many-topics': {
    title: 'cost of topics, publish/subscribe, 100 B JSON, 200 of one topic in a row',
    load: { ...LOAD, run: 200 },
    rows: ['topics-1', 'topics-10', 'topics-100', 'topics-1000'],
  },
  'many-subscriptions': {
    title: 'cost of subscriptions, of which one matches, publish/subscribe, 100 B JSON',
    load: LOAD,
    rows: ['subscriptions-1', 'subscriptions-10', 'subscriptions-100'],
  },
  'many-in-flight': {
    title: 'cost of requests in flight, 100 B JSON',
    load: { ...LOAD, pattern: 'request' },
    rows: ['in-flight-1', 'in-flight-10', 'in-flight-100', 'in-flight-1000'],
  },
  telemetry: {
    title: "cost of telemetry, publish/subscribe, 100 B JSON; durations in the bus's own buckets unless said otherwise",
    load: LOAD,
    rows: [
      ...(['tracebus', 'not-sampled-off', 'not-sampled', 'not-sampled-record', '1%-off', '1%', '1%-record'] as const),
      ...(['100%-off', '100%', '100%-record'] as const),
    ],
  },
} as const satisfies Record<string, Workload>;

export type WorkloadId = keyof typeof WORKLOADS;

export function workloadOf(id: WorkloadId): Workload {
  return WORKLOADS[id];
}
