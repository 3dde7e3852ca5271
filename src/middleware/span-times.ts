/**
 * The times of spans, in microseconds. An SDK left to itself starts a span at a whole millisecond, which on a bus of microseconds lets
 * a message be processed before it was sent. Given a start it has to be given every other time too: left to itself it would
 * take whole milliseconds for those from then on.
 */
import type { HrTime } from '@opentelemetry/api';
import type { Clock } from '../core/clock.ts';
import type { SpanTime } from '../core/span-event.ts';

/** Microseconds since 1970 as OpenTelemetry's seconds and nanoseconds. */
export function hrTime(us: number): HrTime {
  const seconds = Math.floor(us / 1_000_000);
  return [seconds, (us - seconds * 1_000_000) * 1000];
}

/** The time on a span that was started at `startUs`: never before that, also when the system's clock is set back. */
export class RunningTime implements SpanTime {
  readonly #clock: Clock;
  readonly #startUs: number;

  constructor(clock: Clock, startUs: number) {
    this.#clock = clock;
    this.#startUs = startUs;
  }

  now(): HrTime {
    return hrTime(Math.max(this.#startUs, this.#clock.wallUs()));
  }
}
