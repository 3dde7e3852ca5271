/**
 * Analytics: a moving average for every symbol, pushed to the recorder, and an alert when a price leaves the band around it.
 * The demo runs it twice, with a short and with a long window: both get every event.
 */
import { BusError } from 'tracebus';
import type { Middleware } from 'tracebus';
import { MovingAverage } from './moving-average.ts';
import { runService } from './service.ts';
import type { Service } from './service.ts';
import { count } from './tally.ts';
import type { Tally } from './tally.ts';
import type { IndexRow, StockRow } from './topics.ts';
import { WINDOWS } from './wiring.ts';

/** How far from its average a price is worth an alert, in standard deviations. */
const ALERT_DEVIATIONS = 2.5;

/** Which event `--drop-one` refuses. */
const REFUSED = 10;

await runService(
  (service) => {
    const { bus, tally, wiring } = service;
    const window = wiring.name === 'analytics-long' ? WINDOWS['analytics-long'] : WINDOWS['analytics-short'];
    if (wiring.isDroppingOne && wiring.name === 'analytics-short') bus.use(refuseOne());
    const averages = new Map<string, MovingAverage>();
    const alerted = new Set<string>();

    bus.subscribe('price.*', ({ topic, sentAt, body }) => {
      tally.receive(topic, sentAt);
      let average = averages.get(body.symbol);
      if (average === undefined) averages.set(body.symbol, (average = new MovingAverage(window)));
      return evaluate(service, average, alerted, body);
    });
  },
  ({ prices, results }) => ({
    endpoints: { subscribe: { connect: [prices] }, push: { connect: [results] } },
    pushTimeoutMs: 10_000,
  }),
);

/** Pushes what the row brings about; a promise holds the next rows back until the recorder has taken it. */
function evaluate(
  { bus, tally }: Service,
  series: MovingAverage,
  alerted: Set<string>,
  row: IndexRow | StockRow,
): Promise<unknown> | undefined {
  const { symbol, date } = row;
  const price = 'close' in row ? row.close : row.price;
  const band = series.add(date, price);
  if (band === undefined) return undefined;
  const { window } = series;
  const { average, deviations, isComplete } = band;
  const pushes: Promise<void>[] = [];

  if (isComplete) pushes.push(pushed(tally, 'average', bus.push('average', { symbol, date, window, average })));
  const isOutside = Math.abs(deviations) > ALERT_DEVIATIONS;
  if (isOutside && !alerted.has(symbol)) {
    pushes.push(pushed(tally, 'alert', bus.push('alert', { symbol, date, window, price, average, deviations })));
  }
  if (isOutside) alerted.add(symbol);
  else alerted.delete(symbol);
  return pushes.length > 0 ? Promise.all(pushes) : undefined;
}

/** Counts a result when the recorder's socket has it. One that the end of the demo overtakes is nobody's failure. */
async function pushed(tally: Tally, topic: 'average' | 'alert', push: Promise<void>): Promise<void> {
  try {
    await push;
    count(tally.pushed, topic);
  } catch (error) {
    if (!(error instanceof BusError && error.code === 'CLOSED')) throw error;
  }
}

/** Testing the reconciliation: one event passes the wire and is refused before its handler. */
function refuseOne(): Middleware {
  let seen = 0;
  return {
    name: 'refuse-one',
    stage: 'body',
    receive(ctx, next) {
      if (ctx.topic.startsWith('price.') && ++seen === REFUSED) {
        throw new BusError('REJECTED', 'refused on purpose', { topic: ctx.topic, hint: 'Leave out --drop-one.' });
      }
      return next();
    },
  };
}
