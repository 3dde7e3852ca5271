/** The rules against the conventions' own package, and the tables of the source against the rules. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import {
  MESSAGING_OPERATION_TYPE_VALUE_CREATE,
  MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
  MESSAGING_OPERATION_TYPE_VALUE_RECEIVE,
  MESSAGING_OPERATION_TYPE_VALUE_SEND,
  MESSAGING_OPERATION_TYPE_VALUE_SETTLE,
  NETWORK_TRANSPORT_VALUE_PIPE,
  NETWORK_TRANSPORT_VALUE_QUIC,
  NETWORK_TRANSPORT_VALUE_TCP,
  NETWORK_TRANSPORT_VALUE_UDP,
  NETWORK_TRANSPORT_VALUE_UNIX,
} from '@opentelemetry/semantic-conventions/incubating';
import * as semconv from '../../../src/core/semconv.ts';
import { DURATION_BOUNDS, FINE_BOUNDS, METRIC_RULES } from './metric-rules.ts';
import { ATTRIBUTE_RULES, DEPRECATED, EVENT_RULES, OTHER_METHOD, RESOURCE, SCOPE, SPAN_RULES } from './rules.ts';

const DECLARATION = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*declare const (?:ATTR|METRIC)_\w+: "([^"]+)";/g;

/** Every attribute and metric of the conventions, and whether they have given it up. */
const conventions = new Map<string, boolean>();
const folder = path.dirname(createRequire(import.meta.url).resolve('@opentelemetry/semantic-conventions/incubating'));
for (const file of ['stable_attributes', 'experimental_attributes', 'stable_metrics', 'experimental_metrics']) {
  const text = readFileSync(path.join(folder, `${file}.d.cts`), 'utf8');
  for (const [, comment = '', name = ''] of text.matchAll(DECLARATION)) {
    conventions.set(name, (conventions.get(name) ?? true) && comment.includes('@deprecated'));
  }
}

const isOwn = (name: string): boolean => name.startsWith('messagebus.');

test('every name in the rules that is not our own is one of the conventions, which have not given it up', () => {
  assert.ok(conventions.size > 800, String(conventions.size));
  const names = [...Object.keys(ATTRIBUTE_RULES), ...Object.keys(METRIC_RULES), ...RESOURCE.required];
  const foreign = names.filter((name) => !isOwn(name));
  assert.ok(foreign.length > 20);
  assert.deepEqual(
    foreign.filter((name) => conventions.get(name) !== false),
    [],
  );
});

test('every name in the list of deprecated ones is one that the conventions have given up', () => {
  for (const given of Object.keys(DEPRECATED)) {
    const names = [...conventions].filter(([name]) => (given.endsWith('.') ? name.startsWith(given) : name === given));
    assert.deepEqual([given, names.filter(([, isDeprecated]) => !isDeprecated)], [given, []]);
    assert.ok(names.length > 0, given);
  }
});

test('values are those of the conventions', () => {
  assert.deepEqual(ATTRIBUTE_RULES['messaging.operation.type']?.values, [
    MESSAGING_OPERATION_TYPE_VALUE_CREATE,
    MESSAGING_OPERATION_TYPE_VALUE_SEND,
    MESSAGING_OPERATION_TYPE_VALUE_RECEIVE,
    MESSAGING_OPERATION_TYPE_VALUE_PROCESS,
    MESSAGING_OPERATION_TYPE_VALUE_SETTLE,
  ]);
  assert.deepEqual(ATTRIBUTE_RULES['network.transport']?.values, [
    NETWORK_TRANSPORT_VALUE_PIPE,
    NETWORK_TRANSPORT_VALUE_QUIC,
    NETWORK_TRANSPORT_VALUE_TCP,
    NETWORK_TRANSPORT_VALUE_UDP,
    NETWORK_TRANSPORT_VALUE_UNIX,
  ]);
});

test('what a span, event or metric may have is known as an attribute', () => {
  const used = [
    ...SPAN_RULES.flatMap(({ fixed, required, allowed }) => [...Object.keys(fixed), ...required, ...allowed]),
    ...Object.values(EVENT_RULES).flatMap(({ required, allowed }) => [...required, ...allowed]),
    ...Object.values(METRIC_RULES).flatMap(({ fixed = {}, required, allowed }) => [
      ...Object.keys(fixed),
      ...required,
      ...allowed,
    ]),
  ];
  assert.deepEqual(
    used.filter((name) => !(name in ATTRIBUTE_RULES)),
    [],
  );
});

test('the metrics of the source are those of the rules, by name, instrument, unit and attributes', () => {
  const tables = [semconv.COUNTER_METRICS, semconv.GAUGE_METRICS, semconv.DURATION_METRICS];
  const metrics = tables.flatMap((table) => Object.values<semconv.MetricFacts>(table));
  assert.deepEqual(metrics.map(({ name }) => name).sort(), Object.keys(METRIC_RULES).sort());
  for (const { name, instrument, unit, attributes } of metrics) {
    const { required, allowed, fixed = {}, ...rule } = METRIC_RULES[name]!;
    assert.deepEqual([name, instrument, unit], [name, rule.instrument, rule.unit]);
    const needed = [...required, ...Object.keys(fixed)];
    const lacking = needed.filter((one) => !attributes.includes(one));
    const more = attributes.filter((one) => !needed.includes(one) && !allowed.includes(one));
    assert.deepEqual([name, lacking, more], [name, [], []]);
  }
});

test('the spans, events, attributes, bounds and constants of the source are those of the rules', () => {
  for (const [operation, { kind, type }] of Object.entries(semconv.SPANS)) {
    const rule = SPAN_RULES.find((one) => one.operation === operation);
    assert.deepEqual([operation, kind, type], [operation, rule?.kind, rule?.fixed['messaging.operation.type']]);
  }
  assert.equal(Object.keys(semconv.SPANS).length, SPAN_RULES.length);
  assert.deepEqual(Object.values<string>(semconv.SPAN_EVENTS).sort(), Object.keys(EVENT_RULES).filter(isOwn).sort());
  assert.deepEqual(
    Object.values<string>(semconv.ATTR).filter((name) => !(name in ATTRIBUTE_RULES)),
    [],
  );
  assert.deepEqual(semconv.DURATION_BOUNDS_S, DURATION_BOUNDS);
  assert.deepEqual(semconv.FINE_BOUNDS_S, FINE_BOUNDS);
  assert.deepEqual([semconv.SCOPE_NAME, semconv.SCHEMA_URL], [SCOPE.name, SCOPE.tracerSchemaUrl]);
  assert.equal(semconv.OTHER_METHOD, OTHER_METHOD);
  assert.deepEqual(ATTRIBUTE_RULES['rpc.system.name']?.values, [semconv.RPC_SYSTEM]);
});
