/**
 * Notices a connection that is open on this side only (a cable, a firewall: libzmq#4476): publishers send heartbeats, so when
 * one that was heard falls silent for several of them, the subscriber disconnects and connects again.
 *
 * Silence is counted in beats of a timer, not in elapsed time: a process that was busy or asleep for a minute counts one beat, not
 * sixty, before it reads what has arrived meanwhile. A beat is as long as the longest interval that any heartbeat has told, if that
 * is more than one's own (up to a bound): a publisher may send fewer than this side would. While the consumer holds the read loop up, nothing is counted. A peer
 * that stays silent is tried at growing, jittered intervals.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { Clock, ClockTimer } from '../../core/clock.ts';
import { backOff } from './back-off.ts';

/** Beats without anything before the connection counts as dead. */
const SILENT_BEATS = 4;

/** The longest pause between two attempts, in beats. */
const LONGEST_PAUSE_BEATS = 64;

/**
 * The longest interval that a heartbeat may tell: heartbeats are not signed, and one that told of weeks would switch the watching off. A
 * publisher that sends fewer is reconnected to now and then.
 */
export const LONGEST_BEAT_MS = 60_000;

/** What it needs of its link. */
export interface LivenessLink {
  readonly clock: Clock;
  readonly heartbeatMs: number;
  readonly random: () => number;
  /** Something could be heard: a peer is connected and the read loop waits for it. */
  listening(): boolean;
  reconnect(): void;
}

/** Watches one connecting subscriber. */
export class Liveness {
  readonly #link: LivenessLink;
  #timer: ClockTimer = undefined;
  #beatMs: number;
  #heard = false;
  #silentBeats = 0;
  #allowedBeats = SILENT_BEATS;
  #attempts = 0;

  constructor(link: LivenessLink) {
    this.#link = link;
    this.#beatMs = link.heartbeatMs;
  }

  start(): void {
    context.with(ROOT_CONTEXT, () => this.#schedule());
  }

  stop(): void {
    if (this.#timer !== undefined) this.#link.clock.clearTimeout(this.#timer);
  }

  /** Something arrived: a heartbeat tells how often there is one. */
  heard(intervalMs = 0): void {
    this.#beatMs = Math.max(this.#beatMs, intervalMs);
    this.#heard = true;
    this.#silentBeats = 0;
    this.#attempts = 0;
    this.#allowedBeats = SILENT_BEATS;
  }

  #schedule(): void {
    this.#timer = this.#link.clock.setTimeout(() => this.#beat(), this.#beatMs, { keepAlive: false });
  }

  #beat(): void {
    if (this.#heard && this.#link.listening()) {
      this.#silentBeats += 1;
      if (this.#silentBeats >= this.#allowedBeats) this.#reconnect();
    }
    this.#schedule();
  }

  #reconnect(): void {
    this.#attempts += 1;
    this.#silentBeats = 0;
    const pause = backOff(this.#attempts, {
      baseMs: SILENT_BEATS,
      capMs: LONGEST_PAUSE_BEATS,
      random: this.#link.random,
    });
    this.#allowedBeats = SILENT_BEATS + Math.round(pause);
    this.#link.reconnect();
  }
}

/** The interval that a heartbeat tells, in milliseconds and at most {@link LONGEST_BEAT_MS}; undefined when it tells none. */
export function toldInterval(payload: Buffer | undefined): number | undefined {
  try {
    const { ms } = JSON.parse(payload?.toString('utf8') ?? '') as { readonly ms?: unknown };
    return typeof ms === 'number' && ms > 0 ? Math.min(ms, LONGEST_BEAT_MS) : undefined;
  } catch {
    // The core reads it too, and reports what is wrong with it.
    return undefined;
  }
}
