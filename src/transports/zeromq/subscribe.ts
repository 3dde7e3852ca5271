/**
 * Subscribing: a SUB socket that asks for prefixes, `topic 0x00` for a topic and `price.` for `price.>`; the core filters what
 * a prefix brings too much. Every native subscriber also gets the heartbeats. The echoes of `ready()` stay here.
 */
import { BusError } from '../../core/errors.ts';
import { PacketError } from '../../core/packet-error.ts';
import { decodePublishedPacket, hasRuns } from '../../core/packet.ts';
import { decodeTopicFrame } from '../../core/topic-frame.ts';
import { isReserved, patternPrefix } from '../../core/topics.ts';
import type { IncomingPacket, LinkEvents, Receiver, ReceiveSpec } from '../../core/transport.ts';
import { Liveness, toldInterval } from './liveness.ts';
import { PeerLink } from './peer-link.ts';
import { decodePlainPublish } from './plain.ts';
import { HAND_OVER_MS, Prefixes } from './prefixes.ts';
import { READY_PREFIX, ReadyHandshake } from './ready-handshake.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';
import { AllSubscriptionsSubscriber } from './subscriber-socket.ts';
import { HEARTBEAT_PREFIX } from './subscription-table.ts';

const HEARTBEAT_TOPIC = HEARTBEAT_PREFIX.slice(0, -1);

/** Opens a link that subscribes. */
export function openSubscriber(spec: ReceiveSpec, settings: ZeromqSettings): Promise<Receiver> {
  const connections = { made: 0 };
  const events: LinkEvents = {
    onPeerConnected: () => {
      connections.made += 1;
      spec.events.onPeerConnected();
    },
    onPeerDisconnected: () => spec.events.onPeerDisconnected(),
    onFailure: (error) => spec.events.onFailure(error),
    onFact: (fact, reason) => spec.events.onFact(fact, reason),
  };
  return new SubscribeLink({ ...spec, events }, settings, connections).open();
}

class SubscribeLink extends PeerLink<AllSubscriptionsSubscriber> implements Receiver {
  readonly #spec: ReceiveSpec;
  readonly #ready: ReadyHandshake;
  readonly #liveness: Liveness | undefined;
  readonly #prefixes: Prefixes;
  #consuming = false;
  #asksForHeartbeats = false;

  constructor(spec: ReceiveSpec, settings: ZeromqSettings, connections: { readonly made: number }) {
    const common = { ...commonSocketOptions(spec, settings), linger: 0 };
    super(
      new AllSubscriptionsSubscriber({ ...common, receiveHighWaterMark: spec.hwmPackets }),
      'subscribe',
      spec,
      settings,
    );
    this.#spec = spec;
    this.#prefixes = new Prefixes(this.socket, spec.clock, settings.wire === 'native' ? HAND_OVER_MS : 0);
    this.#ready = new ReadyHandshake({
      clock: spec.clock,
      connections: () => connections.made,
      subscribePrefix: (prefix) => this.#prefixes.begin(prefix),
      unsubscribePrefix: (prefix) => this.#prefixes.end(prefix),
    });
    if (settings.wire === 'native' && spec.mode === 'connect') {
      this.#liveness = new Liveness({
        clock: spec.clock,
        heartbeatMs: spec.heartbeatMs,
        random: settings.random,
        listening: () => this.peers > 0 && !this.#consuming,
        reconnect: () => this.reconnect(),
      });
    }
  }

  override async open(): Promise<this> {
    await super.open();
    this.#liveness?.start();
    this.read(this.socket, (frames) => this.#onFrames(frames));
    setImmediate(() => this.#askForHeartbeats());
    return this;
  }

  override close(): Promise<void> {
    this.#liveness?.stop();
    this.#prefixes.stop();
    return super.close();
  }

  subscribe(pattern: string): void {
    this.#prefixes.begin(this.#prefixOf(pattern));
  }

  unsubscribe(pattern: string): void {
    this.#prefixes.end(this.#prefixOf(pattern));
  }

  async ready({ signal, publishers }: { readonly signal: AbortSignal; readonly publishers: number }): Promise<void> {
    if (this.settings.wire === 'plain') {
      throw new BusError('UNSUPPORTED', 'ready() needs native peers: a plain publisher sends no echo', {
        endpoint: this.endpoint,
        hint: 'Wait for the first message instead, or publish natively.',
      });
    }
    // Its answer says that everything before it has arrived.
    this.#askForHeartbeats();
    await this.#ready.run(publishers, this.untilClosed(signal));
  }

  /**
   * After the patterns, which whoever opened the link asks for as soon as it is open: a connection keeps the order, so who gets a heartbeat
   * gets what it tells of too. The other way round busy machines got two heartbeats before the pattern had arrived, and counted a gap.
   */
  #askForHeartbeats(): void {
    if (this.settings.wire !== 'native' || this.#asksForHeartbeats) return;
    this.#asksForHeartbeats = true;
    this.#prefixes.begin(HEARTBEAT_PREFIX);
  }

  /** Plain topics have no terminator: a prefix brings more there, and the core filters. */
  #prefixOf(pattern: string): string {
    const prefix = patternPrefix(pattern);
    return this.settings.wire === 'plain' && prefix.endsWith('\0') ? prefix.slice(0, -1) : prefix;
  }

  #onFrames(frames: Buffer[]): Promise<void> | undefined {
    const incoming = this.#decode(frames);
    const isHeartbeat = incoming?.topic === HEARTBEAT_TOPIC;
    this.#liveness?.heard(isHeartbeat ? toldInterval(incoming.packet.records[0]?.payload) : undefined);
    if (incoming === undefined || !this.#isForTheBus(incoming)) return undefined;
    const consumed = this.#spec.onPacket(incoming);
    return consumed === undefined ? undefined : this.#hold(consumed);
  }

  #decode(frames: Buffer[]): IncomingPacket | undefined {
    const { limits, wire } = this.settings;
    try {
      if (wire === 'plain') return decodePlainPublish(frames, limits);
      const [topicFrame, ...packetFrames] = frames;
      if (topicFrame === undefined) throw new PacketError('frames', 'no frame', 0);
      // In front of several topics stands a route, which says nothing to a reader.
      const topic = hasRuns(packetFrames[0]) ? undefined : decodeTopicFrame(topicFrame);
      return { topic, packet: decodePublishedPacket(packetFrames, limits) };
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.#spec.onMalformed(error);
      return undefined;
    }
  }

  /** Reserved topics are not, except the heartbeats; a subscription to everything brings the echoes of others too. */
  #isForTheBus({ topic, packet }: IncomingPacket): boolean {
    if (topic === undefined || !isReserved(topic) || topic === HEARTBEAT_TOPIC) return true;
    if (topic.startsWith(READY_PREFIX)) this.#ready.onEcho(topic, packet);
    return false;
  }

  async #hold(consumed: Promise<void>): Promise<void> {
    this.#consuming = true;
    try {
      await consumed;
    } finally {
      this.#consuming = false;
    }
  }
}
