/** Panels of lines, drawn from Prometheus' own answer to a range query. */
import type { Range } from '../backends/prometheus-api.ts';
import { coloursOf, escape, round, stepsOf, svg, text } from './svg.ts';

const WIDTH = 960;
const MARGIN = 16;
const PLOT_HEIGHT = 170;
const AXIS = 52;

/** Above the lines: what it is, and the expression. */
const HEAD = 74;

/** Below them: the time, and who is who. */
const FOOT = 58;

const MONOSPACE = 'class="dim" style="font:10.5px ui-monospace,monospace"';

/** One panel. */
export interface Panel {
  readonly title: string;
  /** What was asked, in at most two lines. */
  readonly expr: string;
  readonly unit: string;
  readonly series: readonly { readonly name: string; readonly values: Range['values'] }[];
}

/** The picture, as SVG: the panels side by side over the same time. @throws Error when a panel has no values */
export function plot(panels: readonly Panel[], title: string): string {
  const width = (WIDTH - MARGIN * (panels.length + 1)) / panels.length;
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
  const colours = coloursOf(names);
  const body = panels.flatMap((panel, index) => panelAt(MARGIN + index * (width + MARGIN), width, panel, colours));
  const description = panels
    .map(({ title: what, unit, series }) => {
      const last = series.map(({ name, values }) => `${name} ${figure(values.at(-1)?.[1] ?? NaN)} ${unit}`);
      return `${what}, at the end: ${last.join(', ')}`;
    })
    .join('; ');
  return svg(WIDTH, HEAD + PLOT_HEIGHT + FOOT, { title, description }, body);
}

function panelAt(left: number, width: number, panel: Panel, colours: ReadonlyMap<string, string>): string[] {
  const { title, expr, unit, series } = panel;
  const points = series.flatMap(({ values }) => values).filter(([, value]) => Number.isFinite(value));
  if (points.length === 0) throw new Error(`Expected values for ${expr}`);
  const startAt = Math.min(...points.map(([at]) => at));
  const seconds = Math.max(1, Math.max(...points.map(([at]) => at)) - startAt);
  const highest = Math.max(...points.map(([, value]) => value)) * 1.1 || 1;
  const x = (at: number): number => left + AXIS + ((at - startAt) / seconds) * (width - AXIS);
  const y = (value: number): number => HEAD + PLOT_HEIGHT * (1 - value / highest);

  const grid = stepsOf(highest).flatMap((value) => [
    `<path class="grid" d="M${round(left + AXIS)} ${round(y(value))}H${round(left + width)}"/>`,
    text(left + AXIS - 6, y(value) + 4, figure(value), 'class="dim" text-anchor="end"'),
  ]);
  const time = stepsOf(seconds).map((at) =>
    text(x(startAt + at), HEAD + PLOT_HEIGHT + 18, `${at} s`, 'class="dim" text-anchor="middle"'),
  );
  const lines = series.map(({ name, values }) => {
    const finite = values.filter(([, value]) => Number.isFinite(value));
    const path = finite
      .map(([at, value], index) => `${index === 0 ? 'M' : 'L'}${round(x(at))} ${round(y(value))}`)
      .join('');
    return (
      `<path d="${path}" fill="none" stroke="${colours.get(name) ?? ''}" stroke-width="2" stroke-linejoin="round">` +
      `<title>${escape(name)}</title></path>`
    );
  });
  let at = left + AXIS;
  const legend = series.flatMap(({ name }) => {
    const from = at;
    at += 30 + name.length * 7;
    const top = HEAD + PLOT_HEIGHT + 32;
    return [
      `<rect x="${round(from)}" y="${top}" width="12" height="12" rx="2" fill="${colours.get(name) ?? ''}"/>`,
      text(from + 18, top + 11, name),
    ];
  });
  return [
    text(left, 24, `${title} (${unit})`, 'class="head"'),
    ...expr.split('\n').map((line, index) => text(left, 42 + index * 14, line.trim(), MONOSPACE)),
    ...grid,
    ...time,
    ...lines,
    ...legend,
  ];
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
