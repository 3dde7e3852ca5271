/**
 * What right telemetry of a bus is, as data: semantic conventions 1.45 for messaging and RPC, and what this project has decided
 * beyond them. Written from the conventions and docs/metrics.md, on purpose not from src/core/semconv.ts: a rule that took
 * its name from there could not find a wrong one. Only the list of error types is the code's own, because it is that list.
 */
import { ERROR_CODES } from '../../../src/core/errors.ts';

/** What the value of an attribute may be. */
export interface AttributeRule {
  readonly type: 'string' | 'int';
  readonly values?: readonly string[];
  readonly pattern?: RegExp;
  readonly min?: number;
  readonly max?: number;
}

export const ERROR_TYPES: readonly string[] = Object.values(ERROR_CODES).map(({ type }) => type);

const NAME: AttributeRule = { type: 'string', pattern: /^[^\s\p{Cc}]+$/u };
const TEXT: AttributeRule = { type: 'string' };

/** Why a message was not authentic, as docs/security.md explains. */
const REASONS: readonly string[] = [
  'algorithm',
  'ciphertext',
  'commitment',
  'future',
  'key_disabled',
  'key_expired',
  'key_not_allowed',
  'keys_unavailable',
  'malformed',
  'missing',
  'replayed',
  'sender',
  'signature',
  'stale',
  'streams_full',
  'unknown_key',
];

/** Every attribute that a span, event, metric or log of the bus may have. */
export const ATTRIBUTE_RULES: Readonly<Record<string, AttributeRule>> = {
  'messaging.system.name': { type: 'string', values: ['zeromq', 'memory'] },
  'messaging.operation.name': {
    type: 'string',
    values: ['publish', 'push', 'process', 'subscribe', 'pull', 'request', 'respond'],
  },
  'messaging.operation.type': { type: 'string', values: ['create', 'send', 'receive', 'process', 'settle'] },
  'messaging.destination.name': NAME,
  'messaging.destination.template': { type: 'string', pattern: /^[^\s\p{Cc}]*[*>]/u },
  'messaging.message.id': NAME,
  'rpc.system.name': { type: 'string', values: ['tracebus'] },
  'rpc.method': NAME,
  'rpc.method_original': NAME,
  'rpc.status_code': { type: 'string', values: ERROR_TYPES },
  'server.address': NAME,
  'server.port': { type: 'int', min: 1, max: 65_535 },
  'network.transport': { type: 'string', values: ['pipe', 'quic', 'tcp', 'udp', 'unix'] },
  'error.type': { type: 'string', values: ERROR_TYPES },
  'exception.type': NAME,
  'exception.message': TEXT,
  'exception.stacktrace': TEXT,
  'messagebus.attempt': { type: 'int', min: 1 },
  'messagebus.missed': { type: 'int', min: 1 },
  'messagebus.suppressed': { type: 'int', min: 1 },
  'messagebus.reason': { type: 'string', values: REASONS },
};

/** What stands before the names of headers that the application has asked for, and whether the value is a list. */
export const HEADERS = {
  messaging: { prefix: 'messagebus.header.', isList: false },
  rpc: { prefix: 'rpc.request.header.', isList: true },
} as const;

/** Names that the conventions have given up, with what came instead; one that ends in a dot stands for all below it. */
export const DEPRECATED: Readonly<Record<string, string>> = {
  'messaging.system': 'messaging.system.name',
  'messaging.operation': 'messaging.operation.type',
  'messaging.publish.': 'messaging.client.operation.duration and messaging.client.sent.messages',
  'messaging.receive.': 'messaging.client.operation.duration and messaging.client.consumed.messages',
  'messaging.process.messages': 'messaging.client.consumed.messages',
  'messaging.client.published.messages': 'messaging.client.sent.messages',
  'messaging.destination_publish.': 'nothing',
  'rpc.system': 'rpc.system.name',
  'rpc.service': 'rpc.method',
  'rpc.client.duration': 'rpc.client.call.duration',
  'rpc.server.duration': 'rpc.server.call.duration',
  'rpc.message.': 'nothing',
  'net.': 'server.address, server.port and network.transport',
  'exception.escaped': 'nothing',
};

/** Values that the conventions have given up. */
export const DEPRECATED_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'messaging.operation.type': { publish: 'send', deliver: 'process' },
};

/** Attributes that would hold what a message says: never captured. */
export const CAPTURING = /(^|[._])(body|payload|content|headers?|baggage)([._]|$)/;

