/**
 * What the bus counts: the nine documented figures and the bus's own. Plain integers on the hot path; the metrics middleware
 * reads them, nothing is ever reset. The definition of each figure, to the unit, is in docs/metrics.md.
 *
 * Counts that have attributes are kept per series: a series object is looked up once per topic (or once per failure) and then
 * incremented directly.
 */

/** The verbs as `messaging.operation.name` has them. */
export type Operation = 'publish' | 'push' | 'subscribe' | 'pull' | 'request' | 'respond';

/** One time series: a count under one set of attributes. */
export interface Series {
  readonly operation: Operation | undefined;
  /** The topic, the pattern, or `other` beyond the cap; undefined where the figure has no destination. */
  readonly destination: string | undefined;
  readonly errorType: string | undefined;
  value: number;
}

/** A monotonic count, in all and by series. */
export class Count {
  readonly #series = new Map<string, Series>();
  readonly #cap: number;

  constructor(cap: number = DESTINATION_CAP) {
    this.#cap = cap;
  }

  /** The series for these attributes: keep it and count `value` up. Beyond the cap a destination becomes `other`. */
  series(operation?: Operation, destination?: string, errorType?: string): Series {
    const key = seriesKey(operation, destination, errorType);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (destination !== undefined && destination !== OTHER && this.#series.size >= this.#cap) {
      return this.series(operation, OTHER, errorType);
    }
    const made: Series = { operation, destination, errorType, value: 0 };
    this.#series.set(key, made);
    return made;
  }

  /** Counts one (or `by`) under these attributes. */
  add(operation?: Operation, errorType?: string, by = 1): void {
    this.series(operation, undefined, errorType).value += by;
  }

  get total(): number {
    let sum = 0;
    for (const one of this.#series.values()) sum += one.value;
    return sum;
  }

  /** Every series, in the order in which they were first counted. */
  all(): IterableIterator<Series> {
    return this.#series.values();
  }
}

/** How many destinations become attribute values; the rest is one series `other` (an unbounded set would flood the back end). */
export const DESTINATION_CAP = 100;
const OTHER = 'other';

/** The nine documented figures, under their documented names. */
export interface DocumentedMetrics {
  readonly messages_sent: number;
  readonly messages_received: number;
  readonly errors: number;
  readonly outbound_dropped: number;
  readonly inbound_dropped: number;
  readonly backpressure_events: number;
  readonly request_timeouts: number;
  readonly failed_bind_count: number;
  readonly active_connections: number;
}

/** Everything that one bus counts. */
export class Counters {
  readonly sent: Count = new Count();
  readonly received: Count = new Count();
  readonly errors: Count = new Count();
  readonly outboundDropped: Count = new Count();
  readonly inboundDropped: Count = new Count();
  readonly backpressure: Count = new Count();
  /** By destination (the request's topic). */
  readonly requestTimeouts: Count = new Count();
  readonly failedBinds: Count = new Count();
  /** Beyond the nine: publishes that nobody was subscribed to. */
  readonly unrouted: Count = new Count();
  /** Messages that a subscriber knows it has missed. */
  readonly gaps: Count = new Count();
  readonly lateReplies: Count = new Count();
  readonly retries: Count = new Count();
  readonly subscribersLeftBehind: Count = new Count();
  readonly reconnects: Count = new Count();
  /** Times that a failed endpoint was left alone for a while. */
  readonly coolDowns: Count = new Count();
  readonly handshakeFailures: Count = new Count();
  /** Messages received that no handler's pattern matched. */
  readonly noHandler: Count = new Count();
  /** Messages that were not authentic, by the reason in place of the type of error. */
  readonly unverified: Count = new Count();
  /** Open sockets. This and the following are gauges, which the bus provides. */
  activeConnections: () => number = () => 0;
  /** Messages that are being handled or wait for their handler. */
  inFlightHandlers: () => number = () => 0;
  /** Messages accepted and not yet taken by a transport. */
  queuedMessages: () => number = () => 0;
  /** Endpoints that are left alone after a failure. */
  coolingDown: () => number = () => 0;

  /** The nine documented figures. */
  documented(): DocumentedMetrics {
    return {
      messages_sent: this.sent.total,
      messages_received: this.received.total,
      errors: this.errors.total,
      outbound_dropped: this.outboundDropped.total,
      inbound_dropped: this.inboundDropped.total,
      backpressure_events: this.backpressure.total,
      request_timeouts: this.requestTimeouts.total,
      failed_bind_count: this.failedBinds.total,
      active_connections: this.activeConnections(),
    };
  }
}

function seriesKey(operation: string | undefined, destination: string | undefined, type: string | undefined): string {
  return `${operation ?? ''}\u0000${destination ?? ''}\u0000${type ?? ''}`;
}
