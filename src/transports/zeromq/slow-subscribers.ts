/**
 * What a publishing socket does about subscribers whose queue is full.
 *
 * `noDrop` makes libzmq refuse a message (EAGAIN, at once) while any subscriber that asks for it is full: everyone is waited
 * for, and a message that is offered again has reached nobody yet. `leave-behind` waits like this up to a patience, then
 * sends one message with `noDrop` off: libzmq skips every full subscriber then, and until it has drained.
 *
 * How long the patience is, src/core/patience.ts says, and backlog.ts how much longer it is for large packets.
 * A stall of this process is not waiting: subscribers in it, and what it feeds, stood still too. Between two offers only so much
 * counts as the writer would let pass (beside three busy processes on two cores every third run lost messages without this).
 */
import type { XPublisher } from 'zeromq';
import { Patience } from '../../core/patience.ts';
import type { LinkFact, PublishSpec } from '../../core/transport.ts';
import { Backlog } from './backlog.ts';
import { handOver } from './hand-over.ts';
import { frameBytes } from './small-frames.ts';
import type { Frame } from './small-frames.ts';

/** The most that the time between two offers counts. A writer offers about every millisecond. */
const LONGEST_STEP_MS = 10;

/** The part of `PublishSpec` that the policy goes by. */
export type SlowSubscriberSpec = Pick<
  PublishSpec,
  'endpoint' | 'hwmPackets' | 'slowSubscribers' | 'patienceMs' | 'patienceRecoveryMs' | 'clock'
> & { readonly events: { onFact(fact: LinkFact): void } };

/** Hands messages to one publishing socket under one policy. */
export class SlowSubscribers {
  readonly #socket: XPublisher;
  readonly #spec: SlowSubscriberSpec;
  readonly #patience: Patience;
  readonly #backlog: Backlog;
  /** For how long the present message has been refused, in the time of the caller and without the stalls. */
  #refusedAtMs = 0;
  #waitedMs = 0;

  constructor(socket: XPublisher, spec: SlowSubscriberSpec) {
    this.#socket = socket;
    this.#spec = spec;
    this.#patience = new Patience(spec);
    this.#backlog = new Backlog(spec.hwmPackets);
    socket.noDrop = spec.slowSubscribers !== 'drop';
  }

  /** Offers a message that has been offered for `waitedMs` already: true when all take it that will get it. */
  offer(frames: Frame[], waitedMs: number): Promise<boolean> {
    return handOver(this.#socket, frames, this.#spec.endpoint).then((isTaken) => {
      if (isTaken) {
        this.#backlog.add(bytesOf(frames));
        this.#refusedAtMs = 0;
        this.#waitedMs = 0;
        return true;
      }
      if (this.#spec.slowSubscribers !== 'leave-behind' || !this.#isOver(waitedMs)) return false;
      return this.#leaveBehind(frames);
    });
  }

  #isOver(waitedMs: number): boolean {
    // Less than before: that message was given up, and this is another one.
    if (waitedMs < this.#refusedAtMs) this.#waitedMs = this.#refusedAtMs = 0;
    this.#waitedMs += Math.min(waitedMs - this.#refusedAtMs, LONGEST_STEP_MS);
    this.#refusedAtMs = waitedMs;
    return this.#patience.isOver(this.#waitedMs, this.#backlog.drainMs);
  }

  #leaveBehind(frames: Frame[]): Promise<boolean> {
    const { endpoint, events } = this.#spec;
    this.#refusedAtMs = 0;
    this.#waitedMs = 0;
    setNoDrop(this.#socket, false);
    // With sendTimeout 0 the message is sent inside the call: noDrop is on again before anything else can be.
    const sent = handOver(this.#socket, frames, endpoint);
    setNoDrop(this.#socket, true);
    events.onFact('subscribersLeftBehind');
    return sent;
  }
}

function bytesOf(frames: readonly Frame[]): number {
  let bytes = 0;
  for (const frame of frames) bytes += frameBytes(frame);
  return bytes;
}

/**
 * Switches noDrop on a socket that is bound. The binding warns that this "will not take effect until next connect/bind",
 * which is untrue for this option; the warning, and only this one, is kept from the user.
 */
function setNoDrop(socket: XPublisher, noDrop: boolean): void {
  if (socket.closed) return;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- only put back, never called from here
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    socket.noDrop = noDrop;
  } finally {
    process.emitWarning = emitWarning;
  }
}
