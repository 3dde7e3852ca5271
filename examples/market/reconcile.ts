/**
 * The comparison at the end: for each topic and each consumer, what was sent against what its handlers have counted. The
 * counts come from the processes, so a message that any step between publish and handler swallows is missed here.
 */
import type { Reports } from './control.ts';
import { Histogram } from './histogram.ts';
import type { Percentiles } from './histogram.ts';
import { total } from './tally.ts';
import type { Counts } from './tally.ts';

/** What became of one topic. */
export interface TopicOutcome {
  readonly sent: number;
  /** By consumer; each is to get all of it. */
  readonly received: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly duplicated: number;
}

/** The line of JSON. */
export interface Outcome {
  /** Everything arrived, once, and nothing failed. */
  readonly ok: boolean;
  /** From the start of the feed to its end. */
  readonly seconds: number;
  /** Events that the feed published. */
  readonly sent: number;
  /** Processes that each get every event. */
  readonly consumers: number;
  /** Events that reached handlers, of all consumers together. */
  readonly received: number;
  /** Events and results that were sent and reached no handler, counted for every consumer that missed them. */
  readonly lost: number;
  readonly duplicated: number;
  /** Events that subscribers found missing by themselves. */
  readonly gaps: number;
  /** Messages that any bus has dropped and counted. */
  readonly drops: number;
  /** Averages and alerts that were pushed. */
  readonly pushed: number;
  /** Those that the recorder has got. */
  readonly results: number;
  /** Requests for the state that were answered. */
  readonly requests: number;
  readonly failedRequests: number;
  /** From publish to the handler, in milliseconds. */
  readonly latencyMs: Percentiles;
  /** Of the requests. */
  readonly requestLatencyMs: Percentiles;
  readonly topics: Readonly<Record<string, TopicOutcome>>;
}

export function reconcile(reports: Reports, seconds: number): Outcome {
  const { feed, recorder, monitor } = reports;
  const analytics = [reports['analytics-short'], reports['analytics-long']];
  const topics: Record<string, TopicOutcome> = {
    ...compare(feed.published, Object.fromEntries(analytics.map(({ service, received }) => [service, received]))),
    ...compare(sum(analytics.map(({ pushed }) => pushed)), { recorder: recorder.pulled }),
  };
  const everyone = Object.values(reports);
  const add = (of: (one: (typeof everyone)[number]) => number): number =>
    everyone.reduce((all, one) => all + of(one), 0);
  const lost = Object.values(topics).reduce((all, one) => all + one.lost, 0);
  const duplicated = Object.values(topics).reduce((all, one) => all + one.duplicated, 0);
  const [gaps, drops] = [add((one) => one.gaps), add((one) => one.drops)];
  const { answered, failed } = monitor.requests;
  const sent = total(feed.published);
  return {
    ok: sent > 0 && lost + duplicated + gaps + drops + failed === 0,
    seconds: Math.round(seconds * 1000) / 1000,
    sent,
    consumers: analytics.length,
    received: add((one) => total(one.received)),
    lost,
    duplicated,
    gaps,
    drops,
    pushed: add((one) => total(one.pushed)),
    results: total(recorder.pulled),
    requests: answered,
    failedRequests: failed,
    latencyMs: analytics.reduce((all, { delivery }) => all.add(delivery), new Histogram()).percentiles(),
    requestLatencyMs: new Histogram().add(monitor.roundTrip).percentiles(),
    topics,
  };
}

function compare(sent: Counts, received: Readonly<Record<string, Counts>>): Record<string, TopicOutcome> {
  const names = new Set([sent, ...Object.values(received)].flatMap((counts) => Object.keys(counts)));
  const outcomes = [...names].map((topic) => {
    const wanted = sent[topic] ?? 0;
    const got = Object.entries(received).map(([consumer, counts]) => [consumer, counts[topic] ?? 0] as const);
    const lost = got.reduce((all, [, count]) => all + Math.max(0, wanted - count), 0);
    const duplicated = got.reduce((all, [, count]) => all + Math.max(0, count - wanted), 0);
    return [topic, { sent: wanted, received: Object.fromEntries(got), lost, duplicated }] as const;
  });
  return Object.fromEntries(outcomes);
}

function sum(list: readonly Counts[]): Counts {
  const all: Counts = {};
  for (const counts of list)
    for (const [topic, count] of Object.entries(counts)) all[topic] = (all[topic] ?? 0) + count;
  return all;
}
