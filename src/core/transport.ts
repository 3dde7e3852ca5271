/**
 * The contract of a transport: what carries packets between buses. `memory` is the reference, `zeromq` the default; the suite
 * in test/transports/conformance.ts states in tests what is stated here in words.
 *
 * A transport opens four kinds of links: senders (publish, push), receivers (subscribe, pull), requesters and responders.
 * It moves packets and knows nothing of bodies, chains or deadlines; the core queues, packs, orders, times out and counts.
 *
 * **Handing over.** The core's writer offers one packet at a time to a {@link PacketSink} and offers it again until it is
 * taken: `true` means that the transport has it (for push: that a connected peer's socket has it), `false` that there is no
 * room now, or no peer. A sink that can never take the packet throws a {@link BusError}. `trySend` never blocks and is never called
 * while an earlier call is pending. Buffers given to it belong to the transport from then on.
 *
 * **Order.** Packets of one sink arrive, at each peer that gets them, in the order of the hand-over. Nothing is promised across links.
 *
 * **Back-pressure.** `onPacket` may answer a promise; the link reads nothing more until it has settled. A transport whose
 * peer stops reading lets `trySend` answer `false`, so that the pressure reaches the caller.
 *
 * **Errors.** `open...` rejects with BIND_FAILED, TRANSPORT_FAILED or UNSUPPORTED, naming the endpoint and the way out. A link that breaks
 * later calls `onFailure` once and is closed by the core. Unreadable input goes to `onMalformed` and never stops the link.
 *
 * **Closing.** `close` is idempotent, delivers what was handed over for at most the linger time, and resolves when sockets,
 * timers and listeners are gone. No event is called afterwards.
 */
import type { BusError } from './errors.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { OutgoingPacket, PacketRoute } from './outgoing-packet.ts';
import type { DecodedPacket } from './packet.ts';
import type { PacketError } from './packet-error.ts';

/** What a transport can do; the conformance suite and the checks at start go by it. */
export interface TransportFeatures {
  /** `native` packets carry headers and several records; `plain` peers know neither. */
  readonly wire: 'native' | 'plain';
  /** The schemes of its endpoints, for instance `['tcp', 'ipc', 'inproc']`. */
  readonly schemes: readonly string[];
  /** Publishers know how many subscribers want a topic. */
  readonly subscriberCounts: boolean;
  /** `ready()` works. */
  readonly ready: boolean;
  /** What happens to a subscriber that does not keep up. */
  readonly slowSubscribers: readonly SlowSubscribers[];
  /** Links tell about peers that come and go (`onPeerConnected`). */
  readonly peerEvents: boolean;
}

/**
 * What a publisher does about a subscriber whose queue is full: `leave-behind` waits for a patience, then sends without it
 * until it has drained; `wait` lets the slowest set the pace; `drop` never waits.
 */
export type SlowSubscribers = 'leave-behind' | 'wait' | 'drop';

/** Facts that a link counts and only the core may add up. */
export type LinkFact = 'reconnects' | 'handshakeFailures' | 'subscribersLeftBehind' | 'subscriptionsRefused';

/** Why a handshake failed: the peer was not authorized, or the two could not agree (another protocol, no or wrong keys, no answer). */
export type HandshakeFailure = 'auth_failed' | 'handshake_failed';

/** What a link tells the core. None of these throws; none is called after `close`. */
export interface LinkEvents {
  /** A peer is connected and usable: it ends a cool-down. */
  onPeerConnected(): void;
  /** A peer that was connected has gone. */
  onPeerDisconnected(): void;
  /** The link is broken and will not recover by itself. */
  onFailure(error: BusError): void;
  /** Something that is counted has happened once; `reason` belongs to `handshakeFailures`. */
  onFact(fact: LinkFact, reason?: HandshakeFailure): void;
}

/** What is the same for every link. */
export interface LinkSpec {
  /** For instance `tcp://127.0.0.1:5555`, `ipc:///tmp/x`, `inproc://x`; `tcp://127.0.0.1:*` binds a free port. */
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  /** High-water mark of the transport's own queue, in packets. */
  readonly hwmPackets: number;
  /** How long `close` lets handed-over packets leave, in milliseconds. */
  readonly closeLingerMs: number;
  /** Interval of heartbeats, in milliseconds; a receiver that hears nothing for several of them reconnects. */
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LinkEvents;
}

/** How a publisher is opened. */
export interface PublishSpec extends LinkSpec {
  readonly slowSubscribers: SlowSubscribers;
  /** How long a packet waits for everyone before a full subscriber is left behind, in milliseconds. */
  readonly patienceMs: number;
  /** How long after the last time the patience needs to grow back to `patienceMs`. */
  readonly patienceRecoveryMs: number;
  /** A subscriber asked, by subscribing to the reserved topic `topic`, for one packet on it (see `Receiver.ready`). */
  onReadyProbe(topic: string): void;
  /** Counts of subscribers may have changed. */
  onSubscribersChanged(): void;
}

