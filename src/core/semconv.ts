/* eslint-disable max-lines -- one table of names: whoever looks for one looks in one place */
/**
 * Every OpenTelemetry name that this project uses: attributes, metrics, spans, events and log records, as data. Nothing else in
 * src spells one out.
 *
 * The names are those of semantic conventions 1.45, the newest only. They are copied, because the conventions' own package
 * says not to import names in development at run time; what the conventions do not know stands under `messagebus.`.
 * docs/metrics.md defines each metric; the tables of docs/observability.md are written from this file by `npm run docs:observability`.
 */

/** The name of the instrumentation scope, of tracer and meter alike. */
export const SCOPE_NAME = 'tracebus';

/** Given to the tracer alone: on a meter it would become a Prometheus label and make new series with every release. */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.45.0';

/** The value of `rpc.system.name`: requests and replies are this bus's own protocol, whatever transport carries them. */
export const RPC_SYSTEM = 'tracebus';

/** Series per metric; beyond, what there may be many of becomes one of the two values below. An SDK collapses everything at 2000. */
export const SERIES_CAP = 500;

/** The value of `rpc.method` for a method that is not registered or is beyond the cap. */
export const OTHER_METHOD = '_OTHER';

/** The value of `messaging.destination.name` on metrics for all topics beyond the cap. */
export const OTHER_DESTINATION = 'other';

/** Attribute names. */
export const ATTR = {
  /** The transport's system: `zeromq`, `memory`. */
  systemName: 'messaging.system.name',
  /** The verb: publish, push, process, ... */
  operationName: 'messaging.operation.name',
  /** `send` or `process`. */
  operationType: 'messaging.operation.type',
  /** The topic. */
  destinationName: 'messaging.destination.name',
  /** The pattern that stands for many topics. */
  destinationTemplate: 'messaging.destination.template',
  messageId: 'messaging.message.id',
  /** Host of the configured endpoint, or the path of an ipc one. */
  serverAddress: 'server.address',
  serverPort: 'server.port',
  /** `tcp` or `unix`. */
  networkTransport: 'network.transport',
  rpcSystemName: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  /** The topic of a request whose method is `_OTHER` or a pattern. */
  rpcMethodOriginal: 'rpc.method_original',
  /** How a failed request ended, from the same list as `error.type`: what the responder answered, else what the caller's bus made of it. */
  rpcStatusCode: 'rpc.status_code',
  /** From the closed list of src/core/errors.ts; present only on failure, the same on span and metric. */
  errorType: 'error.type',
  /** On the event of a retry: the attempt that failed, from 1. */
  attempt: 'messagebus.attempt',
  /** Why a message was not authentic: from a closed list, see docs/security.md. */
  reason: 'messagebus.reason',
  /** On the event of a gap: how many messages were missed. */
  missed: 'messagebus.missed',
  /** On the span of a rejected message and on log records: how many before it were left out of a flood. */
  suppressed: 'messagebus.suppressed',
  /** On log records: the name of the error's class. */
  exceptionType: 'exception.type',
  exceptionMessage: 'exception.message',
} as const;

const { systemName, operationName, operationType, destinationName, destinationTemplate, errorType } = ATTR;
const DESTINATION = [destinationName, destinationTemplate] as const;
const SERVER = [ATTR.serverAddress, ATTR.serverPort] as const;
const RPC = [ATTR.rpcSystemName, ATTR.rpcMethod] as const;
const UNVERIFIED = [operationName, ATTR.reason] as const;

/** What a metric is. */
export interface MetricFacts {
  readonly name: string;
  readonly instrument: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly description: string;
  /** Every attribute that its points may carry. */
  readonly attributes: readonly string[];
}

function counter(name: string, unit: string, description: string, attributes: readonly string[]): MetricFacts {
  return { name, instrument: 'counter', unit, description, attributes: [systemName, ...attributes] };
}

function gauge(name: string, unit: string, description: string): MetricFacts {
  return { name, instrument: 'gauge', unit, description, attributes: [systemName] };
}

