/** Events on the span of a message, for every part of the bus that has something to tell beside the trace step. */
import { diag } from '@opentelemetry/api';
import type { Attributes, HrTime, Span } from '@opentelemetry/api';

/** The time on a span, by the clock that it was started with. */
export interface SpanTime {
  now(): HrTime;
}

/** A message and its span, both undefined while there is none that records. */
export interface Spanned {
  readonly span: Span | undefined;
  readonly spanTime: SpanTime | undefined;
}

/** Adds an event where there is a span; what an SDK throws costs the event alone. */
export function addSpanEvent({ span, spanTime }: Spanned, name: string, attributes: Attributes): void {
  if (span === undefined) return;
  try {
    span.addEvent(name, attributes, spanTime?.now());
  } catch (error) {
    diag.error(`tracebus: the event ${name} could not be added`, error);
  }
}
