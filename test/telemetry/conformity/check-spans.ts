/** Each span by itself: kind, name, attributes, status, events, times, scope. */
import { checkAttributes } from './check-attributes.ts';
import type { Attributes, Particulars, Span, SpanEvent } from './model.ts';
import { EVENT_RULES, HEADERS, LOOKS_LIKE_AN_ID, OTHER_METHOD, SCOPE, SPAN_RULES } from './rules.ts';
import type { SpanRule } from './rules.ts';

/** True for a span of the bus, also for one that has forgotten to say so. */
export function isOfTheBus({ scope, attributes }: Span): boolean {
  return (
    scope.name === SCOPE.name || Object.keys(attributes).some((name) => /^(messaging|rpc|messagebus)\./.test(name))
  );
}

/** The rule for a span: by its operation, else by the verb of its name; for calls by its kind. */
export function ruleOf({ attributes, name, kind }: Span): SpanRule | undefined {
  const operation = attributes['messaging.operation.name'] ?? (isMessaging(kind) ? name.split(' ', 1)[0] : undefined);
  const messaging = SPAN_RULES.find((rule) => rule.naming === 'messaging' && rule.operation === operation);
  if (messaging !== undefined || attributes['rpc.method'] === undefined) return messaging;
  return SPAN_RULES.find((rule) => rule.operation === (kind === 'SERVER' ? 'respond' : 'request'));
}

function isMessaging(kind: string): boolean {
  return kind === 'PRODUCER' || kind === 'CONSUMER';
}

/** A span in a sentence. */
export function shown({ kind, name }: Span): string {
  return `span ${kind} "${name}"`;
}

export function checkSpan(span: Span, particulars: Particulars): string[] {
  const rule = ruleOf(span);
  const what = shown(span);
  if (rule === undefined) return [`${what} is of no operation that the bus has`, ...checkScope(span)];
  const { foreign = false, extraAttributes = [], refused = [] } = particulars;
  const isUnread = span.parentId === undefined && refused.includes(String(span.attributes['error.type']));
  const required =
    foreign || isUnread ? rule.required.filter((name) => name !== 'messaging.message.id') : rule.required;
  const allowed = [...rule.allowed, ...rule.required, ...extraAttributes];
  const { findings, others } = checkHeaders(span, rule, particulars);
  return [
    ...(span.kind === rule.kind ? [] : [`${what} is of kind ${span.kind}; a ${rule.operation} span is a ${rule.kind}`]),
    ...findings,
    ...checkAttributes(what, others, { required, allowed, fixed: rule.fixed }),
    ...checkSuppressed(span),
    ...checkTransport(span),
    ...(rule.naming === 'messaging' ? checkMessagingName(span, rule, particulars) : checkRpcName(span)),
    ...checkStatus(span),
    ...(rule.naming === 'rpc' ? checkRpcStatus(span) : []),
    ...checkEvents(span, rule),
    ...(span.end < span.start ? [`${what} ends before it starts`] : []),
    ...checkScope(span),
  ];
}

