/** The results as a small SVG: bars as long as the rate beside the first row of each workload. Follows a light or dark page. */
import { figure } from './report.ts';
import type { Results } from './results.ts';
import { summaryOf } from './results.ts';
import { rowOf } from './rows.ts';
import { workloadOf } from './workloads.ts';
import type { WorkloadId } from './workloads.ts';

/** What is drawn, and the row that is 1 in each. */
const DRAWN: readonly WorkloadId[] = [
  'publish-100b',
  'publish-1000-topics',
  'push-100b',
  'request-100-in-flight',
  'many-topics',
  'many-subscriptions',
  'many-in-flight',
];

const WIDTH = 760;
const LABELS = 330;
const BAR_HEIGHT = 12;
const LINE = 17;
/** Room behind the longest bar for its figure. */
const FIGURES = 110;

const STYLE = `text{font:11px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.b{fill:#8c959f}.o{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#6e7681}.o{fill:#4493f8}}`;

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function chartOf(results: Results): string {
  const parts: string[] = [];
  let y = 4;
  const text = (x: number, words: string, more = ''): string =>
    `<text x="${String(x)}" y="${String(y + BAR_HEIGHT - 2)}"${more}>${escape(words)}</text>`;
  for (const id of DRAWN) {
    const rows = results.rows.filter(({ workload, rounds }) => workload === id && rounds.length > 0);
    if (rows.length === 0) continue;
    const rates = rows.map((row) => summaryOf(row).rate.median);
    const longest = Math.max(...rates);
    parts.push(
      text(
        0,
        `${workloadOf(id).title}, ${workloadOf(id).load.pattern === 'request' ? 'calls' : 'messages'}/s`,
        ' class="t"',
      ),
    );
    y += LINE;
    for (const [i, row] of rows.entries()) {
      const { label, system } = rowOf(row.row);
      const rate = rates[i] ?? NaN;
      const length = Math.max(1, Math.round((rate / longest) * (WIDTH - LABELS - FIGURES)));
      parts.push(text(LABELS - 6, label, ' text-anchor="end"'));
      parts.push(
        `<rect class="${system === 'tracebus' ? 'o' : 'b'}" x="${String(LABELS)}" y="${String(y)}" width="${String(length)}" height="${String(BAR_HEIGHT)}" rx="2"/>`,
      );
      parts.push(text(LABELS + length + 5, figure(rate)));
      y += LINE;
    }
    y += LINE / 2;
  }
  const height = Math.ceil(y);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(height)}" role="img" aria-label="Rates by workload and row"><style>${STYLE}</style>\n${parts.join('\n')}\n</svg>\n`;
}
