/** Spans among each other: who is whose parent, what links where, and that each ended once. */
import { ruleOf, shown, isOfTheBus } from './check-spans.ts';
import type { Particulars, Span, Telemetry } from './model.ts';
import type { SpanRule } from './rules.ts';

export function checkRelations({ spans }: Telemetry, particulars: Particulars): string[] {
  const known = new Map(spans.map((span) => [span.spanId, span]));
  return [...known.values()].filter(isOfTheBus).flatMap((span) => {
    const rule = ruleOf(span);
    if (rule === undefined) return [];
    return [...checkParent(span, rule, known, particulars), ...checkLinks(span, rule, known, particulars)];
  });
}

function checkParent(span: Span, rule: SpanRule, known: ReadonlyMap<string, Span>, particulars: Particulars): string[] {
  const what = shown(span);
  if (span.parentId === undefined) {
    const mayBeRoot = rule.parents === undefined || isStartingAnew(span, particulars);
    return mayBeRoot
      ? []
      : [`${what} has no parent, although a ${rule.parents.join(' or ')} span has sent its message`];
  }
  if (isLinkedOnly(span, particulars)) return [`${what} has a parent, although it should start a trace of its own`];
  const parent = known.get(span.parentId);
  if (parent === undefined) {
    const { strangers = [] } = particulars;
    return strangers.includes(span.parentId) ? [] : [`${what} has a parent that nobody has exported`];
  }
  const findings: string[] = [];
  if (parent.traceId !== span.traceId) findings.push(`${what} is of another trace than its parent`);
  const parentRule = isOfTheBus(parent) ? ruleOf(parent)?.operation : 'application';
  if (rule.parents !== undefined && parentRule !== undefined && !rule.parents.includes(parentRule)) {
    findings.push(`${what} is the child of ${shown(parent)}; its parent should be a ${rule.parents.join(' or ')} span`);
  }
  return findings.length > 0 ? findings : checkTimes(span, parent, rule);
}

/** Within one machine. The SDK gives the application's own spans whole milliseconds: they say nothing here. */
function checkTimes(span: Span, parent: Span, { operation }: SpanRule): string[] {
  if (!isOfTheBus(parent)) return [];
  const what = shown(span);
  if (span.start < parent.start) return [`${what} begins before its parent`];
  const isWaitedFor = operation === 'respond' && parent.status.code !== 'ERROR';
  return isWaitedFor && span.end > parent.end ? [`${what} ends after the call that it answers`] : [];
}

function checkLinks(span: Span, rule: SpanRule, known: ReadonlyMap<string, Span>, particulars: Particulars): string[] {
  const what = shown(span);
  const { links, parentId } = span;
  if (!rule.isLinked) return links.length === 0 ? [] : [`${what} has links; only a received message has`];
  if (isLinkedOnly(span, particulars)) {
    const source = known.get(links[0]?.spanId ?? '');
    if (links.length !== 1 || source === undefined)
      return [`${what} should link to the span that has sent its message`];
    const isSource = rule.parents?.includes(ruleOf(source)?.operation ?? '') === true;
    if (!isSource) return [`${what} links to ${shown(source)}, which has sent it nothing`];
    return source.traceId === span.traceId ? [`${what} should start a trace of its own`] : [];
  }
  if (parentId === undefined) {
    return isStartingAnew(span, particulars) && links.length > 0
      ? [`${what} links to a sender that it cannot know`]
      : [];
  }
  if (links.length !== 1) return [`${what} has ${String(links.length)} links instead of one, to its sender`];
  const isToParent = links[0]?.spanId === parentId && links[0].traceId === span.traceId;
  return isToParent ? [] : [`${what} links to another span than its parent`];
}

function isLinkedOnly({ name }: Span, { linked = [] }: Particulars): boolean {
  return linked.includes(name);
}

/** True for a span that may, or has to, be a root although it is about a message that somebody sent. */
function isStartingAnew(span: Span, particulars: Particulars): boolean {
  const { foreign = false, refused = [] } = particulars;
  return foreign || isLinkedOnly(span, particulars) || refused.includes(String(span.attributes['error.type']));
}

/** Whatever was started has ended, once. */
export function checkEnds({ spans, started, complaints }: Telemetry): string[] {
  const findings = complaints.map((complaint) => `OpenTelemetry complains: ${complaint}`);
  const ended = new Map<string, number>();
  for (const { spanId } of spans) ended.set(spanId, (ended.get(spanId) ?? 0) + 1);
  for (const [spanId, count] of ended) {
    const span = spans.find((one) => one.spanId === spanId);
    if (count > 1 && span !== undefined) findings.push(`${shown(span)} was exported ${String(count)} times`);
  }
  const open = (started ?? []).filter((spanId) => !ended.has(spanId)).length;
  if (open > 0) findings.push(`${String(open)} started span(s) never ended`);
  return findings;
}