/** A text that only one message or a few can have. */
export const LOOKS_LIKE_AN_ID = /[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-|\d{7,}/i;

/** The scope of everything. A schema URL on the meter would become a Prometheus label. */
export const SCOPE = { name: 'tracebus', tracerSchemaUrl: 'https://opentelemetry.io/schemas/1.45.0' } as const;

export const RESOURCE = {
  required: ['service.name'],
  forbidden: [
    'process.command',
    'process.command_args',
    'process.command_line',
    'process.executable.path',
    'process.owner',
  ],
} as const;

/** What an event on a span has. */
export interface EventRule {
  readonly required: readonly string[];
  readonly allowed: readonly string[];
}

export const EVENT_RULES: Readonly<Record<string, EventRule>> = {
  exception: { required: ['exception.message'], allowed: ['exception.type', 'exception.stacktrace'] },
  'messagebus.retry': { required: ['messagebus.attempt', 'error.type'], allowed: [] },
  'messagebus.gap': { required: ['messagebus.missed'], allowed: [] },
  'messagebus.cancel': { required: ['error.type'], allowed: [] },
};

/** What a span of one operation is. */
export interface SpanRule {
  readonly operation: string;
  readonly kind: 'PRODUCER' | 'CONSUMER' | 'CLIENT' | 'SERVER';
  /** How it is named: `{operation} {destination}`, or after the method. */
  readonly naming: 'messaging' | 'rpc';
  /** Attributes whose value is always the same. */
  readonly fixed: Readonly<Record<string, string>>;
  readonly required: readonly string[];
  readonly allowed: readonly string[];
  readonly events: readonly string[];
  /** The operations that its parent must be of; undefined: any parent or none. */
  readonly parents?: readonly string[];
  /** Whether it links to where the message comes from. */
  readonly isLinked: boolean;
  /** The histogram that measures the same. */
  readonly measuredBy: string;
}

const SERVER = ['server.address', 'server.port', 'network.transport', 'error.type'];
const SENT = {
  kind: 'PRODUCER',
  naming: 'messaging',
  required: ['messaging.system.name', 'messaging.destination.name'],
  allowed: ['messaging.message.id', ...SERVER],
  events: ['exception', 'messagebus.retry'],
  isLinked: false,
  measuredBy: 'messaging.client.operation.duration',
} as const;
const CALLED = {
  naming: 'rpc',
  fixed: { 'rpc.system.name': 'tracebus' },
  required: ['rpc.method'],
  allowed: ['rpc.method_original', 'rpc.status_code', ...SERVER],
  isLinked: false,
} as const;

export const SPAN_RULES: readonly SpanRule[] = [
  {
    ...SENT,
    operation: 'publish',
    fixed: { 'messaging.operation.name': 'publish', 'messaging.operation.type': 'send' },
  },
  {
    ...SENT,
    operation: 'push',
    fixed: { 'messaging.operation.name': 'push', 'messaging.operation.type': 'send' },
  },
  {
    operation: 'process',
    kind: 'CONSUMER',
    naming: 'messaging',
    fixed: { 'messaging.operation.name': 'process', 'messaging.operation.type': 'process' },
    required: ['messaging.system.name', 'messaging.destination.name', 'messaging.message.id'],
    allowed: ['messaging.destination.template', 'messagebus.suppressed', ...SERVER],
    events: ['exception', 'messagebus.retry', 'messagebus.gap', 'messagebus.cancel'],
    parents: ['publish', 'push'],
    isLinked: true,
    measuredBy: 'messaging.process.duration',
  },
  {
    ...CALLED,
    operation: 'request',
    kind: 'CLIENT',
    events: ['exception', 'messagebus.retry', 'messagebus.cancel'],
    measuredBy: 'rpc.client.call.duration',
  },
  {
    ...CALLED,
    operation: 'respond',
    kind: 'SERVER',
    allowed: [...CALLED.allowed, 'messagebus.suppressed', 'messaging.message.id'], // a request is a received message too
    events: ['exception', 'messagebus.retry', 'messagebus.cancel'],
    parents: ['request'],
    measuredBy: 'rpc.server.call.duration',
  },
];

/** `rpc.method` where the method is not registered or beyond the cap; the span is then named after the system. */
export const OTHER_METHOD = '_OTHER';

/** Severity numbers of the log data model by their text; each stands for itself and the next three. */
export const SEVERITIES: Readonly<Record<string, number>> = { DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17 };

/** A log record tells of a failure that no call reports. */
export const LOG_RULE = {
  events: ['messagebus.failure', 'messagebus.drop'],
  required: ['messaging.system.name', 'messaging.operation.name', 'error.type', 'exception.type', 'exception.message'],
  allowed: [
    'messaging.destination.name',
    'messaging.destination.template',
    'rpc.system.name',
    'rpc.method',
    'server.address',
    'server.port',
    'network.transport',
    'messagebus.suppressed',
  ],
} as const;