function histogram(name: string, description: string, attributes: readonly string[]): MetricFacts {
  return { name, instrument: 'histogram', unit: 's', description, attributes: [systemName, ...attributes] };
}

/** The counters by the name that the code gives them. */
export type CounterMetric =
  | 'messagesSent'
  | 'messagesReceived'
  | 'errors'
  | 'outboundDropped'
  | 'inboundDropped'
  | 'backpressureEvents'
  | 'requestTimeouts'
  | 'failedBindCount'
  | 'unrouted'
  | 'gaps'
  | 'lateReplies'
  | 'retries'
  | 'subscribersLeftBehind'
  | 'reconnects'
  | 'coolDowns'
  | 'handshakeFailures'
  | 'noHandler'
  | 'unverified'
  | 'sentMessages'
  | 'consumedMessages';

/** The counters: observable, read from plain integers when somebody collects. The first eight are documented figures. */
export const COUNTER_METRICS: Readonly<Record<CounterMetric, MetricFacts>> = {
  messagesSent: counter('messagebus.messages_sent', '{message}', 'Messages that the transport accepted.', [
    operationName,
    ...DESTINATION,
  ]),
  messagesReceived: counter('messagebus.messages_received', '{message}', 'Messages that arrived and could be read.', [
    operationName,
    ...DESTINATION,
  ]),
  errors: counter('messagebus.errors', '{error}', 'Failures that rejected a call or were logged at warn or above.', [
    operationName,
    errorType,
  ]),
  outboundDropped: counter('messagebus.outbound_dropped', '{message}', 'Messages given up on the way out.', [
    operationName,
    errorType,
  ]),
  inboundDropped: counter('messagebus.inbound_dropped', '{message}', 'Messages that arrived and reached no handler.', [
    operationName,
    errorType,
  ]),
  backpressureEvents: counter('messagebus.backpressure_events', '{event}', 'Calls that found their queue full.', [
    operationName,
  ]),
  requestTimeouts: counter('messagebus.request_timeouts', '{request}', 'Requests without a reply in time.', RPC),
  failedBindCount: counter('messagebus.failed_bind_count', '{bind}', 'Binds that failed.', [errorType]),

  unrouted: counter('messagebus.unrouted', '{message}', 'Publishes that nobody was subscribed to.', [operationName]),
  gaps: counter('messagebus.gaps', '{message}', 'Messages that a subscriber knows it has missed.', [
    operationName,
    ...DESTINATION,
  ]),
  lateReplies: counter('messagebus.late_replies', '{message}', 'Replies that came after their call had ended.', [
    operationName,
  ]),
  retries: counter('messagebus.retries', '{attempt}', 'Attempts after the first.', [operationName, errorType]),
  subscribersLeftBehind: counter(
    'messagebus.subscribers_left_behind',
    '{event}',
    'Times that subscribers too slow for the patience were left behind.',
    [],
  ),
  reconnects: counter('messagebus.reconnects', '{reconnect}', 'Connections that a link made again by itself.', []),
  coolDowns: counter('messagebus.cool_downs', '{event}', 'Times that a failed endpoint was left alone for a while.', [
    operationName,
  ]),
  handshakeFailures: counter('messagebus.handshake_failures', '{failure}', 'Connections refused at the handshake.', [
    errorType,
  ]),
  noHandler: counter('messagebus.no_handler', '{message}', 'Messages received that no handler is registered for.', [
    operationName,
  ]),
  unverified: counter('messagebus.unverified', '{message}', 'Messages that were not authentic.', UNVERIFIED),

  sentMessages: counter('messaging.client.sent.messages', '{message}', 'Messages that a producer attempted to send.', [
    operationName,
    ...DESTINATION,
    errorType,
  ]),
  consumedMessages: counter(
    'messaging.client.consumed.messages',
    '{message}',
    'Messages that were delivered to the application.',
    [operationName, ...DESTINATION],
  ),
};

