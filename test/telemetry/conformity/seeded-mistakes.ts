/** Mistakes, each made in a copy of right telemetry, with what the checker must say, and nothing else. */
import type { HistogramPoint, Log, Metric, NumberPoint, Span, SpanEvent, Telemetry } from './model.ts';
import { ATTRIBUTE_RULES, ERROR_TYPES } from './rules.ts';

/** One mistake. */
export interface SeededMistake {
  readonly name: string;
  /** The scenario whose telemetry is spoiled. */
  readonly of: string;
  readonly spoil: (telemetry: Telemetry) => void;
  readonly findings: readonly string[];
}

/** The scenarios that are spoiled. */
export const CHAIN = 'one trace through event, push and request, in three services';
export const FAILURES = 'handlers that fail';
export const LINKED = 'new traces that only link back';
export const REFUSED = 'signatures that are missing or wrong, on topics that are protected';
export const HOOKED = 'hooks: a filter, attributes, and headers of a list';
export const SECRETS = 'bodies, headers and baggage, none of which is captured';

const SCHEMA = 'https://opentelemetry.io/schemas/1.45.0';
const errorTypes = ERROR_TYPES.join(', ');
const reasons = ATTRIBUTE_RULES['messagebus.reason']?.values?.join(', ') ?? '';

/** A span of the telemetry. */
function span({ spans }: Telemetry, kind: string, name: string): Span {
  return found(
    spans.find((one) => one.kind === kind && one.name === name),
    name,
  );
}

const publish = (telemetry: Telemetry): Span => span(telemetry, 'PRODUCER', 'publish price.tick');
const push = (telemetry: Telemetry): Span => span(telemetry, 'PRODUCER', 'push result');
const process = (telemetry: Telemetry): Span => span(telemetry, 'CONSUMER', 'process price.*');
const failed = (telemetry: Telemetry): Span => span(telemetry, 'CONSUMER', 'process price.tick');
const request = (telemetry: Telemetry): Span => span(telemetry, 'CLIENT', 'state.get');
const respond = (telemetry: Telemetry): Span => span(telemetry, 'SERVER', 'state.get');

function metric({ metrics }: Telemetry, name: string): Metric {
  return found(
    metrics.find((one) => one.name === name),
    name,
  );
}

function point(telemetry: Telemetry, name: string): NumberPoint {
  return found(metric(telemetry, name).points[0], `a point of ${name}`);
}

