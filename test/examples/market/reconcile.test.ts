import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reports } from '../../../examples/market/control.ts';
import { Histogram } from '../../../examples/market/histogram.ts';
import { reconcile } from '../../../examples/market/reconcile.ts';
import type { Report } from '../../../examples/market/tally.ts';

function report(service: string, own: Partial<Report> = {}): Report {
  const nothing = new Histogram().data();
  return {
    service,
    pid: 1,
    metricsUrl: undefined,
    published: {},
    received: {},
    pushed: {},
    pulled: {},
    requests: { answered: 0, failed: 0 },
    delivery: nothing,
    roundTrip: nothing,
    gaps: 0,
    drops: 0,
    latest: undefined,
    ...own,
  };
}

function reports(own: Partial<Record<keyof Reports, Partial<Report>>> = {}): Reports {
  return {
    feed: report('feed', { published: { 'price.sp500': 10, 'price.ibm': 2 }, ...own.feed }),
    'analytics-short': report('analytics-short', {
      received: { 'price.sp500': 10, 'price.ibm': 2 },
      pushed: { average: 3 },
      ...own['analytics-short'],
    }),
    'analytics-long': report('analytics-long', {
      received: { 'price.sp500': 10, 'price.ibm': 2 },
      pushed: { average: 1, alert: 1 },
      ...own['analytics-long'],
    }),
    recorder: report('recorder', { pulled: { average: 4, alert: 1 }, ...own.recorder }),
    monitor: report('monitor', { requests: { answered: 7, failed: 0 }, ...own.monitor }),
  };
}

test('it is even when every consumer has every event and the recorder every result', () => {
  const { ok, sent, received, lost, duplicated, pushed, results, requests, topics } = reconcile(reports(), 5);
  assert.deepEqual(
    { ok, sent, received, lost, duplicated, pushed, results, requests },
    { ok: true, sent: 12, received: 24, lost: 0, duplicated: 0, pushed: 5, results: 5, requests: 7 },
  );
  assert.deepEqual(Object.keys(topics), ['price.sp500', 'price.ibm', 'average', 'alert']);
});

test('an event that one consumer missed is one lost, under its topic', () => {
  const received = { 'price.sp500': 9, 'price.ibm': 2 };
  const { ok, lost, topics } = reconcile(reports({ 'analytics-long': { received } }), 5);
  assert.deepEqual({ ok, lost }, { ok: false, lost: 1 });
  assert.deepEqual(topics['price.sp500'], {
    sent: 10,
    received: { 'analytics-short': 10, 'analytics-long': 9 },
    lost: 1,
    duplicated: 0,
  });
});

test('one lost and one received twice do not cancel out', () => {
  const received = { 'price.sp500': 9, 'price.ibm': 3 };
  const { ok, lost, duplicated } = reconcile(reports({ 'analytics-short': { received } }), 5);
  assert.deepEqual({ ok, lost, duplicated }, { ok: false, lost: 1, duplicated: 1 });
});

test('a topic that was received and never sent counts as received twice', () => {
  const received = { 'price.sp500': 10, 'price.ibm': 2, 'price.goog': 1 };
  assert.equal(reconcile(reports({ 'analytics-short': { received } }), 5).duplicated, 1);
});

test('a result that was not pulled is lost', () => {
  const { ok, lost } = reconcile(reports({ recorder: { pulled: { average: 4 } } }), 5);
  assert.deepEqual({ ok, lost }, { ok: false, lost: 1 });
});

test('nothing sent, a gap, a drop and a failed request are failures too', () => {
  const nothing = { received: {}, pushed: {} };
  const silent = reports({
    feed: { published: {} },
    'analytics-short': nothing,
    'analytics-long': nothing,
    recorder: { pulled: {} },
  });
  assert.equal(reconcile(silent, 5).ok, false);
  assert.equal(reconcile(reports({ 'analytics-short': { gaps: 1 } }), 5).ok, false);
  assert.equal(reconcile(reports({ feed: { drops: 1 } }), 5).ok, false);
  assert.equal(reconcile(reports({ monitor: { requests: { answered: 1, failed: 1 } } }), 5).ok, false);
});