/** The gauges by the name that the code gives them. */
export type GaugeMetric = 'activeConnections' | 'inFlightHandlers' | 'queueDepth' | 'coolingDown';

/** The gauges: observable, asked for when somebody collects. The first is a documented figure. */
export const GAUGE_METRICS: Readonly<Record<GaugeMetric, MetricFacts>> = {
  activeConnections: gauge('messagebus.active_connections', '{connection}', 'Sockets that are open.'),
  inFlightHandlers: gauge(
    'messagebus.in_flight_handlers',
    '{handler}',
    'Messages that are being handled or wait for their handler.',
  ),
  queueDepth: gauge('messagebus.queue_depth', '{message}', 'Messages waiting in outgoing queues.'),
  coolingDown: gauge('messagebus.cooling_down', '{endpoint}', 'Endpoints that failed and are left alone for a while.'),
};

/** The histograms by the name that the code gives them. */
export type DurationMetric = 'operation' | 'process' | 'clientCall' | 'serverCall' | 'transportLag' | 'dwell';

const TIMED_MESSAGE = [operationName, operationType, ...DESTINATION, ...SERVER, errorType];
const TIMED_CALL = [...RPC, ...SERVER, errorType];

/** The histograms of durations, in seconds. The first four are the conventions'. */
export const DURATION_METRICS: Readonly<Record<DurationMetric, MetricFacts>> = {
  operation: histogram('messaging.client.operation.duration', 'Duration of sending a message.', TIMED_MESSAGE),
  process: histogram('messaging.process.duration', 'Duration of processing a message.', TIMED_MESSAGE),
  clientCall: histogram('rpc.client.call.duration', 'Duration of an outgoing request until its reply.', TIMED_CALL),
  serverCall: histogram('rpc.server.call.duration', 'Duration of answering a request.', TIMED_CALL),
  transportLag: histogram(
    'messagebus.transport_lag',
    "From the hand-over to the sender's transport until it was read, by the clocks of both sides.",
    [operationName, ...DESTINATION],
  ),
  dwell: histogram('messagebus.dwell', 'From when a message was read until its handler starts.', [
    operationName,
    ...DESTINATION,
  ]),
};

/** The conventions' bucket bounds for seconds; the SDK's own (0 to 10000) suit milliseconds. */
export const DURATION_BOUNDS_S: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** Bounds for the bus's own histograms: on one machine a message is on its way for a fraction of a millisecond. */
export const FINE_BOUNDS_S: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Headers that `trace({ headers })` captures: the header's name follows. Nothing is captured by default. */
export const HEADER_PREFIX = {
  /** On messaging spans: one text. */
  messaging: 'messagebus.header.',
  /** On RPC spans: a list of texts, as the conventions ask for. */
  rpc: 'rpc.request.header.',
} as const;

/** The spans by the name that the code gives them. */
export type SpanKey = 'publish' | 'push' | 'process' | 'request' | 'respond';

/** What a span is. Messaging spans are named `{operation} {destination}`, RPC spans after the method. */
export interface SpanFacts {
  readonly kind: 'PRODUCER' | 'CONSUMER' | 'CLIENT' | 'SERVER';
  /** `messaging.operation.name` and the first word of the span's name; absent on RPC spans. */
  readonly operation?: string;
  /** `messaging.operation.type`. */
  readonly type?: 'send' | 'process';
  /** Every such span has these. */
  readonly required: readonly string[];
  /** It may have these besides, captured headers and those of the option `attributes` aside. */
  readonly optional: readonly string[];
  /** What the names of captured headers begin with. */
  readonly headerPrefix: string;
}

const MESSAGING_SPAN = {
  required: [systemName, operationName, operationType, destinationName],
  headerPrefix: HEADER_PREFIX.messaging,
} as const;
const SENDING_SPAN = {
  ...MESSAGING_SPAN,
  type: 'send',
  optional: [ATTR.messageId, ...SERVER, ATTR.networkTransport, errorType],
} as const;
const RPC_SPAN = {
  required: RPC,
  optional: [ATTR.rpcMethodOriginal, ATTR.rpcStatusCode, ...SERVER, ATTR.networkTransport, errorType],
  headerPrefix: HEADER_PREFIX.rpc,
} as const;

