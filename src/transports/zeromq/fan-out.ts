/**
 * An XPUB socket: sends each message to every subscriber that asks for it, knows what they ask for, and minds the slow ones.
 * The publisher and the forwarder's outgoing side are made of it.
 *
 * It always reads: what subscribers ask for arrives as messages, and libzmq acts on some of it only while a receive is pending.
 */
import { XPublisher } from 'zeromq';
import type { PublishSpec } from '../../core/transport.ts';
import { OnceAMinute } from './once-a-minute.ts';
import { PeerLink } from './peer-link.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';
import type { Frame } from './small-frames.ts';
import { SlowSubscribers } from './slow-subscribers.ts';
import { SubscriptionTable } from './subscription-table.ts';
import type { SubscriptionChange } from './subscription-table.ts';

/** What a {@link FanOut} is opened with. */
export type FanOutSpec = Omit<PublishSpec, 'onReadyProbe' | 'onSubscribersChanged'>;

/** See the head of this file. */
export abstract class FanOut extends PeerLink<XPublisher> {
  protected readonly subscriptions: SubscriptionTable;
  readonly #slow: SlowSubscribers;

  constructor(spec: FanOutSpec, settings: ZeromqSettings) {
    const socket = new XPublisher({
      ...commonSocketOptions(spec, settings),
      sendTimeout: 0,
      sendHighWaterMark: spec.hwmPackets,
      // Every single one, so that they can be counted.
      verbosity: 'allSubsUnsubs',
    });
    super(socket, 'publish', spec, settings);
    const log = new OnceAMinute(spec.clock, spec.logger);
    this.subscriptions = new SubscriptionTable(settings.maxSubscriptions, () => {
      spec.events.onFact('subscriptionsRefused');
      const most = String(settings.maxSubscriptions);
      log.warn(
        'subscriptions',
        `A subscription at ${this.endpoint} is too long or beyond the ${most} of \`maxSubscriptions\``,
      );
    });
    this.#slow = new SlowSubscribers(socket, spec);
  }

  override async open(inUseHint = ''): Promise<this> {
    await super.open(inUseHint);
    this.read(this.socket, ([frame]) => {
      const change = frame === undefined ? undefined : this.subscriptions.apply(frame);
      if (change !== undefined) this.onSubscription(change);
    });
    return this;
  }

  /** Offers one message; see `PacketSink.trySend`. */
  protected offer(frames: Frame[], waitedMs: number): Promise<boolean> {
    return this.#slow.offer(frames, waitedMs);
  }

  /** A socket began or ended to ask for a prefix. */
  protected abstract onSubscription(change: SubscriptionChange): void;
}