function histogram(telemetry: Telemetry, name: string): HistogramPoint {
  return found(metric(telemetry, name).histogram[0], `a point of ${name}`);
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the telemetry to be spoiled lacks ${what}`);
  return value;
}

function rename(attributes: Record<string, unknown>, from: string, to: string): void {
  attributes[to] = found(attributes[from], from);
  Reflect.deleteProperty(attributes, from);
}

function without(attributes: Record<string, unknown>, name: string): void {
  found(attributes[name], name);
  Reflect.deleteProperty(attributes, name);
}

/** An event in the middle of a span, as the bus makes it. */
export function event(of: Span, name: string, attributes: Record<string, unknown>): SpanEvent {
  return { name, at: (of.start + of.end) / 2n, attributes };
}

/** A right log record about a failed span. */
export function logOf(of: Span): Log {
  return {
    eventName: 'messagebus.failure',
    severityNumber: 17,
    severityText: 'ERROR',
    body: 'a handler of "price.tick" failed: boom',
    attributes: {
      'messaging.system.name': 'memory',
      'messaging.operation.name': 'subscribe',
      'messaging.destination.name': 'price.tick',
      'error.type': 'handler_failed',
      'exception.type': 'Error',
      'exception.message': 'boom',
    },
    place: { traceId: of.traceId, spanId: of.spanId },
    scope: { name: 'tracebus', version: undefined, schemaUrl: SCHEMA },
    resource: of.resource,
  };
}

function log(telemetry: Telemetry, changes: Partial<Log>): void {
  telemetry.logs.push({ ...logOf(failed(telemetry)), ...changes });
}

const LOG = 'log record "a handler of \\"price.tick\\" failed: boom"';

const NAMES_AND_ATTRIBUTES: readonly SeededMistake[] = [
  {
    name: 'an attribute under the name that it had before',
    of: CHAIN,
    spoil: (t) => rename(publish(t).attributes, 'messaging.system.name', 'messaging.system'),
    findings: [
      'span PRODUCER "publish price.tick" has the deprecated attribute messaging.system; the conventions now have messaging.system.name',
    ],
  },
  {
    name: 'a deprecated attribute beside the right one',
    of: CHAIN,
    spoil: (t) => void (process(t).attributes['messaging.operation'] = 'process'),
    findings: [
      'span CONSUMER "process price.*" has the deprecated attribute messaging.operation; the conventions now have messaging.operation.type',
    ],
  },
  {
    name: 'the old name of the RPC system',
    of: CHAIN,
    spoil: (t) => rename(request(t).attributes, 'rpc.system.name', 'rpc.system'),
    findings: [
      'span CLIENT "state.get" has the deprecated attribute rpc.system; the conventions now have rpc.system.name',
    ],
  },
  {
    name: 'a service beside the method',
    of: CHAIN,
    spoil: (t) => void (respond(t).attributes['rpc.service'] = 'recorder'),
    findings: ['span SERVER "state.get" has the deprecated attribute rpc.service; the conventions now have rpc.method'],
  },
  {
    name: 'an attribute of the old network names',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['net.peer.name'] = '127.0.0.1'),
    findings: [
      'span PRODUCER "publish price.tick" has the deprecated attribute net.peer.name; the conventions now have server.address, server.port and network.transport',
    ],
  },
  {
    name: 'the operation type publish',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['messaging.operation.type'] = 'publish'),
    findings: [
      'span PRODUCER "publish price.tick" has messaging.operation.type "publish", which the conventions have replaced by send',
    ],
  },
  {
    name: 'the operation type deliver',
    of: CHAIN,
    spoil: (t) => void (process(t).attributes['messaging.operation.type'] = 'deliver'),
    findings: [
      'span CONSUMER "process price.*" has messaging.operation.type "deliver", which the conventions have replaced by process',
    ],
  },
  {
    name: 'an operation type of another operation',
    of: CHAIN,
    spoil: (t) => void (process(t).attributes['messaging.operation.type'] = 'receive'),
    findings: ['span CONSUMER "process price.*" has messaging.operation.type "receive" instead of process'],
  },
  {
    name: 'a producer span that says CLIENT',
    of: CHAIN,
    spoil: (t) => void (publish(t).kind = 'CLIENT'),
    findings: ['span CLIENT "publish price.tick" is of kind CLIENT; a publish span is a PRODUCER'],
  },
  {
    name: 'a consumer span that says INTERNAL',
    of: CHAIN,
    spoil: (t) => void (process(t).kind = 'INTERNAL'),
    findings: ['span INTERNAL "process price.*" is of kind INTERNAL; a process span is a CONSUMER'],
  },
  {
    name: 'a request that says INTERNAL',
    of: CHAIN,
    spoil: (t) => void (request(t).kind = 'INTERNAL'),
    findings: ['span INTERNAL "state.get" is of kind INTERNAL; a request span is a CLIENT'],
  },
  {
    name: 'a message id in the name of a span',
    of: CHAIN,
    spoil: (t) => void (process(t).name = 'process 2ddkfcqfro.price.tick.1'),
    findings: ['span CONSUMER "process 2ddkfcqfro.price.tick.1" should be named "process price.*"'],
  },
  {
    name: 'a topic for each customer as the destination',
    of: CHAIN,
    spoil(t) {
      publish(t).attributes['messaging.destination.name'] = 'order.7f9c2ba4-e88f-41d5-8a3e-0123456789ab';
      publish(t).name = 'publish order.7f9c2ba4-e88f-41d5-8a3e-0123456789ab';
    },
    findings: [
      'span PRODUCER "publish order.7f9c2ba4-e88f-41d5-8a3e-0123456789ab" has a name that only a few messages can share',
    ],
  },
  {
    name: 'a name without its destination',
    of: CHAIN,
    spoil: (t) => void (publish(t).name = 'publish'),
    findings: ['span PRODUCER "publish" should be named "publish price.tick"'],
  },
  {
    name: 'the topic in a name that should have the pattern',
    of: CHAIN,
    spoil: (t) => void (process(t).name = 'process price.tick'),
    findings: ['span CONSUMER "process price.tick" should be named "process price.*"'],
  },
  {
    name: 'a name in the order of older conventions',
    of: CHAIN,
    spoil: (t) => void (publish(t).name = 'price.tick publish'),
    findings: ['span PRODUCER "price.tick publish" should be named "publish price.tick"'],
  },
  {
    name: 'a verb before the method of a call',
    of: CHAIN,
    spoil: (t) => void (request(t).name = 'request state.get'),
    findings: ['span CLIENT "request state.get" should be named "state.get"'],
  },
  {
    name: 'the original method beside the same method',
    of: CHAIN,
    spoil: (t) => void (respond(t).attributes['rpc.method_original'] = 'state.get'),
    findings: ['span SERVER "state.get" has rpc.method_original beside the method itself'],
  },
  {
    name: 'an unknown method that is not told',
    of: CHAIN,
    spoil(t) {
      respond(t).attributes['rpc.method'] = '_OTHER';
      respond(t).name = 'tracebus';
    },
    findings: ['span SERVER "tracebus" lacks rpc.method_original, as _OTHER stands for many'],
  },
  {
    name: 'a body as an attribute',
    of: CHAIN,
    spoil: (t) => void (process(t).attributes['messaging.message.body'] = '{}'),
    findings: ['span CONSUMER "process price.*" captures what the message says in messaging.message.body'],
  },
  {
    name: 'a header as an attribute',
    of: CHAIN,
    spoil: (t) => void (process(t).attributes['messaging.header.x-tenant'] = ['a']),
    findings: ['span CONSUMER "process price.*" captures what the message says in messaging.header.x-tenant'],
  },
  {
    name: 'a body in an attribute that is right by itself',
    of: SECRETS,
    spoil: (t) => void (failed(t).attributes['messaging.message.id'] = 'secret-body'),
    findings: ['"secret-body" of a message is in the telemetry'],
  },
  {
    name: 'a header value on a metric',
    of: SECRETS,
    spoil: (t) =>
      void (point(t, 'messagebus.messages_sent').attributes['messaging.destination.name'] = 'secret-header'),
    findings: ['"secret-header" of a message is in the telemetry'],
  },
  {
    name: 'an attribute that nobody has agreed on',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['price.symbol'] = 'BTC'),
    findings: ['span PRODUCER "publish price.tick" has the attribute price.symbol, which it should not have'],
  },
  {
    name: 'a publish without destination',
    of: CHAIN,
    spoil: (t) => without(publish(t).attributes, 'messaging.destination.name'),
    findings: ['span PRODUCER "publish price.tick" lacks the attribute messaging.destination.name'],
  },
  {
    name: 'a received message without id',
    of: CHAIN,
    spoil: (t) => without(process(t).attributes, 'messaging.message.id'),
    findings: ['span CONSUMER "process price.*" lacks the attribute messaging.message.id'],
  },
  {
    name: 'a port as text',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['server.port'] = '5555'),
    findings: ['span PRODUCER "publish price.tick" has server.port "5555", which is no int'],
  },
  {
    name: 'a port that is none',
    of: CHAIN,
    spoil: (t) => void (request(t).attributes['server.port'] = 0),
    findings: ['span CLIENT "state.get" has server.port 0, which cannot be'],
  },
  {
    name: 'a port of no host',
    of: CHAIN,
    spoil: (t) => without(publish(t).attributes, 'server.address'),
    findings: ['span PRODUCER "publish price.tick" has a server.port and no server.address'],
  },
  {
    name: 'a port of a unix socket',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['network.transport'] = 'unix'),
    findings: ['span PRODUCER "publish price.tick" has a server.port on a unix socket'],
  },
  {
    name: 'a transport under its old value',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['network.transport'] = 'ip_tcp'),
    findings: [
      'span PRODUCER "publish price.tick" has network.transport "ip_tcp", which is none of pipe, quic, tcp, udp, unix',
    ],
  },
  {
    name: "another system's name",
    of: CHAIN,
    spoil: (t) => void (push(t).attributes['messaging.system.name'] = 'kafka'),
    findings: ['span PRODUCER "push result" has messaging.system.name "kafka", which is none of zeromq, memory'],
  },
];

const FAILED = 'span CONSUMER "process price.tick"';

const OUTCOMES: readonly SeededMistake[] = [
  {
    name: 'a failure without error.type',
    of: FAILURES,
    spoil: (t) => without(failed(t).attributes, 'error.type'),
    findings: [`${FAILED} failed and has no error.type`],
  },
  {
    name: 'an error.type on what has not failed',
    of: CHAIN,
    spoil: (t) => void (request(t).attributes['error.type'] = 'timeout'),
    findings: ['span CLIENT "state.get" has error.type "timeout" and did not fail'],
  },
  {
    name: 'an error type that is not of the list',
    of: FAILURES,
    spoil: (t) => void (failed(t).attributes['error.type'] = 'TypeError'),
    findings: [`${FAILED} has error.type "TypeError", which is none of ${errorTypes}`],
  },
  {
    name: 'another error type than the metric has',
    of: FAILURES,
    spoil: (t) => void (failed(t).attributes['error.type'] = 'timeout'),
    findings: [
      'there are 3 process spans (handler_failed), and metric messaging.process.duration has counted 4',
      'there are 1 process spans (timeout), and metric messaging.process.duration has counted 0',
    ],
  },
  {
    name: 'the status OK',
    of: CHAIN,
    spoil: (t) => void (process(t).status.code = 'OK'),
    findings: ['span CONSUMER "process price.*" has the status OK, which is the application\'s to set'],
  },
  {
    name: 'a status without message',
    of: FAILURES,
    spoil: (t) => void (failed(t).status.message = undefined),
    findings: [`${FAILED} failed and its status has no message`],
  },
  {
    name: 'a message of a status that is unset',
    of: CHAIN,
    spoil: (t) => void (process(t).status.message = 'fine'),
    findings: ['span CONSUMER "process price.*" has a status message and did not fail'],
  },
  {
    name: 'a failure without its exception',
    of: FAILURES,
    spoil: (t) => void (failed(t).events = []),
    findings: [`${FAILED} failed and has 0 exception events instead of one`],
  },
  {
    name: 'an exception that was recorded twice',
    of: FAILURES,
    spoil: (t) => void failed(t).events.push(...structuredClone(failed(t).events)),
    findings: [`${FAILED} failed and has 2 exception events instead of one`],
  },
  {
    name: 'an exception on what has not failed',
    of: CHAIN,
    spoil: (t) => void process(t).events.push(event(process(t), 'exception', { 'exception.message': 'boom' })),
    findings: ['span CONSUMER "process price.*" has an exception event and did not fail'],
  },
  {
    name: 'an exception that says nothing',
    of: FAILURES,
    spoil: (t) => without(found(failed(t).events[0], 'an event').attributes, 'exception.message'),
    findings: [`event exception of ${FAILED} lacks the attribute exception.message`],
  },
  {
    name: 'an event after the end',
    of: FAILURES,
    spoil: (t) => void (found(failed(t).events[0], 'an event').at = failed(t).end + 1n),
    findings: [`event exception of ${FAILED} lies outside the span`],
  },
  {
    name: 'an event that nobody has agreed on',
    of: CHAIN,
    spoil: (t) => void push(t).events.push(event(push(t), 'retry', {})),
    findings: ['event retry of span PRODUCER "push result" is none that the bus has'],
  },
  {
    name: 'a retry that does not say which',
    of: CHAIN,
    spoil: (t) => void push(t).events.push(event(push(t), 'messagebus.retry', { 'error.type': 'send_timeout' })),
    findings: ['event messagebus.retry of span PRODUCER "push result" lacks the attribute messagebus.attempt'],
  },
  {
    name: 'attempts out of order',
    of: CHAIN,
    spoil(t) {
      const attempt = (n: number): SpanEvent =>
        event(push(t), 'messagebus.retry', { 'messagebus.attempt': n, 'error.type': 'send_timeout' });
      push(t).events.push(attempt(1), attempt(3));
    },
    findings: ['span PRODUCER "push result" has the attempts [1,3], which is not how one counts'],
  },
  {
    name: 'a gap of nothing',
    of: CHAIN,
    spoil: (t) => void process(t).events.push(event(process(t), 'messagebus.gap', { 'messagebus.missed': 0 })),
    findings: ['event messagebus.gap of span CONSUMER "process price.*" has messagebus.missed 0, which cannot be'],
  },
  {
    name: 'a gap before a publish',
    of: CHAIN,
    spoil: (t) => void publish(t).events.push(event(publish(t), 'messagebus.gap', { 'messagebus.missed': 2 })),
    findings: ['event messagebus.gap of span PRODUCER "publish price.tick" does not belong on a publish span'],
  },
];

const refused = (telemetry: Telemetry): Span =>
  found(
    telemetry.spans.find(({ kind, attributes }) => kind === 'CONSUMER' && attributes['error.type'] === 'unverified'),
    'a refused message',
  );
const REFUSED_SPAN = 'span CONSUMER "process >"';
const call = (telemetry: Telemetry): Span => span(telemetry, 'CLIENT', 'price.get');
const answer = (telemetry: Telemetry): Span => span(telemetry, 'SERVER', 'price.get');
const unverified = (telemetry: Telemetry): NumberPoint =>
  found(
    metric(telemetry, 'messagebus.unverified').points.find(({ value }) => value > 0),
    'what was not authentic',
  );

const REFUSALS: readonly SeededMistake[] = [
  {
    name: 'a failed call that does not say what its caller was told',
    of: REFUSED,
    spoil: (t) => without(answer(t).attributes, 'rpc.status_code'),
    findings: ['span SERVER "price.get" failed and has no rpc.status_code'],
  },
  {
    name: 'a failed call without its status',
    of: REFUSED,
    spoil: (t) => without(call(t).attributes, 'rpc.status_code'),
    findings: ['span CLIENT "price.get" failed and has no rpc.status_code'],
  },
  {
    name: 'a status on a call that has not failed',
    of: CHAIN,
    spoil: (t) => void (request(t).attributes['rpc.status_code'] = 'timeout'),
    findings: ['span CLIENT "state.get" has rpc.status_code "timeout" and did not fail'],
  },
  {
    name: 'a status that is another than the error',
    of: REFUSED,
    spoil: (t) => void (call(t).attributes['rpc.status_code'] = 'timeout'),
    findings: ['span CLIENT "price.get" has rpc.status_code "timeout" and error.type "unverified"'],
  },
  {
    name: 'a status as gRPC numbers it',
    of: REFUSED,
    spoil: (t) => void (answer(t).attributes['rpc.status_code'] = 16),
    findings: ['span SERVER "price.get" has rpc.status_code 16, which is no string'],
  },
  {
    name: 'a status on an event',
    of: CHAIN,
    spoil: (t) => void (publish(t).attributes['rpc.status_code'] = 'timeout'),
    findings: ['span PRODUCER "publish price.tick" has the attribute rpc.status_code, which it should not have'],
  },
  {
    name: 'messages left out before one that was processed',
    of: CHAIN,
    spoil: (t) => void (process(t).attributes['messagebus.suppressed'] = 3),
    findings: ['span CONSUMER "process price.*" has messagebus.suppressed; no span was left out before it'],
  },
  {
    name: 'messages left out before one that was sent',
    of: CHAIN,
    spoil: (t) => void (push(t).attributes['messagebus.suppressed'] = 3),
    findings: [
      'span PRODUCER "push result" has messagebus.suppressed; no span was left out before it',
      'span PRODUCER "push result" has the attribute messagebus.suppressed, which it should not have',
    ],
  },
  {
    name: 'no messages left out',
    of: REFUSED,
    spoil: (t) => void (refused(t).attributes['messagebus.suppressed'] = 0),
    findings: [`${REFUSED_SPAN} has messagebus.suppressed 0, which cannot be`],
  },
  {
    name: 'a trace that a message claims without proof',
    of: REFUSED,
    spoil: (t) => void (refused(t).links = [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }]),
    findings: [`${REFUSED_SPAN} links to a sender that it cannot know`],
  },
  {
    name: 'a reason on a span, where a sender could read it',
    of: REFUSED,
    spoil: (t) => void (refused(t).attributes['messagebus.reason'] = 'signature'),
    findings: [`${REFUSED_SPAN} has the attribute messagebus.reason, which it should not have`],
  },
  {
    name: 'a reason that is not of the list',
    of: REFUSED,
    spoil: (t) => void (unverified(t).attributes['messagebus.reason'] = 'key k1 of the price team'),
    findings: [
      `a series of metric messagebus.unverified has messagebus.reason "key k1 of the price team", which is none of ${reasons}`,
    ],
  },
  {
    name: 'what was not authentic without the reason',
    of: REFUSED,
    spoil: (t) => {
      for (const one of metric(t, 'messagebus.unverified').points.slice(1)) one.value = 0;
      metric(t, 'messagebus.unverified').points.length = 1;
      without(point(t, 'messagebus.unverified').attributes, 'messagebus.reason');
    },
    findings: ['a series of metric messagebus.unverified lacks the attribute messagebus.reason'],
  },
  {
    name: 'drops without their error type',
    of: REFUSED,
    spoil: (t) => without(point(t, 'messagebus.inbound_dropped').attributes, 'error.type'),
    findings: ['a series of metric messagebus.inbound_dropped lacks the attribute error.type'],
  },
  {
    name: 'a refused handshake with an error of messages',
    of: REFUSED,
    spoil: (t) => void (point(t, 'messagebus.handshake_failures').attributes['error.type'] = 'unverified'),
    findings: [
      'a series of metric messagebus.handshake_failures has error.type "unverified", which is none of auth_failed, handshake_failed',
    ],
  },
  {
    name: 'a header that nobody asked for',
    of: HOOKED,
    spoil: (t) => void (publish(t).attributes['messagebus.header.x-other'] = 'a'),
    findings: ['span PRODUCER "publish price.tick" captures what the message says in messagebus.header.x-other'],
  },
  {
    name: 'a header of a call under the name for messages',
    of: HOOKED,
    spoil: (t) => rename(request(t).attributes, 'rpc.request.header.x-tenant', 'messagebus.header.x-tenant'),
    findings: ['span CLIENT "state.get" captures what the message says in messagebus.header.x-tenant'],
  },
  {
    name: 'a header of a call that is no list',
    of: HOOKED,
    spoil: (t) => void (request(t).attributes['rpc.request.header.x-tenant'] = 'a'),
    findings: ['span CLIENT "state.get" has rpc.request.header.x-tenant "a", which is not a list of strings'],
  },
  {
    name: 'a header of a message that is a list',
    of: HOOKED,
    spoil: (t) => void (publish(t).attributes['messagebus.header.x-tenant'] = ['a']),
    findings: ['span PRODUCER "publish price.tick" has messagebus.header.x-tenant ["a"], which is not a string'],
  },
];

const RELATIONS: readonly SeededMistake[] = [
  {
    name: 'a message that was processed before it was sent',
    of: CHAIN,
    spoil: (t) => void (process(t).start = publish(t).start - 1n),
    findings: ['span CONSUMER "process price.*" begins before its parent'],
  },
  {
    name: 'an answer that takes longer than its call',
    of: CHAIN,
    spoil: (t) => void (respond(t).end = request(t).end + 1n),
    findings: ['span SERVER "state.get" ends after the call that it answers'],
  },
  {
    name: 'a received message without its sender as the parent',
    of: CHAIN,
    spoil: (t) => void (process(t).parentId = undefined),
    findings: ['span CONSUMER "process price.*" has no parent, although a publish or push span has sent its message'],
  },
  {
    name: 'a request without its caller as the parent',
    of: CHAIN,
    spoil: (t) => void (respond(t).parentId = undefined),
    findings: ['span SERVER "state.get" has no parent, although a request span has sent its message'],
  },
  {
    name: 'a handler under the span that its message did not come from',
    of: CHAIN,
    spoil(t) {
      process(t).parentId = request(t).spanId;
      process(t).links = [{ traceId: request(t).traceId, spanId: request(t).spanId }];
    },
    findings: [
      'span CONSUMER "process price.*" is the child of span CLIENT "state.get"; its parent should be a publish or push span',
    ],
  },
  {
    name: 'an answer under the event that led to the question',
    of: CHAIN,
    spoil: (t) => void (respond(t).parentId = publish(t).spanId),
    findings: [
      'span SERVER "state.get" is the child of span PRODUCER "publish price.tick"; its parent should be a request span',
    ],
  },
  {
    name: 'a parent that was never exported',
    of: CHAIN,
    spoil: (t) => void (request(t).parentId = '1234567812345678'),
    findings: ['span CLIENT "state.get" has a parent that nobody has exported'],
  },
  {
    name: 'a child in another trace',
    of: CHAIN,
    spoil: (t) => void (respond(t).traceId = '1'.repeat(32)),
    findings: ['span SERVER "state.get" is of another trace than its parent'],
  },
  {
    name: 'a received message without a link',
    of: CHAIN,
    spoil: (t) => void (process(t).links = []),
    findings: ['span CONSUMER "process price.*" has 0 links instead of one, to its sender'],
  },
  {
    name: 'a link to somebody else',
    of: CHAIN,
    spoil: (t) => void (found(process(t).links[0], 'a link').spanId = push(t).spanId),
    findings: ['span CONSUMER "process price.*" links to another span than its parent'],
  },
  {
    name: 'a link of a sender',
    of: CHAIN,
    spoil: (t) => void push(t).links.push({ traceId: publish(t).traceId, spanId: publish(t).spanId }),
    findings: ['span PRODUCER "push result" has links; only a received message has'],
  },
  {
    name: 'a parent where there should be a link alone',
    of: LINKED,
    spoil: (t) => void (failed(t).parentId = publish(t).spanId),
    findings: [`${FAILED} has a parent, although it should start a trace of its own`],
  },
  {
    name: 'a trace of its own that does not link back',
    of: LINKED,
    spoil: (t) => void (failed(t).links = []),
    findings: [`${FAILED} should link to the span that has sent its message`],
  },
  {
    name: 'a trace of its own that is none',
    of: LINKED,
    spoil(t) {
      const { traceId } = publish(t);
      const { traceId: before } = failed(t);
      for (const one of t.spans) if (one.traceId === before) one.traceId = traceId;
      for (const { links } of t.spans) for (const link of links) if (link.traceId === before) link.traceId = traceId;
    },
    findings: [`${FAILED} should start a trace of its own`],
  },
  {
    name: 'a span that ended twice',
    of: CHAIN,
    spoil: (t) => void t.spans.push(structuredClone(push(t))),
    findings: ['span PRODUCER "push result" was exported 2 times'],
  },
  {
    name: 'a span that never ended',
    of: CHAIN,
    spoil: (t) => void found(t.started, 'the started spans').push('1234567812345678'),
    findings: ['1 started span(s) never ended'],
  },
  {
    name: 'a span that ends before it starts',
    of: CHAIN,
    spoil: (t) => void (push(t).end = push(t).start - 1n),
    findings: ['span PRODUCER "push result" ends before it starts'],
  },
  {
    name: 'a span of another scope',
    of: CHAIN,
    spoil: (t) => void (push(t).scope.name = 'my-app'),
    findings: ['span PRODUCER "push result" comes from the scope my-app instead of tracebus'],
  },
  {
    name: 'the schema of an older release of the conventions',
    of: CHAIN,
    spoil: (t) => void (push(t).scope.schemaUrl = 'https://opentelemetry.io/schemas/1.27.0'),
    findings: [
      `span PRODUCER "push result" has the schema URL https://opentelemetry.io/schemas/1.27.0 instead of ${SCHEMA}`,
    ],
  },
  {
    name: 'a tracer without schema',
    of: CHAIN,
    spoil: (t) => void (push(t).scope.schemaUrl = undefined),
    findings: [`span PRODUCER "push result" has the schema URL of nothing instead of ${SCHEMA}`],
  },
  {
    name: 'a resource that nobody can tell apart',
    of: CHAIN,
    spoil: (t) => without(push(t).resource, 'service.name'),
    findings: ['the resource lacks service.name'],
  },
  {
    name: 'the command line of the process',
    of: CHAIN,
    spoil: (t) => void (push(t).resource['process.command_args'] = ['node', '--password=x']),
    findings: ['the resource tells process.command_args'],
  },
];