/** The spans. A reply has none of its own: the respond span covers it. */
export const SPANS: Readonly<Record<SpanKey, SpanFacts>> = {
  publish: { kind: 'PRODUCER', operation: 'publish', ...SENDING_SPAN },
  push: { kind: 'PRODUCER', operation: 'push', ...SENDING_SPAN },
  process: {
    kind: 'CONSUMER',
    operation: 'process',
    type: 'process',
    ...MESSAGING_SPAN,
    optional: [destinationTemplate, ATTR.suppressed, ...SENDING_SPAN.optional],
  },
  request: { kind: 'CLIENT', ...RPC_SPAN },
  respond: { kind: 'SERVER', ...RPC_SPAN, optional: [ATTR.suppressed, ...RPC_SPAN.optional] },
};

/** What a span stands for, in words. */
export interface SpanText {
  readonly what: string;
  readonly name: string;
  readonly lasts: string;
  /** Parent and links. */
  readonly parent: string;
}

const TO_SETTLED = 'the call, until its promise settles; all attempts';
const ACTIVE = 'child of the active span';

/** The spans in words; the last is what a rejected message has in place of its own. */
export const SPAN_TEXTS: Readonly<Record<SpanKey | 'rejected', SpanText>> = {
  publish: { what: 'publish', name: '`publish {topic}`', lasts: TO_SETTLED, parent: ACTIVE },
  push: { what: 'push', name: '`push {topic}`', lasts: TO_SETTLED, parent: ACTIVE },
  process: {
    what: 'an event or pushed message',
    name: '`process {topic or pattern}`',
    lasts: 'from the verified message until its handlers have settled',
    parent: "child of the sender's span and linked to it; with `link` a root that links to it",
  },
  request: {
    what: 'request',
    name: 'the topic',
    lasts: 'the whole call, until the reply or its end without one; all attempts',
    parent: ACTIVE,
  },
  respond: {
    what: 'answering a request',
    name: 'the topic or pattern; `tracebus` where no handler is registered',
    lasts: 'until the reply is queued',
    parent: "child of the caller's span, always",
  },
  rejected: {
    what: 'a rejected message',
    name: 'as its processing would be named',
    lasts: 'no duration',
    parent: 'a root without link',
  },
};

/** The names of the events on spans, by the name that the code gives them. */
export const SPAN_EVENTS = {
  /** An attempt failed and another follows: `messagebus.attempt`, `error.type`. */
  retry: 'messagebus.retry',
  /** Messages of the same topic were missed just before this one: `messagebus.missed`. */
  gap: 'messagebus.gap',
  /** The caller cancelled, the deadline passed or the bus closed while the handler ran: `error.type`. */
  cancel: 'messagebus.cancel',
} as const;

/** What an event is. */
export interface SpanEventFacts {
  readonly name: string;
  /** The spans that it may be on. */
  readonly spans: readonly SpanKey[];
  /** It has these and no others. */
  readonly attributes: readonly string[];
  readonly description: string;
}

/** The events. The SDK makes one more: `exception` on each span that failed. */
export const SPAN_EVENT_FACTS: Readonly<Record<keyof typeof SPAN_EVENTS, SpanEventFacts>> = {
  retry: {
    name: SPAN_EVENTS.retry,
    spans: ['publish', 'push', 'request', 'process', 'respond'],
    attributes: [ATTR.attempt, errorType],
    description: 'An attempt failed and the next one begins.',
  },
  gap: {
    name: SPAN_EVENTS.gap,
    spans: ['process'],
    attributes: [ATTR.missed],
    description: 'Messages of the same topic and publisher are missing just before this one.',
  },
  cancel: {
    name: SPAN_EVENTS.cancel,
    spans: ['process', 'respond'],
    attributes: [errorType],
    description: 'The caller cancelled, the deadline passed or the bus closed while the handler ran.',
  },
};

