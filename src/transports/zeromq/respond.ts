/**
 * Responding: a ROUTER, whose peers are requesters of tracebus, or on the plain wire any REQ or DEALER.
 *
 * It reads without ever waiting, so that cancels get through while handlers are busy; how many requests wait is bounded by
 * the core. When a peer's connection ends libzmq says so where the binding has its draft API; elsewhere the next reply finds
 * out, or the bounds of the table.
 */
import { capability, Router } from 'zeromq';
import { PacketError } from '../../core/packet-error.ts';
import { decodePacket } from '../../core/packet.ts';
import type { IncomingPacket, Responder, RespondSpec } from '../../core/transport.ts';
import { encodeReturnPath, splitEnvelope } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { PeerLink } from './peer-link.ts';
import { PeerTable } from './peer-table.ts';
import { decodePlainRequest, PLAIN_REQUEST_TOPIC } from './plain.ts';
import { RequesterPeer } from './requester-peer.ts';
import type { ReplyRoute } from './requester-peer.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';

/** Draft option: what the ROUTER is to read, after a routing id, when that connection has ended. */
const ZMQ_DISCONNECT_MSG = 111;

/** A single frame, so no request looks like it. A peer that sends it itself is forgotten, and known anew with its next request. */
const GONE: Buffer = Buffer.from('\0tracebus:peer-gone');

/** Opens a link that answers requests. */
export function openResponder(spec: RespondSpec, settings: ZeromqSettings): Promise<Responder> {
  return new RespondLink(spec, settings).open();
}

class RespondRouter extends Router {
  announceGone(): void {
    if (capability['draft'] === true) this.setStringOption(ZMQ_DISCONNECT_MSG, GONE);
  }
}

class RespondLink extends PeerLink<RespondRouter> implements Responder {
  readonly #spec: RespondSpec;
  readonly #peers: PeerTable<RequesterPeer>;
  readonly #route: ReplyRoute;
  #requests = 0;

  constructor(spec: RespondSpec, settings: ZeromqSettings) {
    const marks = { sendHighWaterMark: spec.hwmPackets, receiveHighWaterMark: spec.hwmPackets };
    // Without `mandatory` a reply to a full or vanished peer disappears without a word. `handover` lets a plain peer with an
    // identity of its own come back after its connection broke; on the native wire nobody has one, and it would let a
    // stranger take over the routing id, and with it the replies, of another.
    const answers = { mandatory: true, handover: settings.wire === 'plain', sendTimeout: 0 };
    const socket = new RespondRouter({ ...commonSocketOptions(spec, settings), ...marks, ...answers });
    socket.announceGone();
    super(socket, 'respond', spec, settings);
    this.#spec = spec;
    this.#peers = new PeerTable({
      now: () => spec.clock.now(),
      onForgotten: (peer) => {
        if (!socket.closed) spec.onPeerGone(peer);
      },
    });
    this.#route = { socket, settings, endpoint: () => this.endpoint, onGone: (peer) => this.#peers.forget(peer) };
  }

  override async open(): Promise<this> {
    await super.open();
    this.read(this.socket, (frames) => this.#onFrames(frames));
    return this;
  }

  /** A bound responder works when it is bound. */
  async ready(signal: AbortSignal): Promise<void> {
    this.assertOpen();
    signal.throwIfAborted();
    if (this.mode === 'connect') await this.connected(signal);
  }

  #onFrames(frames: Buffer[]): void {
    const [routingId, second] = frames;
    if (routingId !== undefined && second !== undefined && frames.length === 2 && second.equals(GONE)) {
      const peer = this.#peers.get(routingId.toString('hex'));
      peer?.leave();
      if (peer !== undefined) this.#peers.forget(peer);
      return;
    }
    let envelope: Envelope;
    let incoming: IncomingPacket;
    try {
      envelope = splitEnvelope(frames);
      incoming = this.#decode(envelope);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.#spec.onMalformed(error);
      return;
    }
    this.#spec.onRequest(incoming, this.#peerOf(envelope));
  }

  #decode({ path, content }: Envelope): IncomingPacket {
    const { wire, topic = PLAIN_REQUEST_TOPIC, limits } = this.settings;
    if (wire === 'native') return { topic: undefined, packet: decodePacket(content, limits) };
    this.#requests += 1;
    return decodePlainRequest(content, encodeReturnPath(path, this.#requests), { naming: topic, limits });
  }

  /** On the native wire the path is part of who it is (requesters behind a ZeroMQ proxy share a connection); plain ones vary it. */
  #peerOf({ routingId, path }: Envelope): RequesterPeer {
    const isPlain = this.settings.wire === 'plain';
    let id = routingId.toString('hex');
    if (!isPlain) for (const hop of path) id += `.${hop.toString('hex')}`;
    return this.#peers.heard(id, () => new RequesterPeer(id, { routingId, path: isPlain ? [] : path }, this.#route));
  }
}
