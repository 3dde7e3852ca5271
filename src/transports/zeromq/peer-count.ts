/**
 * How many peers a socket has, counted from its monitor's events.
 *
 * The events name no connection: on a binding socket `disconnect` may mean a peer, or somebody who never got through the
 * handshake (a wrong socket type emits nothing but `accept` and `disconnect`). While both kinds are there the one without a
 * handshake is taken for the one that left, and there are never more peers than connections: a wrong guess lasts until the
 * connection in question shakes hands or ends, at most the handshake time-out.
 */
import type { EventType } from 'zeromq';

/** Counts the peers of one socket. */
export class PeerCount {
  readonly #mode: 'bind' | 'connect';
  /** Connections, with or without a handshake. */
  #open = 0;
  #peers = 0;

  constructor(mode: 'bind' | 'connect') {
    this.#mode = mode;
  }

  get peers(): number {
    return this.#peers;
  }

  /** Counts one event; returns by how much the number of peers changed. */
  onEvent(type: EventType): number {
    const before = this.#peers;
    if (type === (this.#mode === 'bind' ? 'accept' : 'connect')) this.#open += 1;
    else if (type === 'handshake') this.#peers = Math.min(this.#peers + 1, this.#open);
    else if (type === 'disconnect') {
      this.#open = Math.max(this.#open - 1, 0);
      this.#peers = Math.min(this.#peers, this.#open);
    }
    return this.#peers - before;
  }

  /** All connections were given up. Returns by how much the number of peers changed. */
  reset(): number {
    const before = this.#peers;
    this.#open = 0;
    this.#peers = 0;
    return 0 - before;
  }
}
