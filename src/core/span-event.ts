/** Events on the span of a message, for every part of the bus that has something to tell beside the trace step. */
import { diag } from '@opentelemetry/api';
import type { Attributes, Span } from '@opentelemetry/api';

/** Adds an event where there is a span; what an SDK throws costs the event alone. */
export function addSpanEvent(span: Span | undefined, name: string, attributes: Attributes): void {
  if (span === undefined) return;
  try {
    span.addEvent(name, attributes);
  } catch (error) {
    diag.error(`tracebus: the event ${name} could not be added`, error);
  }
}
