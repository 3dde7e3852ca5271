/** What each metric of a bus is, as data; see rules.ts for where it comes from. */

export interface MetricRule {
  readonly instrument: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  /** Attributes of every series. */
  readonly required: readonly string[];
  readonly allowed: readonly string[];
  /** A series has all of these, or, before anything happened, none. */
  readonly together?: readonly string[];
  /** Attributes that have a list of values of their own here. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
  /** Attributes whose value is always the same. */
  readonly fixed?: Readonly<Record<string, string>>;
  readonly bounds?: readonly number[];
  /** Exported from the start, before anything happens. */
  readonly isAlwaysThere: boolean;
}

/** The conventions' bounds for durations in seconds. */
export const DURATION_BOUNDS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** The bus's own: most messages on one machine are on their way for less than a millisecond. */
export const FINE_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** How many destinations become attribute values, and the one that stands for the rest. */
export const MAX_DESTINATIONS = 101;

const SYSTEM = ['messaging.system.name'];
const OPERATION = ['messaging.operation.name'];
const DESTINATION = ['messaging.destination.name', 'messaging.destination.template'];
const SERVER = ['server.address', 'server.port'];

/** Counts of what happened to an operation and why. */
function because(unit: string, reason: string): MetricRule {
  const attributes = [...OPERATION, reason];
  return { ...own('counter', unit, attributes), together: attributes };
}

function own(instrument: 'counter' | 'gauge', unit: string, allowed: readonly string[] = []): MetricRule {
  return { instrument, unit, required: SYSTEM, allowed, isAlwaysThere: true };
}

function messages(): MetricRule {
  const allowed = [...DESTINATION, ...SERVER, 'error.type'];
  return {
    instrument: 'counter',
    unit: '{message}',
    required: [...SYSTEM, ...OPERATION],
    allowed,
    isAlwaysThere: false,
  };
}

function messageDuration(type: string): MetricRule {
  return {
    instrument: 'histogram',
    unit: 's',
    required: [...SYSTEM, ...OPERATION],
    allowed: [...DESTINATION, ...SERVER, 'error.type'],
    fixed: { 'messaging.operation.type': type },
    bounds: DURATION_BOUNDS,
    isAlwaysThere: false,
  };
}

function callDuration(): MetricRule {
  return {
    instrument: 'histogram',
    unit: 's',
    required: [...SYSTEM, 'rpc.method'],
    allowed: [...SERVER, 'error.type'],
    fixed: { 'rpc.system.name': 'tracebus' },
    bounds: DURATION_BOUNDS,
    isAlwaysThere: false,
  };
}

function ownDuration(): MetricRule {
  return {
    instrument: 'histogram',
    unit: 's',
    required: [...SYSTEM, ...OPERATION],
    allowed: DESTINATION,
    bounds: FINE_BOUNDS,
    isAlwaysThere: false,
  };
}

export const METRIC_RULES: Readonly<Record<string, MetricRule>> = {
  'messagebus.messages_sent': own('counter', '{message}', [...OPERATION, ...DESTINATION]),
  'messagebus.messages_received': own('counter', '{message}', [...OPERATION, ...DESTINATION]),
  'messagebus.errors': because('{error}', 'error.type'),
  'messagebus.outbound_dropped': because('{message}', 'error.type'),
  'messagebus.inbound_dropped': because('{message}', 'error.type'),
  'messagebus.backpressure_events': own('counter', '{event}', OPERATION),
  'messagebus.request_timeouts': own('counter', '{request}', ['rpc.system.name', 'rpc.method']),
  'messagebus.failed_bind_count': own('counter', '{bind}', ['error.type']),
  'messagebus.active_connections': own('gauge', '{connection}'),

  'messagebus.unrouted': own('counter', '{message}', [...OPERATION, ...DESTINATION]),
  'messagebus.gaps': own('counter', '{message}', [...OPERATION, ...DESTINATION]),
  'messagebus.late_replies': own('counter', '{message}', OPERATION),
  'messagebus.retries': because('{attempt}', 'error.type'),
  'messagebus.subscribers_left_behind': own('counter', '{event}'),
  'messagebus.reconnects': own('counter', '{reconnect}'),
  'messagebus.cool_downs': own('counter', '{event}', OPERATION),
  'messagebus.handshake_failures': {
    ...own('counter', '{failure}', ['error.type']),
    values: { 'error.type': ['auth_failed', 'handshake_failed'] }, // no message has failed, so none of the bus's errors
  },
  'messagebus.unverified': because('{message}', 'messagebus.reason'),
  'messagebus.no_handler': own('counter', '{message}', [...OPERATION, ...DESTINATION]),
  'messagebus.in_flight_handlers': own('gauge', '{handler}'),
  'messagebus.queue_depth': own('gauge', '{message}'),
  'messagebus.cooling_down': own('gauge', '{endpoint}'),

  'messaging.client.sent.messages': messages(),
  'messaging.client.consumed.messages': messages(),
  'messaging.client.operation.duration': messageDuration('send'),
  'messaging.process.duration': messageDuration('process'),
  'rpc.client.call.duration': callDuration(),
  'rpc.server.call.duration': callDuration(),
  'messagebus.transport_lag': ownDuration(),
  'messagebus.dwell': ownDuration(),
};
