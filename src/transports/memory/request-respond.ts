/** Requests and replies: a requester sends to its responder, which answers each peer through the pipe back to it. */
import { BusError } from '../../core/errors.ts';
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import type { Peer, Requester, RequestSpec, Responder, RespondSpec } from '../../core/transport.ts';
import type { End, MemoryHub, Role } from './hub.ts';
import { parcelOf } from './pipe.ts';
import { ReceivingLink } from './receiving-link.ts';
import { Turns } from './turns.ts';

/** A link that requests. */
export class MemoryRequester extends ReceivingLink implements Requester {
  readonly role: Role = 'request';
  readonly #turns: Turns = new Turns(this.ends);

  constructor(hub: MemoryHub, spec: RequestSpec) {
    super(hub, spec, spec.onPacket);
  }

  trySend(packet: OutgoingPacket): boolean {
    if (this.closed) throw this.closedError();
    return this.#turns.put(packet);
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.peersJoined(1, signal);
  }
}

/** A link that answers. */
export class MemoryResponder extends ReceivingLink implements Responder {
  readonly role: Role = 'respond';
  readonly #spec: RespondSpec;
  /** Those that have requested something, by the id of their connection. */
  readonly #peers: Map<string, Peer>;

  constructor(hub: MemoryHub, spec: RespondSpec) {
    const peers = new Map<string, Peer>();
    super(hub, spec, (incoming, from) => {
      let peer = peers.get(from.id);
      if (peer === undefined) peers.set(from.id, (peer = this.#peerAt(from)));
      spec.onRequest(incoming, peer);
    });
    this.#spec = spec;
    this.#peers = peers;
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.peersJoined(this.mode === 'bind' ? 0 : 1, signal);
  }

  override detach(end: End): void {
    super.detach(end);
    const peer = this.#peers.get(end.id);
    this.#peers.delete(end.id);
    if (peer !== undefined) this.tell(() => this.#spec.onPeerGone(peer));
  }

  #peerAt({ id, out }: End): Peer {
    return {
      id,
      trySend: (packet: OutgoingPacket) => {
        if (this.closed) throw this.closedError();
        if (!out.open) {
          throw new BusError('PEER_GONE', 'The requester has disconnected', { endpoint: this.endpoint });
        }
        if (out.full) return false;
        out.put(parcelOf(packet));
        return true;
      },
    };
  }
}
