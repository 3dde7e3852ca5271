/**
 * Publishing: `[topic 0x00] [packet] [large payload]...` to every subscriber of the topic, or `[route] [packet] [large payload]...`
 * to every subscriber of the several topics that have it (subscription-table.ts); on the plain wire each record as `[topic] [payload]`.
 *
 * What arrives are subscriptions. They are counted, so that the bus knows whether anybody listens; the one to a random
 * `_tb.ready.` topic asks for a packet on that topic, by which the subscriber learns that its other ones have arrived.
 */
import { encodeTopicFrame } from '../../core/topic-frame.ts';
import { RESERVED_PREFIX, TOPIC_TERMINATOR } from '../../core/topics.ts';
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import type { PublishSpec, Sender } from '../../core/transport.ts';
import { FanOut } from './fan-out.ts';
import { assertFrameSizes } from './hand-over.ts';
import { OneByOne } from './one-by-one.ts';
import { encodePlainPublish } from './plain.ts';
import type { ZeromqSettings } from './settings.ts';
import { smallFrames } from './small-frames.ts';
import type { Frame } from './small-frames.ts';
import { HEARTBEAT_PREFIX, SubscriptionRoute } from './subscription-table.ts';
import type { SubscriptionChange } from './subscription-table.ts';

/** Two publishers on one port is what everybody tries second. */
const SECOND_PUBLISHER_HINT =
  ' For several publishers on one port run `npx tracebus forward`, and let them connect to its `--in` port.';

/** What a subscriber asks for to get an echo; anything else under the prefix comes from no tracebus. */
// eslint-disable-next-line no-control-regex -- the terminator
const READY_PROBE = /^(_tb\.ready\.[0-9a-z-]{1,64})\u0000$/;

/** Topic frames kept; when there are more, keeping starts anew. */
const KEPT_TOPIC_FRAMES = 1024;

/** Opens a link that publishes. */
export function openPublisher(spec: PublishSpec, settings: ZeromqSettings): Promise<Sender> {
  return new PublishLink(spec, settings).open(SECOND_PUBLISHER_HINT);
}

class PublishLink extends FanOut implements Sender {
  readonly #spec: PublishSpec;
  readonly #plain = new OneByOne();
  readonly #topicFrames = new Map<string, Uint8Array>();
  #plainPeerLogged = false;
  #changePending = false;

  constructor(spec: PublishSpec, settings: ZeromqSettings) {
    super(spec, settings);
    this.#spec = spec;
  }

  trySend(packet: OutgoingPacket, waitedMs: number): Promise<boolean> {
    const topic = packet.topic ?? '';
    if (this.settings.wire === 'native') {
      const route = packet.mixed?.route;
      const first = route instanceof SubscriptionRoute ? route.frame : this.#topicFrame(topic);
      return this.#send([first, ...smallFrames(packet)], waitedMs);
    }
    return this.#plain.offer(packet.records, (record) => this.#send(encodePlainPublish(topic, record), waitedMs));
  }

  routeOf(topic: string): SubscriptionRoute | undefined {
    return this.settings.wire === 'native' ? this.subscriptions.routeOf(topic) : undefined;
  }

  subscriberCount(topic: string): number {
    if (this.settings.wire === 'plain') return this.subscriptions.matching(topic);
    // One socket may ask for a topic by several prefixes, and every native one asks for the heartbeats once.
    return Math.min(this.subscriptions.matching(topic), this.subscriptions.count(HEARTBEAT_PREFIX));
  }

  async ready(signal: AbortSignal): Promise<void> {
    if (this.mode === 'connect') await this.connected(signal);
    else this.untilClosed(signal).throwIfAborted();
  }

  protected override onSubscription({ kind, prefix }: SubscriptionChange): void {
    if (kind === 'subscribe' && this.settings.wire === 'native') {
      const probed = READY_PROBE.exec(prefix)?.[1];
      if (probed !== undefined) this.#spec.onReadyProbe(probed);
      else this.#noticePlainPeer(prefix);
    }
    // Those to reserved topics are the bus's own.
    if (!prefix.startsWith(RESERVED_PREFIX) || prefix === HEARTBEAT_PREFIX) this.#tellOfChange();
  }

  /** @throws BusError MESSAGE_TOO_LARGE */
  #send(frames: Frame[], waitedMs: number): Promise<boolean> {
    assertFrameSizes(frames, this.settings.maxMessageBytes, this.endpoint);
    return this.offer(frames, waitedMs);
  }

  #topicFrame(topic: string): Uint8Array {
    let frame = this.#topicFrames.get(topic);
    if (frame === undefined) {
      if (this.#topicFrames.size >= KEPT_TOPIC_FRAMES) this.#topicFrames.clear();
      frame = encodeTopicFrame(topic);
      this.#topicFrames.set(topic, frame);
    }
    return frame;
  }

  #noticePlainPeer(prefix: string): void {
    if (this.#plainPeerLogged || prefix === '' || prefix.endsWith('.') || prefix.endsWith(TOPIC_TERMINATOR)) return;
    this.#plainPeerLogged = true;
    const asked = JSON.stringify(Buffer.from(prefix, 'latin1').toString());
    this.#spec.logger.warn(
      `A subscriber at ${this.endpoint} asks for ${asked}, which no tracebus subscriber does: it will not understand native ` +
        "packets. Publish to such peers with `zeromq({ wire: 'plain' })`.",
    );
  }

  /** Thousands of subscriptions in one turn are one change. */
  #tellOfChange(): void {
    if (this.#changePending) return;
    this.#changePending = true;
    setImmediate(() => {
      this.#changePending = false;
      if (this.sockets > 0) this.#spec.onSubscribersChanged();
    });
  }
}
