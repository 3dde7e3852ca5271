/** The OpenTelemetry names of log records alone; what they share with spans and metrics is in semconv.ts. */

/** Attributes of log records alone; the others of a record are those of semconv.ts. */
export const LOG_ATTR = {
  /** The name of the error's class. */
  exceptionType: 'exception.type',
  exceptionMessage: 'exception.message',
  /** How many records of this operation and error type were left out since the last one, where there was a flood. */
  suppressed: 'messagebus.suppressed',
} as const;

/** The event names of log records: what became of the message. */
export const LOG_EVENTS = {
  /** Something failed that no call reports, a handler for instance. */
  failure: 'messagebus.failure',
  /** A message arrived and reached no handler. */
  drop: 'messagebus.drop',
} as const;
