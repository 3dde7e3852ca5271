/** The command line of the demo. */
import { parseArgs } from 'node:util';
import type { Choices } from './wiring.ts';

export interface Options extends Choices {
  /** How long it runs; undefined until Ctrl-C. */
  readonly seconds: number | undefined;
  readonly isJson: boolean;
}

export const USAGE = `Usage: npm start -- [options]

Replays real S&P 500 and stock prices through a bus of five processes: a feed publishes, two analytics processes
subscribe and push averages and alerts, a recorder pulls them and answers for its state, a monitor asks it.

  --seconds <n>  run that long, then compare what was sent with what was received; without it, until Ctrl-C
  --json         print the comparison as one line of JSON on standard output, all else on standard error;
                 runs for 5 seconds unless --seconds says otherwise
  --rate <n>     publish n events a second; without it, as many as the slower of the two analytics takes
  --drop-one     make one analytics process refuse one event, to see that the comparison notices
  --help         show this

Exit code: 0 when everything arrived once (and after Ctrl-C, except with --json, whose comparison it prevents),
1 when something was lost or a process failed, 2 for options that make no sense.

Every process serves its metrics for Prometheus; the addresses are shown. Traces go to the collector that
OTEL_EXPORTER_OTLP_ENDPOINT names, if it is set: one in a hundred, unless OTEL_TRACES_SAMPLER says otherwise.
`;

/** How long a run with a result takes when nobody says. */
const DEFAULT_SECONDS = 5;

/** `help` when that is asked for. @throws Error that says what is wrong with the arguments */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string' },
      json: { type: 'boolean', default: false },
      rate: { type: 'string' },
      'drop-one': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    seconds: positive('seconds', values.seconds) ?? (values.json ? DEFAULT_SECONDS : undefined),
    isJson: values.json,
    rate: positive('rate', values.rate) ?? 0,
    isDroppingOne: values['drop-one'],
  };
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? NaN : Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw new Error(`Expected --${name} to be a number above 0, got '${text}'`);
  return value;
}
