/** The rows of the benchmark: systems and their variants, as data. A workload says which of them it has. */
import type { Load, Variant } from './load.ts';

/** What a row needs beyond the project. `--without NEED` leaves such rows out. */
export type Need = 'grpc' | 'libzmq' | 'moleculer' | 'nats' | 'otlp-sink' | 'redis';

export const NEEDS: readonly Need[] = ['grpc', 'libzmq', 'moleculer', 'nats', 'otlp-sink', 'redis'];

export interface Row {
  readonly label: string;
  /** A file of peers/systems, or `libzmq`, the C program. */
  readonly system: string;
  readonly variant?: Variant;
  readonly needs?: readonly Need[];
  /** What it asks differently from its workload. */
  readonly load?: Partial<Load>;
}

const tracebus = (label: string, variant: Variant = {}, more: Partial<Row> = {}): Row => ({
  label: `tracebus${label === '' ? '' : `, ${label}`}`,
  system: 'tracebus',
  variant,
  ...more,
});

const sink: Partial<Row> = { needs: ['otlp-sink'] };

export const ROWS = {
  raw: { label: 'zeromq.js, same work', system: 'raw-zeromq', variant: { frames: 3 } },
  'raw-one-frame': { label: 'zeromq.js, one frame (less work)', system: 'raw-zeromq', variant: { frames: 1 } },
  libzmq: { label: 'libzmq in C', system: 'libzmq', needs: ['libzmq'] },
  'req-rep': { label: 'zeromq.js, REQ/REP', system: 'raw-zeromq', variant: { sockets: 'req-rep' } },
  'dealer-router': { label: 'zeromq.js, DEALER/ROUTER', system: 'raw-zeromq', variant: { sockets: 'dealer-router' } },
  nats: { label: 'NATS core, no headers', system: 'nats', variant: { headers: false }, needs: ['nats'] },
  'nats-headers': { label: 'NATS core, headers', system: 'nats', variant: { headers: true }, needs: ['nats'] },
  redis: { label: 'Redis pub/sub, no headers', system: 'redis', needs: ['redis'] },
  moleculer: { label: 'Moleculer, TCP', system: 'moleculer', needs: ['moleculer'] },
  grpc: { label: 'gRPC', system: 'grpc', needs: ['grpc'] },

  tracebus: tracebus(''),
  'not-sampled': tracebus('SDK, not sampled', { telemetry: 'not-sampled' }),
  'not-sampled-off': tracebus('SDK, not sampled, no durations', { telemetry: 'not-sampled', durations: 'off' }),
  'not-sampled-record': tracebus('SDK, not sampled, durations by histogram.record', {
    telemetry: 'not-sampled',
    durations: 'record',
  }),
  '1%': tracebus('SDK, 1 % sampled', { telemetry: '1%' }),
  '1%-off': tracebus('SDK, 1 % sampled, no durations', { telemetry: '1%', durations: 'off' }),
  '1%-record': tracebus('SDK, 1 % sampled, durations by histogram.record', {
    telemetry: '1%',
    durations: 'record',
  }),
  '100%': tracebus('SDK, 100 % sampled, null exporter', { telemetry: '100%' }),
  '100%-off': tracebus('SDK, 100 % sampled, null exporter, no durations', { telemetry: '100%', durations: 'off' }),
  '100%-record': tracebus('SDK, 100 % sampled, null exporter, durations by histogram.record', {
    telemetry: '100%',
    durations: 'record',
  }),
  '100%-otlp': tracebus('SDK, 100 % sampled, OTLP to a sink', { telemetry: '100%-otlp' }, sink),
  'order-topic': tracebus("order: 'topic'", { order: 'topic' }),
  signed: tracebus('signed, HMAC-SHA-256', { secured: 'signed' }),
  encrypted: tracebus('encrypted, AES-256-GCM', { secured: 'encrypted' }),
  curve: tracebus('CURVE', { secured: 'curve' }),
  'pack-200': tracebus('pack: 200', { pack: 200 }),

  'middleware-0': tracebus('no further middleware'),
  'middleware-5': tracebus('5 further middleware', { middleware: 5 }),
  'middleware-10': tracebus('10 further middleware', { middleware: 10 }),
  'topics-1': tracebus('1 topic', {}, { load: { topics: 1 } }),
  'topics-10': tracebus('10 topics', {}, { load: { topics: 10 } }),
  'topics-100': tracebus('100 topics', {}, { load: { topics: 100 } }),
  'topics-1000': tracebus('1,000 topics', {}, { load: { topics: 1000 } }),
  'subscriptions-1': tracebus('1 subscription', { subscriptions: 1 }),
  'subscriptions-10': tracebus('10 subscriptions', { subscriptions: 10 }),
  'subscriptions-100': tracebus('100 subscriptions', { subscriptions: 100 }),
  'in-flight-1': tracebus('1 in flight', {}, { load: { inFlight: 1 } }),
  'in-flight-10': tracebus('10 in flight', {}, { load: { inFlight: 10 } }),
  'in-flight-100': tracebus('100 in flight', {}, { load: { inFlight: 100 } }),
  'in-flight-1000': tracebus('1,000 in flight', {}, { load: { inFlight: 1000 } }),
} as const satisfies Record<string, Row>;

export type RowId = keyof typeof ROWS;

export function rowOf(id: RowId): Row {
  return ROWS[id];
}
