/**
 * Notices a connection that is open on this side only (a cable, a firewall: libzmq#4476): publishers send heartbeats, so when
 * one that was heard falls silent for several of them, the subscriber disconnects and connects again.
 *
 * Silence is counted in beats of a timer, not in elapsed time: a process that was busy or asleep for a minute counts one beat, not
 * sixty, before it reads what has arrived meanwhile. While the consumer holds the read loop up, nothing is counted. A peer
 * that stays silent is tried at growing, jittered intervals.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { Clock, ClockTimer } from '../../core/clock.ts';
import { backOff } from './back-off.ts';

/** Beats without anything before the connection counts as dead. */
const SILENT_BEATS = 4;

/** The longest pause between two attempts, in beats. */
const LONGEST_PAUSE_BEATS = 64;

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
  #heard = false;
  #silentBeats = 0;
  #allowedBeats = SILENT_BEATS;
  #attempts = 0;

  constructor(link: LivenessLink) {
    this.#link = link;
  }

  start(): void {
    context.with(ROOT_CONTEXT, () => this.#schedule());
  }

  stop(): void {
    if (this.#timer !== undefined) this.#link.clock.clearTimeout(this.#timer);
  }

  /** Something arrived. */
  heard(): void {
    this.#heard = true;
    this.#silentBeats = 0;
    this.#attempts = 0;
    this.#allowedBeats = SILENT_BEATS;
  }

  #schedule(): void {
    const { clock, heartbeatMs } = this.#link;
    this.#timer = clock.setTimeout(() => this.#beat(), heartbeatMs, { keepAlive: false });
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