const SECONDS = '0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10';
const DEFAULT_BOUNDS = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

const METRICS: readonly SeededMistake[] = [
  {
    name: 'a metric under another name',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.errors').name = 'messagebus.error_count'),
    findings: ['metric messagebus.error_count is none that the bus has', 'metric messagebus.errors is missing'],
  },
  {
    name: 'a metric under the name that it had before',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messaging.client.sent.messages').name = 'messaging.publish.messages'),
    findings: [
      'metric messaging.publish.messages is deprecated; the conventions now have messaging.client.operation.duration and messaging.client.sent.messages',
    ],
  },
  {
    name: 'a metric that is not there',
    of: CHAIN,
    spoil: (t) => void (t.metrics = t.metrics.filter(({ name }) => name !== 'messagebus.gaps')),
    findings: ['metric messagebus.gaps is missing'],
  },
  {
    name: 'a metric that was registered twice',
    of: CHAIN,
    spoil: (t) => void t.metrics.push(structuredClone(metric(t, 'messagebus.gaps'))),
    findings: ['a metric was exported twice'],
  },
  {
    name: 'milliseconds as the unit',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messaging.process.duration').unit = 'ms'),
    findings: ['metric messaging.process.duration has the unit "ms" instead of "s"'],
  },
  {
    name: 'a count without its unit',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.messages_sent').unit = '1'),
    findings: ['metric messagebus.messages_sent has the unit "1" instead of "{message}"'],
  },
  {
    name: "the SDK's own bounds",
    of: CHAIN,
    spoil(t) {
      const one = histogram(t, 'rpc.client.call.duration');
      one.bounds = DEFAULT_BOUNDS;
      one.counts = [...DEFAULT_BOUNDS, Infinity].map((_, index) => (index === 1 ? one.count : 0));
    },
    findings: [`metric rpc.client.call.duration has the bounds ${DEFAULT_BOUNDS.join(' ')} instead of ${SECONDS}`],
  },
  {
    name: 'milliseconds in buckets for seconds',
    of: CHAIN,
    spoil(t) {
      const one = histogram(t, 'rpc.client.call.duration');
      one.sum = 1234;
      one.max = 1234;
    },
    findings: [
      'metric rpc.client.call.duration has measured 1234 s in all, longer than everything took: these are no seconds',
    ],
  },
  {
    name: 'a counter that can fall',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.messages_sent').instrument = 'up-down-counter'),
    findings: ['metric messagebus.messages_sent is a up-down-counter instead of a counter'],
  },
  {
    name: 'a gauge that was made a counter',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.active_connections').instrument = 'counter'),
    findings: ['metric messagebus.active_connections is a counter instead of a gauge'],
  },
  {
    name: 'a counter that was made a gauge',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.errors').instrument = 'gauge'),
    findings: ['metric messagebus.errors is a gauge instead of a counter'],
  },
  {
    name: 'differences instead of totals',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.messages_sent').temporality = 'delta'),
    findings: ['metric messagebus.messages_sent has delta temporality instead of cumulative'],
  },
  {
    name: 'a metric that explains nothing',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.messages_sent').description = ''),
    findings: ['metric messagebus.messages_sent has no description that is a sentence: ""'],
  },
  {
    name: 'a schema on the meter',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.messages_sent').scope.schemaUrl = SCHEMA),
    findings: ['metric messagebus.messages_sent has a schema URL, which would become a Prometheus label'],
  },
  {
    name: 'a metric of another scope',
    of: CHAIN,
    spoil: (t) => void (metric(t, 'messagebus.messages_sent').scope.name = 'tracebus-metrics'),
    findings: ['metric messagebus.messages_sent comes from the scope tracebus-metrics instead of tracebus'],
  },
  {
    name: 'an attribute that belongs on spans',
    of: CHAIN,
    spoil: (t) => void (histogram(t, 'messaging.process.duration').attributes['network.transport'] = 'tcp'),
    findings: [
      'a series of metric messaging.process.duration has the attribute network.transport, which it should not have',
    ],
  },
  {
    name: 'a series for each message',
    of: CHAIN,
    spoil: (t) =>
      void (histogram(t, 'messaging.process.duration').attributes['messaging.message.id'] = 'a.price.tick.1'),
    findings: [
      'a series of metric messaging.process.duration has the attribute messaging.message.id, which it should not have',
    ],
  },
  {
    name: 'a series for each customer',
    of: CHAIN,
    spoil: (t) => void (histogram(t, 'rpc.server.call.duration').attributes['rpc.method'] = 'order.20261123000017'),
    findings: [
      'a series of metric rpc.server.call.duration has rpc.method "order.20261123000017", which only a few messages can share',
    ],
  },
  {
    name: 'a series for each of very many topics',
    of: CHAIN,
    spoil(t) {
      const all = metric(t, 'messagebus.messages_sent').points;
      const [first] = all;
      for (let n = 0; n < 200; n++) {
        const attributes = {
          ...found(first, 'a point').attributes,
          'messaging.destination.name': `price.n${String(n)}`,
        };
        all.push({ attributes, value: 1 });
      }
    },
    findings: ['metric messagebus.messages_sent has 203 destinations'],
  },
  {
    name: 'a deprecated attribute on a metric',
    of: CHAIN,
    spoil: (t) =>
      rename(point(t, 'messagebus.active_connections').attributes, 'messaging.system.name', 'messaging.system'),
    findings: [
      'a series of metric messagebus.active_connections has the deprecated attribute messaging.system; the conventions now have messaging.system.name',
    ],
  },
  {
    name: 'a duration that does not say of what',
    of: CHAIN,
    spoil: (t) => void (histogram(t, 'rpc.server.call.duration').attributes = { 'messaging.system.name': 'memory' }),
    findings: [
      'a series of metric rpc.server.call.duration lacks the attribute rpc.method',
      'a series of metric rpc.server.call.duration lacks the attribute rpc.system.name',
    ],
  },
  {
    name: 'a send that is measured as processing',
    of: CHAIN,
    spoil: (t) =>
      void (histogram(t, 'messaging.client.operation.duration').attributes['messaging.operation.type'] = 'process'),
    findings: [
      'a series of metric messaging.client.operation.duration has messaging.operation.type "process" instead of send',
    ],
  },
  {
    name: 'an error type on a metric that is not of the list',
    of: CHAIN,
    spoil: (t) =>
      void Object.assign(point(t, 'messagebus.errors').attributes, {
        'messaging.operation.name': 'publish',
        'error.type': 'Error: boom',
      }),
    findings: [`a series of metric messagebus.errors has error.type "Error: boom", which is none of ${errorTypes}`],
  },
  {
    name: 'the same series twice',
    of: CHAIN,
    spoil: (t) =>
      void metric(t, 'messagebus.messages_sent').points.push(structuredClone(point(t, 'messagebus.messages_sent'))),
    findings: ['metric messagebus.messages_sent has the same series twice'],
  },
  {
    name: 'a total that has fallen below zero',
    of: CHAIN,
    spoil: (t) => void (point(t, 'messagebus.messages_sent').value = -1),
    findings: ['metric messagebus.messages_sent has the value -1, which no counter of things can have'],
  },
  {
    name: 'half a message',
    of: CHAIN,
    spoil: (t) => void (point(t, 'messagebus.queue_depth').value = 0.5),
    findings: ['metric messagebus.queue_depth has the value 0.5, which no gauge of things can have'],
  },
  {
    name: 'buckets that lose a measurement',
    of: CHAIN,
    spoil: (t) => void histogram(t, 'rpc.client.call.duration').counts.fill(0),
    findings: ['metric rpc.client.call.duration has buckets that do not add up to its count of 1'],
  },
  {
    name: 'a call that is measured twice',
    of: CHAIN,
    spoil(t) {
      const one = histogram(t, 'rpc.client.call.duration');
      one.count = 2;
      one.counts[0] = (one.counts[0] ?? 0) + 1;
    },
    findings: ['there are 1 request spans (no error), and metric rpc.client.call.duration has counted 2'],
  },
  {
    name: 'operations that nobody has measured',
    of: CHAIN,
    spoil: (t) => void (t.metrics = t.metrics.filter(({ name }) => name !== 'messaging.process.duration')),
    findings: ['there are 2 process spans (no error), and metric messaging.process.duration has counted 0'],
  },
];