/** The event names of log records: what became of the message. */
export const LOG_EVENTS = {
  /** Something failed that no call reports, a handler for instance. */
  failure: 'messagebus.failure',
  /** A message arrived and reached no handler. */
  drop: 'messagebus.drop',
} as const;

/** What each event of a log record means. */
export const LOG_EVENT_FACTS: Readonly<Record<keyof typeof LOG_EVENTS, string>> = {
  failure: 'Something failed that no call reports: a handler, a step, a listener.',
  drop: 'A message arrived and reached no handler.',
};

/** Every log record has these attributes. */
export const LOG_REQUIRED: readonly string[] = [
  systemName,
  operationName,
  errorType,
  ATTR.exceptionType,
  ATTR.exceptionMessage,
];

/** One that is about a message has these besides, as its span has them; the last one follows a flood. */
export const LOG_OPTIONAL: readonly string[] = [
  ...DESTINATION,
  ...RPC,
  ...SERVER,
  ATTR.networkTransport,
  ATTR.suppressed,
];

/** What an attribute is. */
export interface AttributeFacts {
  readonly type: 'string' | 'int';
  /** What it holds, and when it is there. */
  readonly description: string;
}

/** The attributes, by the name that the code gives them. */
export const ATTRIBUTE_FACTS: Readonly<Record<keyof typeof ATTR, AttributeFacts>> = {
  systemName: { type: 'string', description: "The transport's system: `zeromq`, `memory`." },
  operationName: {
    type: 'string',
    description:
      'Spans: `publish`, `push`, `process`. Metrics and log records: `publish`, `push`, `request`, `subscribe`, `pull`, `respond`; `messaging.*.duration` as on the spans.',
  },
  operationType: { type: 'string', description: '`send` or `process`.' },
  destinationName: {
    type: 'string',
    description: 'The topic. On metrics `other` stands for all topics beyond the first hundred.',
  },
  destinationTemplate: {
    type: 'string',
    description: "The handler's pattern, where it has wildcards.",
  },
  messageId: {
    type: 'string',
    description:
      'Of received messages, except rejected ones and those of plain peers; of sent ones where the header `message-id` was set.',
  },
  serverAddress: {
    type: 'string',
    description:
      'Host of the configured endpoint, or the path of an ipc one. Not for wildcards, `inproc` and `memory`.',
  },
  serverPort: { type: 'int', description: 'Port of the configured endpoint.' },
  networkTransport: { type: 'string', description: '`tcp`; `unix` for ipc.' },
  rpcSystemName: { type: 'string', description: '`tracebus`, whatever the transport.' },
  rpcMethod: {
    type: 'string',
    description:
      "The topic of a request, the handler's pattern where it answers, or `_OTHER`: no handler is registered for it, or it is beyond the first hundred.",
  },
  rpcMethodOriginal: { type: 'string', description: 'The topic, where `rpc.method` is a pattern or `_OTHER`.' },
  rpcStatusCode: {
    type: 'string',
    description:
      "On failed calls, from the list of error types. SERVER: what the caller is told. CLIENT: what was answered, or what the caller's own bus made of it.",
  },
  errorType: {
    type: 'string',
    description:
      'On failures, and then always: one of the list of error types. On `messagebus.handshake_failures` alone `auth_failed` or `handshake_failed`.',
  },
  attempt: { type: 'int', description: 'The attempt that failed, from 1.' },
  reason: {
    type: 'string',
    description: 'Why a message was not authentic; the reasons are in [security.md](security.md#reasons).',
  },
  missed: { type: 'int', description: 'How many messages were missed.' },
  suppressed: {
    type: 'int',
    description:
      'How many spans of rejected messages, or log records of this kind, a flood has cost since the last one.',
  },
  exceptionType: {
    type: 'string',
    description: "The name of the error's class; the event `exception` has it too.",
  },
  exceptionMessage: {
    type: 'string',
    description: "The error's message, 1024 characters at most; the event `exception` has it too.",
  },
};