/** Headers that were asked for are there as they should be; the other attributes are left for the rules. */
function checkHeaders(span: Span, { naming }: SpanRule, { headers = [] }: Particulars) {
  const { prefix, isList } = HEADERS[naming];
  const findings: string[] = [];
  const others: Attributes = {};
  for (const [name, value] of Object.entries(span.attributes)) {
    if (!headers.some((header) => name === prefix + header)) {
      others[name] = value;
      continue;
    }
    const isRight = isList ? Array.isArray(value) && value.every(isText) : isText(value);
    const wanted = isList ? 'a list of strings' : 'a string';
    if (!isRight) findings.push(`${shown(span)} has ${name} ${JSON.stringify(value)}, which is not ${wanted}`);
  }
  return { findings, others };
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

/** Only the spans of refused messages are limited. */
function checkSuppressed(span: Span): string[] {
  if (!('messagebus.suppressed' in span.attributes)) return [];
  const isRefused = span.parentId === undefined && span.status.code === 'ERROR';
  return isRefused ? [] : [`${shown(span)} has messagebus.suppressed; no span was left out before it`];
}

function checkMessagingName(span: Span, { operation }: SpanRule, { isBeyondCap = false }: Particulars): string[] {
  const what = shown(span);
  const { attributes, name } = span;
  const destination = attributes['messaging.destination.template'] ?? attributes['messaging.destination.name'];
  if (typeof destination !== 'string') return []; // which was found already
  if (isBeyondCap && name === operation) return [];
  if (name !== `${operation} ${destination}`) return [`${what} should be named "${operation} ${destination}"`];
  return LOOKS_LIKE_AN_ID.test(name) ? [`${what} has a name that only a few messages can share`] : [];
}

function checkRpcName(span: Span): string[] {
  const what = shown(span);
  const { 'rpc.method': method, 'rpc.method_original': original, 'rpc.system.name': system } = span.attributes;
  if (typeof method !== 'string') return [];
  const findings: string[] = [];
  const isMany = method === OTHER_METHOD || /[*>]/.test(method);
  const name = method === OTHER_METHOD ? system : method;
  if (system !== undefined && span.name !== name) findings.push(`${what} should be named "${String(name)}"`);
  else if (LOOKS_LIKE_AN_ID.test(span.name)) findings.push(`${what} has a name that only a few messages can share`);
  if (isMany && original === undefined)
    findings.push(`${what} lacks rpc.method_original, as ${method} stands for many`);
  if (!isMany && original !== undefined) findings.push(`${what} has rpc.method_original beside the method itself`);
  return findings;
}

function checkTransport(span: Span): string[] {
  const { 'network.transport': transport, 'server.port': port, 'server.address': address } = span.attributes;
  const what = shown(span);
  const findings: string[] = [];
  if (port !== undefined && address === undefined) findings.push(`${what} has a server.port and no server.address`);
  if (address !== undefined && transport === undefined)
    findings.push(`${what} has a server.address and no network.transport`);
  if (transport === 'unix' && port !== undefined) findings.push(`${what} has a server.port on a unix socket`);
  return findings;
}

function checkStatus(span: Span): string[] {
  const what = shown(span);
  const { code, message } = span.status;
  const type = span.attributes['error.type'];
  const exceptions = span.events.filter(({ name }) => name === 'exception').length;
  if (code === 'ERROR') {
    const findings: string[] = [];
    if (type === undefined) findings.push(`${what} failed and has no error.type`);
    if (message === undefined || message === '') findings.push(`${what} failed and its status has no message`);
    if (exceptions !== 1) findings.push(`${what} failed and has ${String(exceptions)} exception events instead of one`);
    return findings;
  }
  const findings: string[] = [];
  if (code !== 'UNSET') findings.push(`${what} has the status ${code}, which is the application's to set`);
  if (type !== undefined) findings.push(`${what} has error.type ${JSON.stringify(type)} and did not fail`);
  if (message !== undefined && message !== '') findings.push(`${what} has a status message and did not fail`);
  if (exceptions > 0) findings.push(`${what} has an exception event and did not fail`);
  return findings;
}

/** A call that failed says what its caller was told, and only such a one. */
function checkRpcStatus(span: Span): string[] {
  const what = shown(span);
  const { 'rpc.status_code': status, 'error.type': type } = span.attributes;
  const isFailed = span.status.code === 'ERROR';
  if (isFailed && status === undefined) return [`${what} failed and has no rpc.status_code`];
  if (!isFailed && status !== undefined)
    return [`${what} has rpc.status_code ${JSON.stringify(status)} and did not fail`];
  // The caller's two are the same; a responder may tell less than it knows.
  if (!isFailed || span.kind !== 'CLIENT' || status === type) return [];
  return [`${what} has rpc.status_code ${JSON.stringify(status)} and error.type ${JSON.stringify(type)}`];
}

function checkEvents(span: Span, rule: SpanRule): string[] {
  const findings = span.events.flatMap((event) => checkEvent(span, event, rule));
  const attempts = span.events
    .map(({ attributes }) => attributes['messagebus.attempt'])
    .filter((one) => one !== undefined);
  if (attempts.some((attempt, index) => attempt !== index + 1)) {
    findings.push(`${shown(span)} has the attempts ${JSON.stringify(attempts)}, which is not how one counts`);
  }
  return findings;
}

function checkEvent(span: Span, event: SpanEvent, rule: SpanRule): string[] {
  const what = `event ${event.name} of ${shown(span)}`;
  const expected = EVENT_RULES[event.name];
  if (expected === undefined) return [`${what} is none that the bus has`];
  return [
    ...(rule.events.includes(event.name) ? [] : [`${what} does not belong on a ${rule.operation} span`]),
    ...checkAttributes(what, event.attributes, expected),
    ...(event.at < span.start || event.at > span.end ? [`${what} lies outside the span`] : []),
  ];
}

function checkScope(span: Span): string[] {
  const { name, schemaUrl } = span.scope;
  if (name !== SCOPE.name) return [`${shown(span)} comes from the scope ${name} instead of ${SCOPE.name}`];
  if (schemaUrl === SCOPE.tracerSchemaUrl) return [];
  return [`${shown(span)} has the schema URL ${schemaUrl ?? 'of nothing'} instead of ${SCOPE.tracerSchemaUrl}`];
}