const LOGS: readonly SeededMistake[] = [
  {
    name: 'a severity that is not what its text says',
    of: FAILURES,
    spoil: (t) => log(t, { severityNumber: 9 }),
    findings: [`${LOG} has the severity 9 "ERROR", which does not fit`],
  },
  {
    name: 'a line break from a topic in a log record',
    of: FAILURES,
    spoil: (t) => log(t, { body: 'failed\nERROR all is lost' }),
    findings: ['log record "failed\\nERROR all is lost" has control characters: topics and headers could forge lines'],
  },
  {
    name: 'a log record without text',
    of: FAILURES,
    spoil: (t) => log(t, { body: { message: 'boom' } }),
    findings: ['log record {"message":"boom"} has no text'],
  },
  {
    name: 'a log record of nothing that the bus tells',
    of: FAILURES,
    spoil: (t) => log(t, { eventName: 'oops' }),
    findings: [`${LOG} has the event name oops, which is none of messagebus.failure, messagebus.drop`],
  },
  {
    name: 'a log record without error type',
    of: FAILURES,
    spoil: (t) => log(t, { attributes: { ...logOf(failed(t)).attributes, 'error.type': 'boom' } }),
    findings: [`${LOG} has error.type "boom", which is none of ${errorTypes}`],
  },
  {
    name: 'a log record that shows a header',
    of: FAILURES,
    spoil: (t) => log(t, { attributes: { ...logOf(failed(t)).attributes, 'messaging.headers': 'x' } }),
    findings: [`${LOG} captures what the message says in messaging.headers`],
  },
  {
    name: 'a log record of a trace that does not exist',
    of: FAILURES,
    spoil: (t) => log(t, { place: { traceId: '1'.repeat(32), spanId: '2'.repeat(16) } }),
    findings: [`${LOG} belongs to a span that nobody has exported`],
  },
  {
    name: 'a log record without schema',
    of: FAILURES,
    spoil: (t) => log(t, { scope: { name: 'tracebus', version: undefined, schemaUrl: undefined } }),
    findings: [`${LOG} has the schema URL of nothing instead of ${SCHEMA}`],
  },
];

export const SEEDED_MISTAKES: readonly SeededMistake[] = [
  ...NAMES_AND_ATTRIBUTES,
  ...OUTCOMES,
  ...REFUSALS,
  ...RELATIONS,
  ...METRICS,
  ...LOGS,
];
