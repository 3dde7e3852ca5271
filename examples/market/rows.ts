/** The market data: both files parsed, numbers as numbers, the stocks spread evenly among the days of the index. */
import { readFileSync } from 'node:fs';
import { parseCsv } from './csv.ts';
import type { CsvRecord } from './csv.ts';
import type { IndexRow, StockRow } from './topics.ts';

/** One row and the topic it is published under. */
export type Tick =
  | { readonly topic: 'price.sp500'; readonly row: IndexRow }
  | { readonly topic: (typeof STOCK_TOPICS)[number]; readonly row: StockRow };

const STOCK_TOPICS = ['price.msft', 'price.amzn', 'price.ibm', 'price.goog', 'price.aapl'] as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Every row once, in the order in which it is replayed. */
export function loadTicks(): Tick[] {
  return interleave(read('sp500-2000.csv').map(indexTick), read('stocks.csv').map(stockTick));
}

function read(name: string): CsvRecord[] {
  return parseCsv(readFileSync(new URL(`./data/${name}`, import.meta.url), 'utf8'));
}

function indexTick(record: CsvRecord): Tick {
  const row: IndexRow = {
    symbol: 'SP500',
    date: record.text('date'),
    open: record.number('open'),
    high: record.number('high'),
    low: record.number('low'),
    close: record.number('close'),
    adjustedClose: record.number('adjclose'),
    volume: record.number('volume'),
  };
  return { topic: 'price.sp500', row };
}

function stockTick(record: CsvRecord): Tick {
  const symbol = record.text('symbol');
  const topic = STOCK_TOPICS.find((one) => one === `price.${symbol.toLowerCase()}`);
  if (topic === undefined) throw new Error(`stocks.csv has a symbol without a topic: ${symbol}`);
  return { topic, row: { symbol, date: isoDate(record.text('date')), price: record.number('price') } };
}

/** `Jan 1 2000` as `2000-01-01`. */
function isoDate(text: string): string {
  const [month = '', day = '', year = ''] = text.split(' ');
  const number = MONTHS.indexOf(month) + 1;
  if (number === 0) throw new Error(`stocks.csv has a date that is none: ${text}`);
  return `${year}-${String(number).padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** Merges two lists, each in its own order, so that both end together. */
function interleave(long: readonly Tick[], short: readonly Tick[]): Tick[] {
  const merged: Tick[] = [];
  let taken = 0;
  for (const [index, tick] of long.entries()) {
    merged.push(tick);
    const due = Math.round(((index + 1) / long.length) * short.length);
    merged.push(...short.slice(taken, due));
    taken = due;
  }
  return merged;
}
