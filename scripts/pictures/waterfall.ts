/** A trace as a waterfall, drawn from Jaeger's own answer: a row for each span, below its parent. */
import { parentOf, serviceOf, tagOf } from '../backends/jaeger-api.ts';
import type { JaegerSpan, JaegerTrace } from '../backends/jaeger-api.ts';
import { coloursOf, escape, round, stepsOf, svg, text } from './svg.ts';

const WIDTH = 960;
const LABELS = 400;
const MARGIN = 16;
const TOP = 88;
const ROW = 28;

/** For the duration that stands behind the longest bar. */
const FIGURE = 70;

/** The picture, as SVG. @throws Error for a trace without spans */
export function waterfall(trace: JaegerTrace, title: string): string {
  const rows = rowsOf(trace);
  const startAt = Math.min(...rows.map(({ span }) => span.startTime));
  const endAt = Math.max(...rows.map(({ span }) => span.startTime + span.duration));
  if (!Number.isFinite(startAt)) throw new Error('Expected a trace with spans.');
  const scale = (WIDTH - LABELS - MARGIN - FIGURE) / Math.max(1, endAt - startAt);
  const x = (microseconds: number): number => LABELS + microseconds * scale;
  const height = TOP + rows.length * ROW + MARGIN;
  const colours = coloursOf([...new Set(rows.map(({ service }) => service))]);

  const axis = stepsOf(endAt - startAt).flatMap((at) => [
    `<path class="grid" d="M${round(x(at))} ${TOP - 12}V${height - MARGIN}"/>`,
    text(x(at), TOP - 18, durationOf(at), 'class="dim" text-anchor="middle"'),
  ]);
  const bars = rows.flatMap(({ span, service, depth, label }, index) => {
    const y = TOP + index * ROW;
    const from = x(span.startTime - startAt);
    const width = Math.max(2, span.duration * scale);
    return [
      '<g>',
      `<title>${escape(`${service}: ${label}, ${durationOf(span.duration)}`)}</title>`,
      `<rect x="${MARGIN + depth * 16}" y="${y + 3}" width="4" height="${ROW - 10}" fill="${colours.get(service) ?? ''}"/>`,
      `<text x="${MARGIN + depth * 16 + 12}" y="${y + 16}">${escape(service)} <tspan class="dim">${escape(label)}</tspan></text>`,
      `<rect x="${round(from)}" y="${y + 4}" width="${round(width)}" height="${ROW - 12}" rx="2" fill="${colours.get(service) ?? ''}"/>`,
      text(from + width + 6, y + 16, durationOf(span.duration), 'class="dim"'),
      '</g>',
    ];
  });
  const description = rows
    .map(({ service, label, span, depth }) => `${'- '.repeat(depth)}${service} ${label} ${durationOf(span.duration)}`)
    .join('; ');
  return svg(WIDTH, height, { title, description }, [
    text(MARGIN, 28, title, 'class="head"'),
    text(MARGIN, 46, `trace ${trace.traceID}, ${rows.length} spans, ${durationOf(endAt - startAt)}`, 'class="dim"'),
    ...axis,
    ...bars,
  ]);
}

interface Row {
  readonly span: JaegerSpan;
  readonly service: string;
  /** The kind, in capitals, and the name. */
  readonly label: string;
  readonly depth: number;
}

/** Parents first, children in the order of their start; a span whose parent is elsewhere stands on its own. */
function rowsOf(trace: JaegerTrace): Row[] {
  const ids = new Set(trace.spans.map(({ spanID }) => spanID));
  const children = new Map<string | undefined, JaegerSpan[]>();
  for (const span of trace.spans) {
    const known = parentOf(span);
    const parent = known !== undefined && ids.has(known) ? known : undefined;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const below = (parent: string | undefined, depth: number): Row[] =>
    (children.get(parent) ?? [])
      .sort((a, b) => a.startTime - b.startTime)
      .flatMap((span) => {
        const kind = tagOf(span, 'span.kind');
        const label = `${typeof kind === 'string' ? kind.toUpperCase() : 'INTERNAL'} ${span.operationName}`;
        const row = { span, service: serviceOf(trace, span), label, depth };
        return [row, ...below(span.spanID, depth + 1)];
      });
  return below(undefined, 0);
}

function durationOf(microseconds: number): string {
  if (microseconds < 1000) return `${microseconds} µs`;
  const milliseconds = microseconds / 1000;
  return milliseconds < 1000 ? `${Number(milliseconds.toPrecision(3))} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}