/** What the core offers packets to. */
export interface PacketSink {
  /**
   * Publishers that can send packets of several topics (`packet.mixed`): the route of a topic. Undefined: the topic is sent in packets of its
   * own, by its name. Must not throw. A topic that has a route is sent by it even alone. Where a receiver begins to ask for a topic, a change of its route must
   * not take the topic away from it again. Left out: no packet has several topics.
   */
  routeOf?(topic: string): PacketRoute | undefined;

  /**
   * Offers one packet; see the head of this file. `waitedMs` says how long it has been offered already.
   * @throws BusError when the packet can never be taken (PEER_GONE, MESSAGE_TOO_LARGE, TRANSPORT_FAILED, CLOSED)
   */
  trySend(packet: OutgoingPacket, waitedMs: number): boolean | Promise<boolean>;
}

/** Any open link. */
export interface Link {
  /** The endpoint as it is in effect: a wildcard port is resolved. */
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  /** How many sockets it holds open, for the figure active_connections. */
  readonly sockets: number;
  /** Idempotent; see **Closing** above. */
  close(): Promise<void>;
}

/** A link for publish or push. */
export interface Sender extends Link, PacketSink {
  /** Publishers: how many subscribers want `topic`; undefined where the transport cannot know. */
  subscriberCount(topic: string): number | undefined;
  /** Push: resolves when a peer is connected. Publish: when bound, or connected to a forwarder. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
}

/** One packet that arrived. */
export interface IncomingPacket {
  /**
   * The topic of a published packet; undefined where it has several (`packet.runs`). Pushes, requests and replies carry theirs in the
   * header of each record.
   */
  readonly topic: string | undefined;
  readonly packet: DecodedPacket;
}

/** Takes packets; a promise stops the link from reading on until it has settled. */
export type OnPacket = (incoming: IncomingPacket) => void | Promise<void>;

/** How a receiver is opened. */
export interface ReceiveSpec extends LinkSpec {
  readonly onPacket: OnPacket;
  /** Something arrived that is not a readable packet. */
  onMalformed(error: PacketError): void;
}

/** A link for subscribe or pull. */
export interface Receiver extends Link {
  /** Subscribes to a pattern; a transport with prefix filters may bring more, the core filters. Counted: as many unsubscribes undo it. */
  subscribe(pattern: string): void;
  /** Takes one `subscribe` of the pattern back. */
  unsubscribe(pattern: string): void;
  /**
   * Resolves when every subscription so far has arrived at the publisher (at `publishers` different ones, behind a forwarder); for pull, when a peer is connected.
   * Rejects with the signal's reason.
   */
  ready(options: { readonly signal: AbortSignal; readonly publishers: number }): Promise<void>;
}

/** How a requester is opened: replies and error replies arrive at `onPacket`. */
export type RequestSpec = ReceiveSpec;

/** A link for requests to one endpoint. */
export interface Requester extends Link, PacketSink {
  /** Resolves when the endpoint has a responder connected. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
}

/** One requester as a responder sees it; the same object for as long as the peer is known. */
export interface Peer extends PacketSink {
  /** How the transport tells its peers apart. */
  readonly id: string;
}

/** How a responder is opened. */
export interface RespondSpec extends LinkSpec {
  /** Requests and cancels arrived; the link reads on whatever becomes of them. */
  onRequest(incoming: IncomingPacket, peer: Peer): void;
  /** Something arrived that is not a readable packet. */
  onMalformed(error: PacketError): void;
  /** The peer has gone, or has been silent so long that the transport forgot it: drop what is kept for it. */
  onPeerGone(peer: Peer): void;
}

/** A link that answers requests. */
export interface Responder extends Link {
  /** Resolves when requesters can reach it: bound, or a requester is connected. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
}

/** A transport: opens links. One instance may serve several buses. */
export interface Transport {
  /** The value of `messaging.system.name`, for instance `zeromq`. */
  readonly system: string;
  readonly features: TransportFeatures;
  /** What else to check where no peer answers at an endpoint, as a sentence; the bus adds it to the hints of such errors. */
  readonly connectHint?: string | undefined;
  /** Throws a RangeError that says what is wrong with an endpoint. */
  checkEndpoint(endpoint: string): void;
  /** Opens the sending side of publish/subscribe. */
  openPublisher(spec: PublishSpec): Promise<Sender>;
  /** Opens the sending side of push/pull. */
  openPusher(spec: LinkSpec): Promise<Sender>;
  /** Opens the receiving side of publish/subscribe; it gets nothing before `subscribe`. */
  openSubscriber(spec: ReceiveSpec): Promise<Receiver>;
  /** Opens the receiving side of push/pull. */
  openPuller(spec: ReceiveSpec): Promise<Receiver>;
  /** Opens the asking side of request/respond. */
  openRequester(spec: RequestSpec): Promise<Requester>;
  /** Opens the answering side of request/respond. */
  openResponder(spec: RespondSpec): Promise<Responder>;
}
