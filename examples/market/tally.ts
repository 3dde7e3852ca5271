/** What one process has sent and received, counted by its own handlers and not by the bus: the reconciliation trusts nobody. */
import type { MessageBus } from 'tracebus';
import { Histogram } from './histogram.ts';
import type { HistogramData } from './histogram.ts';
import type { Market } from './topics.ts';

/** Messages by topic. */
export type Counts = Record<string, number>;

/** What a process answers to `demo.report`. */
export interface Report {
  readonly service: string;
  readonly pid: number;
  /** Where its metrics can be scraped. */
  readonly metricsUrl: string | undefined;
  readonly published: Counts;
  readonly received: Counts;
  readonly pushed: Counts;
  readonly pulled: Counts;
  readonly requests: { readonly answered: number; readonly failed: number };
  /** From publish to the handler. */
  readonly delivery: HistogramData;
  /** From request to its reply. */
  readonly roundTrip: HistogramData;
  /** Events that its subscriptions know they have missed. */
  readonly gaps: number;
  /** Messages that its bus dropped, out or in. */
  readonly drops: number;
  /** The last thing worth a line. */
  readonly latest: string | undefined;
}

export class Tally {
  readonly published: Counts = {};
  readonly received: Counts = {};
  readonly pushed: Counts = {};
  readonly pulled: Counts = {};
  readonly requests = { answered: 0, failed: 0 };
  readonly delivery = new Histogram();
  readonly roundTrip = new Histogram();
  latest: string | undefined;

  /** Counts an event in a handler, with the time it took from its publisher. */
  receive(topic: string, sentAt: number | undefined): void {
    count(this.received, topic);
    if (sentAt !== undefined) this.delivery.record(performance.timeOrigin + performance.now() - sentAt);
  }

  report(service: string, bus: MessageBus<Market>, metricsUrl: string | undefined): Report {
    const { outbound_dropped, inbound_dropped } = bus.metrics();
    const { published, received, pushed, pulled, requests, latest } = this;
    return {
      service,
      pid: process.pid,
      metricsUrl,
      published,
      received,
      pushed,
      pulled,
      requests,
      delivery: this.delivery.data(),
      roundTrip: this.roundTrip.data(),
      gaps: bus.stats().gaps,
      drops: outbound_dropped + inbound_dropped,
      latest,
    };
  }
}

export function count(counts: Counts, topic: string): void {
  counts[topic] = (counts[topic] ?? 0) + 1;
}

/** All topics together. */
export function total(counts: Counts): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}
