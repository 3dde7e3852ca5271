/** What the demo shows: a table that stays in its place in a terminal, one line a second anywhere else. */
import type { WriteStream } from 'node:tty';
import type { Reports } from './control.ts';
import { Histogram } from './histogram.ts';
import type { Outcome } from './reconcile.ts';
import { tableOf } from './table.ts';
import { total } from './tally.ts';

export class Screen {
  readonly #out: NodeJS.WriteStream;
  /** Lines of the table that is on the screen. */
  #shown: readonly string[] = [];

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line that stays, above the table. */
  log(line: string): void {
    const table = this.#shown;
    this.#erase();
    this.#out.write(`${line}\n`);
    this.#draw(table);
  }

  /** Who there is. */
  introduce(reports: Reports): void {
    for (const { service, pid, metricsUrl } of Object.values(reports)) {
      this.log(`${service.padEnd(15)}  process ${pid}  metrics ${metricsUrl ?? '-'}`);
    }
  }

  /** What has happened since `before`, `seconds` after the start. */
  show(seconds: number, reports: Reports, before: Reports, elapsedMs: number): void {
    if (!this.#out.isTTY) {
      this.#out.write(`${lineOf(seconds, reports, before, elapsedMs)}\n`);
      return;
    }
    this.#erase();
    this.#draw(tableOf(seconds, reports, before, elapsedMs));
  }

  /** The comparison at the end, for people. */
  conclude({ ok, seconds, sent, consumers, received, lost, gaps, drops, pushed, results }: Outcome): void {
    this.#shown = []; // the last table stays where it is
    const judged = ok ? 'Everything arrived.' : 'Not everything arrived, or not once.';
    this.log(
      `${judged} ${number(sent)} events in ${seconds.toFixed(1)} s to ${consumers} consumers: ${number(received)} received, ` +
        `${number(lost)} lost, ${number(gaps)} gaps, ${number(drops)} drops; ${number(results)} of ${number(pushed)} results.`,
    );
  }

  #erase(): void {
    if (this.#shown.length > 0) this.#out.write(`\u001b[${this.#shown.length}A\u001b[J`);
    this.#shown = [];
  }

  #draw(lines: readonly string[]): void {
    // A line that the terminal breaks would be two to erase.
    const width = (this.#out as Partial<WriteStream>).columns ?? 80;
    this.#shown = lines.map((line) => line.slice(0, width - 1));
    for (const line of this.#shown) this.#out.write(`${line}\n`);
  }
}

function lineOf(seconds: number, reports: Reports, before: Reports, elapsedMs: number): string {
  const { feed, recorder, monitor } = reports;
  const everyone = Object.values(reports);
  const rate = (now: number, then: number): string => number(((now - then) / elapsedMs) * 1000);
  const latency = new Histogram();
  for (const name of ['analytics-short', 'analytics-long'] as const) {
    latency.add(reports[name].delivery).subtract(before[name].delivery);
  }
  return [
    `${seconds.toFixed(0)} s`,
    `${rate(total(feed.published), total(before.feed.published))} events/s`,
    `latency p50 ${latency.percentile(0.5).toFixed(1)} ms p99 ${latency.percentile(0.99).toFixed(1)} ms`,
    `gaps ${number(everyone.reduce((sum, { gaps }) => sum + gaps, 0))}`,
    `drops ${number(everyone.reduce((sum, { drops }) => sum + drops, 0))}`,
    `${rate(total(recorder.pulled), total(before.recorder.pulled))} results/s`,
    `${rate(monitor.requests.answered, before.monitor.requests.answered)} requests/s`,
  ].join('  ');
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
