/**
 * The log of failed handshakes of one endpoint: a line for each reason and minute, however often it happens. A stranger that
 * connects again and again fills no disk, and the next line says how many were left out.
 */
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';

const QUIET_MS = 60_000;

/** See the head of this file. */
export class OnceAMinute {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By reason, of which there are a few. */
  readonly #said = new Map<string, { at: number; unsaid: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Logs the line, unless one for this reason was logged within the minute. */
  warn(reason: string, line: string): void {
    const now = this.#clock.now();
    const last = this.#said.get(reason);
    if (last !== undefined && now - last.at < QUIET_MS) {
      last.unsaid += 1;
      return;
    }
    const more = last === undefined || last.unsaid === 0 ? '' : ` (and ${String(last.unsaid)} more like it before)`;
    this.#said.set(reason, { at: now, unsaid: 0 });
    this.#logger.warn(`${line}${more}`);
  }
}
