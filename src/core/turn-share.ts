/**
 * What one writer has done in the current turn of the event loop, and what it may still do in it.
 *
 * A message may leave in its own turn where the load is low: it is the first of its turn, and in the turn before, of those in which there was
 * something, there was one too. Under load the first would take nobody along, and the packet of the others would be smaller by one.
 */
import { nextTurn } from './turn.ts';
import type { Turn } from './turn.ts';

/** After this many accepted messages in one turn of the event loop a caller waits for the next: timers and sockets get theirs. */
const MESSAGES_PER_TURN = 512;

/** After this many packets, in one go or one by one, the writer lets the event loop turn. */
export const PACKETS_PER_TURN = 64;

/** See the head of this file. */
export class TurnShare {
  readonly #turn: Turn;
  readonly #isOneByOne: boolean;
  /** The turn that the counts are of. */
  #number = -1;
  /** Of callers in a loop. */
  #messages = 0;
  #accepted = 0;
  #acceptedBefore = 1;
  #fullPackets = 0;
  #lonePackets = 0;
  #next: Promise<void> | undefined = undefined;

  /** `isOneByOne`: each message is a packet of its own, so that none gains by waiting. */
  constructor(turn: Turn, isOneByOne: boolean) {
    this.#turn = turn;
    this.#isOneByOne = isOneByOne;
  }

  /** For callers in a tight loop: resolves with the next turn of the event loop, once this turn had its share. */
  breather(): Promise<void> | undefined {
    this.#countAnew();
    this.#turn.mark();
    if (++this.#messages < MESSAGES_PER_TURN) return undefined;
    this.#next ??= nextTurn();
    return this.#next;
  }

  /** The queue has accepted a message. */
  accept(): void {
    this.#countAnew();
    this.#accepted++;
  }

  /** Takes leave for a message that is alone in its queue; false if it has to wait for the end of the turn. */
  takeLone(writer: object): boolean {
    const isBusy = this.#isOneByOne
      ? this.#lonePackets >= PACKETS_PER_TURN
      : this.#accepted > 1 || this.#acceptedBefore > 1;
    if (isBusy || !this.#turn.isFreeFor(writer)) return false;
    this.#lonePackets++;
    this.#turn.leave(writer);
    return true;
  }

  /** Takes leave for full packets. */
  takeFull(): boolean {
    return this.#fullPackets++ < PACKETS_PER_TURN;
  }

  #countAnew(): void {
    if (this.#number === this.#turn.number) return;
    this.#number = this.#turn.number;
    if (this.#accepted > 0) this.#acceptedBefore = this.#accepted;
    this.#messages = 0;
    this.#accepted = 0;
    this.#fullPackets = 0;
    this.#lonePackets = 0;
    this.#next = undefined;
  }
}
