/**
 * Log lines that a stranger can cause in any number: a bounded number of each kind per second, then a line that says how many
 * were left out. It comes with the next line of the kind or a second later, whichever is first; nobody waits in vain for it.
 */
import type { Clock, ClockTimer } from './clock.ts';
import { FloodGate } from './flood-gate.ts';
import type { LogLevel, Logger } from './logger.ts';
import { logAt } from './logger.ts';
import { outsideTraces } from './outside-traces.ts';

const TELL_AFTER_MS = 1000;

/** See the head of this file. */
export class FloodLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #gate: FloodGate;
  /** At which level the kinds are logged of which something was left out. */
  readonly #levels = new Map<string, LogLevel>();
  #timer: { readonly handle: ClockTimer } | undefined;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
    this.#gate = new FloodGate(clock);
  }

  /** Writes a line, or counts it as left out. `kind` is a phrase of a closed list that the count is told under. */
  write(level: LogLevel, kind: string, line: string): void {
    if (level === 'silent') return;
    const leftOut = this.#gate.pass(kind);
    if (leftOut === undefined) {
      this.#levels.set(kind, level);
      this.#timer ??= { handle: outsideTraces(() => this.#clock.setTimeout(this.#tell, TELL_AFTER_MS, NOT_ALIVE)) };
      return;
    }
    if (leftOut > 0) this.#tellOf(level, kind, leftOut);
    logAt(this.#logger, level, line);
  }

  /** Tells at once what was left out: the bus has closed. */
  flush(): void {
    if (this.#timer === undefined) return;
    this.#clock.clearTimeout(this.#timer.handle);
    this.#tell();
  }

  readonly #tell = (): void => {
    this.#timer = undefined;
    for (const [kind, leftOut] of this.#gate.untold()) this.#tellOf(this.#levels.get(kind) ?? 'warn', kind, leftOut);
  };

  #tellOf(level: LogLevel, kind: string, leftOut: number): void {
    logAt(this.#logger, level, `${kind}: ${String(leftOut)} more line(s) like these were left out`);
  }
}

/** A process that has nothing else to do ends. */
const NOT_ALIVE = { keepAlive: false };
