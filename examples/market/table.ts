/** The live table: a row for each process, with what went in and out in the last second. */
import type { Reports } from './control.ts';
import { Histogram } from './histogram.ts';
import { total } from './tally.ts';
import type { Report } from './tally.ts';

const HEAD = ['process', 'in/s', 'out/s', 'p50 ms', 'p99 ms', 'gaps', 'drops', 'metrics'];

export function tableOf(seconds: number, reports: Reports, before: Reports, elapsedMs: number): string[] {
  const rows = Object.values(reports).map((now, index) => {
    const then = Object.values(before)[index] ?? now;
    const rate = (of: (report: Report) => number): string => {
      const count = of(now) - of(then);
      return count === 0 ? '-' : Math.round((count / elapsedMs) * 1000).toLocaleString('en-US');
    };
    const latency = new Histogram();
    for (const key of ['delivery', 'roundTrip'] as const) latency.add(now[key]).subtract(then[key]);
    const [p50, p99] = [latency.percentile(0.5), latency.percentile(0.99)];
    return [
      now.service,
      rate(({ received, pulled }) => total(received) + total(pulled)),
      rate(({ published, pushed, requests }) => total(published) + total(pushed) + requests.answered),
      p50 === 0 ? '-' : p50.toFixed(2),
      p99 === 0 ? '-' : p99.toFixed(2),
      String(now.gaps),
      String(now.drops),
      now.metricsUrl ?? '-',
    ];
  });
  const events = total(reports.feed.published).toLocaleString('en-US');
  return [
    `${seconds.toFixed(0)} s, ${events} events. Ctrl-C ends it.`,
    '',
    ...aligned([HEAD, ...rows]),
    '',
    `latest alert: ${reports.monitor.latest ?? '-'}`,
  ];
}

/** Text to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const isText = column === 0 || column === row.length - 1;
        return isText ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join('  ')
      .trimEnd(),
  );
}
