import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { MINUTES, parseRules, timeLapse } from '../backends/time-lapse.ts';
import { askedFor } from './metric-names.ts';

const FOLDER = path.resolve(import.meta.dirname, '../../observability/prometheus');
const TEXT = readFileSync(path.join(FOLDER, 'rules.yml'), 'utf8');
const RULES = parseRules(TEXT).groups.flatMap(({ rules }) => rules);

/** Enough for what happened, where to look and what to do. */
const SHORTEST_DESCRIPTION = 150;

test('every alert says how bad it is, what happened and what to do', () => {
  assert.equal(new Set(RULES.map(({ alert }) => alert)).size, RULES.length);
  for (const { alert, labels, annotations, expr, ...rest } of RULES) {
    assert.match(alert, /^Tracebus[A-Z]\w+$/);
    assert.match(labels['severity'] ?? '', /^(?:warning|critical)$/, alert);
    assert.ok((annotations['summary'] ?? '').length > 10, alert);
    assert.ok((annotations['description'] ?? '').length > SHORTEST_DESCRIPTION, alert);
    assert.match(rest.for, MINUTES, alert);
    assert.notEqual(expr, '', alert);
    // The service in the text, except where there is none.
    if (alert !== 'TracebusNoData') assert.match(annotations['summary']!, /\{\{ \$labels\.job \}\}/);
  }
});

test('the rules ask for metrics of the tables alone, and for durations in both spellings', () => {
  for (const { alert, expr } of RULES) {
    const { metrics, unknown } = askedFor(expr);
    assert.ok(metrics.length > 0, alert);
    assert.deepEqual(unknown, [], alert);
  }
});

test('there is an alert for each kind of fault', () => {
  const asked = new Set(RULES.flatMap(({ expr }) => askedFor(expr).metrics));
  assert.deepEqual([...asked].sort(), [
    'messagebus.active_connections',
    'messagebus.cooling_down',
    'messagebus.errors',
    'messagebus.gaps',
    'messagebus.handshake_failures',
    'messagebus.inbound_dropped',
    'messagebus.outbound_dropped',
    'messagebus.queue_depth',
    'messagebus.request_timeouts',
    'messagebus.subscribers_left_behind',
    'messagebus.unverified',
    'messaging.process.duration',
    'rpc.server.call.duration',
  ]);
});

test('each alert has a unit test in which it fires, and one in which nothing does', () => {
  const { tests } = parse(readFileSync(path.join(FOLDER, 'rules.test.yml'), 'utf8')) as {
    tests: { input_series: { series: string }[]; promql_expr_test: { exp_samples: { labels: string }[] }[] }[];
  };
  const cases = tests.map(({ input_series, promql_expr_test }) => ({
    series: input_series.map(({ series }) => series).join(' '),
    fires: promql_expr_test.flatMap(({ exp_samples }) => exp_samples.map(({ labels }) => labels)).join(' '),
  }));
  for (const { alert, expr } of RULES) {
    assert.ok(
      cases.some(({ fires }) => fires.includes(`"${alert}"`)),
      `${alert} fires`,
    );
    const metric = /messagebus_\w+|(?:messaging_process|rpc_server_call)_duration/.exec(expr)![0];
    assert.ok(
      cases.some(({ series, fires }) => fires === '' && series.includes(metric)),
      `${alert} does not fire`,
    );
  }
});

test('every time is in minutes, so that the time lapse of the tests changes all of them alike', () => {
  for (const { alert, expr } of RULES) {
    for (const [range] of expr.matchAll(/\[[^\]]*\]/g)) assert.match(range, /^\[\d+m:?\]$/, alert);
    assert.doesNotMatch(expr, /\boffset\b/, alert);
  }
  const fast = parseRules(timeLapse(TEXT)).groups.flatMap(({ rules }) => rules);
  const inSeconds = (text: string): string => text.replaceAll(/(?<=^|\[)(\d+)m(?=$|\]|:)/g, '$1s');
  assert.deepEqual(
    fast,
    RULES.map((rule) => ({ ...rule, expr: inSeconds(rule.expr), for: inSeconds(rule.for) })),
  );
  assert.notDeepEqual(fast, RULES);
});
