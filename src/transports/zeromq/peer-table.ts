/**
 * The requesters that a responder knows: the same object for the same peer, and never too many of them.
 *
 * A ROUTER hands out a new routing id for each connection, so a table that only grew would grow with every restart of a
 * client. Peers leave it when their connection ends, where libzmq tells, else when a reply finds nobody, when they
 * were silent for long, or when there are too many: the one that was silent longest goes first. Nothing runs on a timer: the
 * table is looked after when a peer is added.
 */
import type { Peer } from '../../core/transport.ts';

/** Peers remembered at most. */
const MAX_PEERS = 10_000;

/** Silent for so long a peer is forgotten: longer than any call that somebody still waits for. */
const IDLE_MS = 3_600_000;

/** What a {@link PeerTable} needs. */
export interface PeerTableOptions<P extends Peer> {
  /** Monotonic milliseconds. */
  now(): number;
  /** The peer is not in the table any more. */
  onForgotten(peer: P): void;
  /** @default 10000 */
  readonly maxPeers?: number;
  /** @default 3600000 */
  readonly idleMs?: number;
}

interface Entry<P extends Peer> {
  readonly peer: P;
  seenAt: number;
}

/** Peers by id, in the order in which they were last heard of. */
export class PeerTable<P extends Peer> {
  readonly #entries = new Map<string, Entry<P>>();
  readonly #options: PeerTableOptions<P>;
  readonly #maxPeers: number;
  readonly #idleMs: number;
  #last: Entry<P> | undefined = undefined;

  constructor(options: PeerTableOptions<P>) {
    this.#options = options;
    this.#maxPeers = options.maxPeers ?? MAX_PEERS;
    this.#idleMs = options.idleMs ?? IDLE_MS;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The peer of this id, which was heard of just now; made by `make` when it is new. */
  heard(id: string, make: (id: string) => P): P {
    const now = this.#options.now();
    // Bursts come from one peer: it is the last one already.
    if (this.#last?.peer.id === id) {
      this.#last.seenAt = now;
      return this.#last.peer;
    }
    let entry = this.#entries.get(id);
    const isNew = entry === undefined;
    if (entry === undefined) entry = { peer: make(id), seenAt: now };
    else this.#entries.delete(id);
    entry.seenAt = now;
    this.#entries.set(id, entry);
    this.#last = entry;
    if (isNew) this.#forgetSurplus(now);
    return entry.peer;
  }

  /** The peer of this id, if it is known. */
  get(id: string): P | undefined {
    return this.#entries.get(id)?.peer;
  }

  /** Forgets a peer, if it is this one that is known. */
  forget(peer: P): void {
    if (this.#entries.get(peer.id)?.peer !== peer) return;
    this.#entries.delete(peer.id);
    if (this.#last?.peer === peer) this.#last = undefined;
    this.#options.onForgotten(peer);
  }

  #forgetSurplus(now: number): void {
    for (const { peer, seenAt } of this.#entries.values()) {
      if (this.#entries.size <= this.#maxPeers && now - seenAt <= this.#idleMs) return;
      this.forget(peer);
    }
  }
}
