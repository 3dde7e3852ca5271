/** The recorder: pulls the results of both analytics, keeps the state they add up to, and answers who asks for it. */
import { runService } from './service.ts';
import { count } from './tally.ts';
import type { Alert, Average } from './topics.ts';

const ALERTS_KEPT = 10;

await runService(
  ({ bus, tally }) => {
    const averages = new Map<string, Average>();
    const alerts: Alert[] = [];
    let results = 0;

    bus.pull('average', ({ topic, body }) => {
      count(tally.pulled, topic);
      results++;
      averages.set(`${body.symbol} ${body.window}`, body);
    });

    bus.pull('alert', ({ topic, body }) => {
      count(tally.pulled, topic);
      results++;
      alerts.unshift(body);
      alerts.length = Math.min(alerts.length, ALERTS_KEPT);
    });

    bus.respond('state.get', ({ body: { symbol } }) => {
      const isWanted = (one: Average | Alert): boolean => symbol === undefined || one.symbol === symbol;
      return { results, averages: [...averages.values()].filter(isWanted), alerts: alerts.filter(isWanted) };
    });
  },
  ({ results, state }) => ({ endpoints: { pull: { bind: results }, respond: { bind: state } } }),
);
