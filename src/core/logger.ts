/** Logging as the bus needs it: four levels, the console by default; pino fits as it is. */

/** A level of the log, or `silent`. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Where the bus writes its log. Only these four methods are called, each with one line of text. */
export interface Logger {
  /** For whoever looks for something. */
  debug(line: string): void;
  /** What an operator may like to know. */
  info(line: string): void;
  /** Something was dropped or refused; counted as an error. */
  warn(line: string): void;
  /** Something failed; counted as an error. */
  error(line: string): void;
}

const ORDER: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40, silent: 100 };

/** Every level, least severe first. */
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/**
 * A logger that lets pass what is at `level` or above, prefixes each line with the name of the service and makes it one line
 * of a bounded length: topics and headers come from outside and must not forge lines.
 */
export function leveledLogger(target: Logger, level: LogLevel, serviceName: string): Logger {
  const least = ORDER[level];
  // What its methods answer is nobody's business, unless it is a promise that rejects.
  const told: Record<Exclude<LogLevel, 'silent'>, (line: string) => unknown> = target;
  const write = (at: Exclude<LogLevel, 'silent'>) => (line: string) => {
    if (ORDER[at] < least) return;
    try {
      const answer = told[at](`[tracebus ${serviceName}] ${oneLine(line)}`);
      if (answer instanceof Promise) answer.catch(ignore);
    } catch {
      ignore();
    }
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/** Writes at a level chosen at run time; `silent` writes nothing. */
export function logAt(logger: Logger, level: LogLevel, line: string): void {
  if (level !== 'silent') logger[level](line);
}

function ignore(): void {
  // A log that fails has nowhere to say so, and must not stop a message.
}

/** The longest line: what a peer or an error says must not fill a disk at once. In UTF-16 units. */
const MAX_LINE = 2048;

// Also C1 controls (a terminal's CSI may be one), the line ends of Unicode, and what turns the direction of the text around.
// eslint-disable-next-line no-control-regex -- control characters are exactly what is removed
const FORGING = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g;

/** A text as one line of a bounded length: what could forge or hide lines becomes a space, and the rest is cut off. */
export function oneLine(text: string, most: number = MAX_LINE): string {
  if (text.length <= most) return text.replace(FORGING, ' ');
  // Half a surrogate pair is no character.
  const cut = text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '');
  return `${cut.replace(FORGING, ' ')}…`;
}
