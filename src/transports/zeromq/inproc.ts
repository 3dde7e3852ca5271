/**
 * Who meets whom over inproc.
 *
 * libzmq emits no events for inproc, lets a socket connect to a name that nobody has bound, queues what is sent there even
 * with `immediate`, and never comes back after the binding socket has closed. So the links of one Context meet here: a
 * connecting link connects its socket only while its counterpart is bound, and again after a restart of it. That makes "sent"
 * and "ready" as true as over tcp. The price: a foreign socket in the same Context is not seen; use tcp or ipc for those.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { once, EventEmitter } from 'node:events';
import type { Context, Socket } from 'zeromq';
import type { LinkSpec } from '../../core/transport.ts';
import { errnoOf } from './hand-over.ts';
import { recheckReceive } from './recheck.ts';

/** What a link is to the others. */
export type PeerRole = 'publish' | 'subscribe' | 'push' | 'pull' | 'request' | 'respond';

const COUNTERPART: Readonly<Record<PeerRole, PeerRole>> = {
  publish: 'subscribe',
  subscribe: 'publish',
  push: 'pull',
  pull: 'push',
  request: 'respond',
  respond: 'request',
};

/** The links at one name: at most one has bound it. */
interface Meeting {
  bound: InprocPeers | undefined;
  readonly connecting: Set<InprocPeers>;
}

const meetings = new WeakMap<Context, Map<string, Meeting>>();

/** What an {@link InprocPeers} needs of its link. */
interface InprocLink {
  readonly socket: Socket;
  readonly role: PeerRole;
  readonly spec: LinkSpec;
  /** The Context of the socket: names are its own. */
  readonly context: Context;
}

/** The peers of one link at an inproc endpoint; what a monitor is elsewhere. */
export class InprocPeers {
  readonly #link: InprocLink;
  readonly #peers = new Set<InprocPeers>();
  readonly #arrivals = new EventEmitter().setMaxListeners(0);
  #stopped = false;
  #joinedBefore = false;

  constructor(link: InprocLink) {
    this.#link = link;
  }

  /** How many peers are connected. */
  get peers(): number {
    return this.#peers.size;
  }

  /** Whether a link has bound the name already. */
  get nameIsHeld(): boolean {
    return this.#meeting().bound !== undefined;
  }

  /** Meets those who are there and whoever comes. A binding link calls it when its socket is bound, a connecting one instead of connecting. */
  enter(): void {
    const meeting = this.#meeting();
    if (this.#link.spec.mode === 'bind') {
      meeting.bound = this;
      for (const other of meeting.connecting) other.#meet(this);
    } else {
      meeting.connecting.add(this);
      if (meeting.bound !== undefined) this.#meet(meeting.bound);
    }
  }

  /** Resolves when a peer is connected; rejects with the signal's reason. */
  async connected(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.peers > 0) return;
    try {
      await once(this.#arrivals, 'peer', { signal });
    } catch {
      throw signal.reason;
    }
  }

  /** To be called right before the socket is closed: peers are told, and no event is passed on any more. */
  stop(): void {
    this.#stopped = true;
    const names = meetings.get(this.#link.context);
    const meeting = this.#meeting();
    if (meeting.bound === this) meeting.bound = undefined;
    meeting.connecting.delete(this);
    if (meeting.bound === undefined && meeting.connecting.size === 0) names?.delete(this.#link.spec.endpoint);
    for (const peer of this.#peers) peer.#part(this);
    this.#peers.clear();
  }

  #meeting(): Meeting {
    const { context: owner, spec } = this.#link;
    const names = meetings.get(owner) ?? new Map<string, Meeting>();
    meetings.set(owner, names);
    const meeting = names.get(spec.endpoint) ?? { bound: undefined, connecting: new Set() };
    names.set(spec.endpoint, meeting);
    return meeting;
  }

  /** A connecting link and the one that has bound become peers. */
  #meet(bound: InprocPeers): void {
    const { socket, role, spec } = this.#link;
    if (COUNTERPART[role] !== bound.#link.role) {
      this.#tell(() => spec.events.onFact('handshakeFailures', 'handshake_failed'));
      return;
    }
    socket.connect(spec.endpoint);
    recheckReceive(socket);
    if (this.#joinedBefore) this.#tell(() => spec.events.onFact('reconnects'));
    this.#joinedBefore = true;
    bound.#add(this);
    this.#add(bound);
  }

  #add(peer: InprocPeers): void {
    this.#peers.add(peer);
    this.#tell(() => this.#link.spec.events.onPeerConnected());
    this.#arrivals.emit('peer');
  }

  #part(peer: InprocPeers): void {
    this.#peers.delete(peer);
    const { socket, role, spec } = this.#link;
    // One that only receives still reads what the other had sent; its connection then ends by itself.
    if (spec.mode === 'connect' && role !== 'pull' && role !== 'subscribe') {
      try {
        // At once, so that nothing more is handed to a socket that is closing.
        socket.disconnect(spec.endpoint);
      } catch (error) {
        // ENOENT: the connection has ended already, which is what was wanted.
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
    }
    this.#tell(() => spec.events.onPeerDisconnected());
  }

  /** On a later turn, so that no event comes out of a call into the transport; outside of whatever trace that call is in. */
  #tell(what: () => void): void {
    context.with(ROOT_CONTEXT, () => {
      setImmediate(() => {
        if (!this.#stopped) what();
      });
    });
  }
}
