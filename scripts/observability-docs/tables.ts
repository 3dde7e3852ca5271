/** The tables of docs/observability.md, by the names of their markers. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ERROR_CODES } from '../../src/core/errors.ts';
import {
  ATTR,
  ATTRIBUTE_FACTS,
  COUNTER_METRICS,
  DURATION_METRICS,
  GAUGE_METRICS,
  HEADER_PREFIX,
  LOG_EVENT_FACTS,
  LOG_EVENTS,
  LOG_OPTIONAL,
  LOG_REQUIRED,
  SCHEMA_URL,
  SCOPE_NAME,
  SPAN_EVENT_FACTS,
  SPAN_TEXTS,
  SPANS,
} from '../../src/core/semconv.ts';
import type { MetricFacts, SpanKey } from '../../src/core/semconv.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

const METRICS: readonly MetricFacts[] = [COUNTER_METRICS, GAUGE_METRICS, DURATION_METRICS].flatMap((table) =>
  Object.values<MetricFacts>(table),
);

const SPAN_KEYS = Object.keys(SPANS) as SpanKey[];

/** Makes each table. */
export const TABLES: Readonly<Record<string, () => string>> = {
  scope: () => `Scope \`${SCOPE_NAME}\`, schema URL of spans and log records \`${SCHEMA_URL}\`.`,

  spans: () =>
    table(
      ['what', 'kind', 'name', 'begins and ends', 'parent and links'],
      Object.entries(SPAN_TEXTS).map(([key, { what, name, lasts, parent }]) => [
        what,
        key === 'rejected' ? `${SPANS.process.kind}, ${SPANS.respond.kind}` : SPANS[key as SpanKey].kind,
        name,
        lasts,
        parent,
      ]),
    ),

  events: () =>
    table(
      ['event', 'on', 'attributes', 'when'],
      [
        ...Object.values(SPAN_EVENT_FACTS).map(({ name, spans, attributes, description }) => [
          code(name),
          spans.length === SPAN_KEYS.length ? 'all' : spans.join(', '),
          codes(attributes),
          description,
        ]),
        ['`exception`', 'all', '`exception.*`', 'The span has failed; made by the SDK.'],
      ],
    ),

  attributes: () =>
    table(
      ['attribute', 'type', 'always on', 'at times on', 'what it holds'],
      [
        ...Object.entries(ATTRIBUTE_FACTS).map(([key, { type, description }]) => {
          const name = ATTR[key as keyof typeof ATTR];
          return [code(name), type, placesOf(name, 'always'), placesOf(name, 'at times'), description];
        }),
        ...(['messaging', 'rpc'] as const).map((kind) => [
          `\`${HEADER_PREFIX[kind]}<name>\``,
          kind === 'rpc' ? 'string[]' : 'string',
          '',
          SPAN_KEYS.filter((key) => SPANS[key].headerPrefix === HEADER_PREFIX[kind]).join(', '),
          'A header that `trace({ headers })` names; bytes as base64.',
        ]),
      ],
    ),

  metrics: () =>
    table(
      ['metric', 'in Prometheus', 'instrument', 'unit', 'attributes', 'what'],
      METRICS.map(({ name, instrument, unit, attributes, description }) => [
        code(name),
        code(inPrometheus(name, instrument)),
        instrument,
        code(unit),
        codes(attributes.filter((one) => one !== ATTR.systemName)),
        description,
      ]),
    ),

  'log-records': () =>
    table(
      ['event name', 'when'],
      Object.entries(LOG_EVENT_FACTS).map(([key, description]) => [
        code(LOG_EVENTS[key as keyof typeof LOG_EVENTS]),
        description,
      ]),
    ),

  'error-types': () =>
    table(
      ['`error.type`', 'code', 'meaning'],
      Object.entries(ERROR_CODES)
        .sort(([, one], [, other]) => (one.type < other.type ? -1 : 1))
        .map(([name, { type, meaning }]) => [code(type), code(name), meaning]),
    ),

  'collector-variables': () => variablesOf('otel-collector.yaml'),
  'jaeger-variables': () => variablesOf('observability/jaeger.yaml'),
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Where an attribute is: spans, events, metrics and log records. */
function placesOf(name: string, when: 'always' | 'at times'): string {
  const isAlways = when === 'always';
  const spans = SPAN_KEYS.filter((key) => (isAlways ? SPANS[key].required : SPANS[key].optional).includes(name));
  const places: string[] = spans.length === SPAN_KEYS.length ? ['all spans'] : [...spans];
  if (isAlways) {
    for (const { name: event, attributes } of Object.values(SPAN_EVENT_FACTS)) {
      if (attributes.includes(name)) places.push(`event ${code(event)}`);
    }
  }
  if (METRICS.every(({ attributes }) => attributes.includes(name))) {
    if (isAlways) places.push('metrics');
  } else if (!isAlways && METRICS.some(({ attributes }) => attributes.includes(name))) places.push('metrics');
  if ((isAlways ? LOG_REQUIRED : LOG_OPTIONAL).includes(name)) places.push('log records');
  return places.join(', ');
}

/** As the exporter of the process spells it. */
function inPrometheus(name: string, instrument: MetricFacts['instrument']): string {
  const suffix = { counter: '_total', gauge: '', histogram: '_bucket' }[instrument];
  return name.replaceAll('.', '_') + suffix;
}

/** The table in the head of a configuration. */
function variablesOf(file: string): string {
  const rows = readFileSync(path.join(ROOT, file), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('# |'))
    .map((line) => line.slice('# '.length));
  if (rows.length < 3) throw new Error(`${file} has no table of variables in its head`);
  return rows.map((row) => row.replace(/^\| ([A-Z_]+) +\|/, (_, name: string) => `| ${code(name)} |`)).join('\n');
}

function codes(names: readonly string[]): string {
  return names.map(code).join(', ');
}

function code(name: string): string {
  return `\`${name}\``;
}
