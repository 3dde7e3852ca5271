/** Log records: name, severity, text, attributes, and the span that they belong to. */
import { checkAttributes } from './check-attributes.ts';
import type { Log, Telemetry } from './model.ts';
import { LOG_RULE, SCOPE, SEVERITIES } from './rules.ts';

export function checkLogs({ logs, spans }: Telemetry): string[] {
  const places = new Map(spans.map(({ spanId, traceId }) => [spanId, traceId]));
  return logs.filter(({ scope }) => scope.name === SCOPE.name).flatMap((log) => checkLog(log, places));
}

function checkLog(log: Log, places: ReadonlyMap<string, string>): string[] {
  const { severityNumber, severityText, body, attributes, place } = log;
  const what = `log record ${JSON.stringify(body)}`;
  const findings = checkAttributes(what, attributes, LOG_RULE);
  const first = SEVERITIES[severityText ?? ''];
  if (severityNumber === undefined || first === undefined || severityNumber < first || severityNumber > first + 3) {
    findings.push(`${what} has the severity ${String(severityNumber)} "${String(severityText)}", which does not fit`);
  }
  if (typeof body !== 'string' || body === '') findings.push(`${what} has no text`);
  else if (/\p{Cc}/u.test(body)) findings.push(`${what} has control characters: topics and headers could forge lines`);
  if (!LOG_RULE.events.some((name) => name === log.eventName)) {
    findings.push(
      `${what} has the event name ${String(log.eventName)}, which is none of ${LOG_RULE.events.join(', ')}`,
    );
  }
  if (log.scope.schemaUrl !== SCOPE.tracerSchemaUrl) {
    findings.push(
      `${what} has the schema URL ${log.scope.schemaUrl ?? 'of nothing'} instead of ${SCOPE.tracerSchemaUrl}`,
    );
  }
  if (place !== undefined && places.get(place.spanId) !== place.traceId) {
    findings.push(`${what} belongs to a span that nobody has exported`);
  }
  return findings;
}
