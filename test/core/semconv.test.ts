import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  ATTR,
  ATTRIBUTE_FACTS,
  COUNTER_METRICS,
  DURATION_BOUNDS_S,
  DURATION_METRICS,
  GAUGE_METRICS,
  HEADER_PREFIX,
  LOG_EVENT_FACTS,
  LOG_EVENTS,
  LOG_OPTIONAL,
  LOG_REQUIRED,
  SPANS,
  SPAN_EVENT_FACTS,
  SPAN_EVENTS,
} from '../../src/core/semconv.ts';

const tables = [COUNTER_METRICS, GAUGE_METRICS, DURATION_METRICS];
const metrics = tables.flatMap((table) => Object.values(table));
const doc = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8');

test('every metric has a name of its own, one of the namespaces, and only attributes that are listed', () => {
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
  const known = new Set<string>(Object.values(ATTR));
  for (const { name, attributes, description, instrument, unit } of metrics) {
    assert.match(name, /^(messagebus\.|messaging\.(client|process)\.|rpc\.(client|server)\.)[a-z._]+$/);
    assert.deepEqual([name, attributes.filter((one) => !known.has(one))], [name, []]);
    assert.equal(attributes[0], 'messaging.system.name');
    assert.match(description, /^[A-Z].*\.$/);
    assert.match(unit, instrument === 'histogram' ? /^s$/ : /^\{[a-z]+\}$/);
  }
});

test('no name is one that the conventions have given up', () => {
  const given = [...metrics.map(({ name }) => name), ...Object.values(ATTR), ...Object.values(HEADER_PREFIX)];
  const deprecated =
    /^messaging\.(publish|receive)\.|^messaging\.process\.messages$|^messaging\.(operation|system)$|^rpc\.(system|service|response\.status_code)$|^rpc\.(request|response)\.metadata|^net\./;
  assert.deepEqual(
    given.filter((name) => deprecated.test(name)),
    [],
  );
  const types = Object.values(SPANS).map(({ type }) => type);
  assert.deepEqual(types, ['send', 'send', 'process', undefined, undefined]);
});

test('what log records add are the names of the conventions for exceptions, and else names of the bus', () => {
  const onMessages = new Set(Object.values(SPANS).flatMap(({ required, optional }) => [...required, ...optional]));
  const all = [...LOG_REQUIRED, ...LOG_OPTIONAL];
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(
    all.filter((name) => !onMessages.has(name)),
    ['exception.type', 'exception.message'],
  );
  assert.deepEqual(Object.values(LOG_EVENTS), ['messagebus.failure', 'messagebus.drop']);
  for (const description of Object.values(LOG_EVENT_FACTS)) assert.match(description, /^[A-Z].*\.$/);
});

test('every attribute says what it is and is used by something', () => {
  const used = new Set([
    ...metrics.flatMap(({ attributes }) => attributes),
    ...Object.values(SPANS).flatMap(({ required, optional }) => [...required, ...optional]),
    ...Object.values(SPAN_EVENT_FACTS).flatMap(({ attributes }) => attributes),
    ...LOG_REQUIRED,
    ...LOG_OPTIONAL,
  ]);
  assert.deepEqual([...used].sort(), Object.values<string>(ATTR).sort());
  assert.deepEqual(Object.keys(ATTRIBUTE_FACTS), Object.keys(ATTR));
  for (const { description } of Object.values(ATTRIBUTE_FACTS)) assert.match(description, /^[A-Z`_].*\.$/);
});

test('the bucket bounds are those of the conventions', () => {
  assert.deepEqual(DURATION_BOUNDS_S, [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]);
});

test('docs/metrics.md has a row with name, instrument and unit for each metric', () => {
  const rows = doc('metrics')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  for (const { name, instrument, unit } of metrics) {
    const row = rows.find((cells) => cells.includes(`\`${name}\``)) ?? [];
    const at = row.indexOf(`\`${name}\``);
    assert.deepEqual([name, ...row.slice(at + 1, at + 3)], [name, instrument, `\`${unit}\``]);
  }
});

test('every span and event says which of the listed attributes it has', () => {
  const known = new Set<string>(Object.values(ATTR));
  for (const [key, { required, optional, kind, headerPrefix }] of Object.entries(SPANS)) {
    const all = [...required, ...optional];
    assert.deepEqual([key, all.filter((name) => !known.has(name))], [key, []]);
    assert.equal(new Set(all).size, all.length, key);
    assert.ok(optional.includes(ATTR.errorType), key);
    const isCall = kind === 'CLIENT' || kind === 'SERVER';
    assert.equal(headerPrefix, isCall ? HEADER_PREFIX.rpc : HEADER_PREFIX.messaging);
    assert.equal(required.includes(ATTR.rpcSystemName), isCall);
    assert.equal(required.includes(ATTR.systemName), !isCall);
  }
  assert.deepEqual(
    Object.values(SPAN_EVENT_FACTS).map(({ name }) => name),
    Object.values(SPAN_EVENTS),
  );
  for (const { attributes, spans, description } of Object.values(SPAN_EVENT_FACTS)) {
    assert.deepEqual(
      attributes.filter((name) => !known.has(name)),
      [],
    );
    assert.ok(spans.length > 0 && spans.every((key) => Object.hasOwn(SPANS, key)));
    assert.match(description, /^[A-Z].*\.$/);
  }
});
