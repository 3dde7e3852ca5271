/**
 * The topics of the demo and what they carry. `MessageBus<Market>` completes the names, types the bodies and refuses a topic
 * that is not here.
 */
import type { Call } from 'tracebus';
import type { Report } from './tally.ts';

/** One trading day of the S&P 500. */
export interface IndexRow {
  readonly symbol: string;
  /** Year-month-day. */
  readonly date: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly adjustedClose: number;
  readonly volume: number;
}

/** One month of a stock. */
export interface StockRow {
  readonly symbol: string;
  /** Year-month-day. */
  readonly date: string;
  readonly price: number;
}

/** A moving average, pushed each time its window has moved on by its own length. */
export interface Average {
  readonly symbol: string;
  readonly date: string;
  /** How many rows it is the average of. */
  readonly window: number;
  readonly average: number;
}

/** A price that has left the band around its moving average. */
export interface Alert {
  readonly symbol: string;
  readonly date: string;
  readonly window: number;
  readonly price: number;
  readonly average: number;
  /** Standard deviations between the two; negative below the average. */
  readonly deviations: number;
}

/** Which part of the state is wanted. */
export interface StateQuery {
  /** @default every symbol */
  readonly symbol?: string;
}

/** What the recorder knows. */
export interface State {
  /** Results recorded so far. */
  readonly results: number;
  /** The last average of each window. */
  readonly averages: readonly Average[];
  /** The last alerts, newest first. */
  readonly alerts: readonly Alert[];
}

export type Market = {
  'price.sp500': IndexRow;
  'price.msft': StockRow;
  'price.amzn': StockRow;
  'price.ibm': StockRow;
  'price.goog': StockRow;
  'price.aapl': StockRow;
  average: Average;
  alert: Alert;
  'state.get': Call<StateQuery, State>;
  /** What a process has counted. */
  'demo.report': Call<null, Report>;
  /** The feed waits for its subscribers and starts. */
  'demo.start': Call<null, Report>;
  /** The feed stops; its report is final. */
  'demo.stop': Call<null, Report>;
};
