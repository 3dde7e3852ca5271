/** The two sides of the forwarder: an XSUB that publishers connect to, and an XPUB that subscribers connect to. */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { XSubscriber } from 'zeromq';
import { messageOf } from '../../core/errors.ts';
import { MessageHeaders } from '../../core/headers.ts';
import { KIND_NUMBERS } from '../../core/kinds.ts';
import { encodePacket } from '../../core/packet.ts';
import { FanOut } from './fan-out.ts';
import type { FanOutSpec } from './fan-out.ts';
import { handOver } from './hand-over.ts';
import { PeerLink } from './peer-link.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';
import { AllSubscriptionsXSubscriber } from './subscriber-socket.ts';
import { HEARTBEAT_PREFIX } from './subscription-table.ts';
import type { SubscriptionChange } from './subscription-table.ts';

/** What both sides are opened with. */
export type ForwarderLinkSpec = FanOutSpec;

/** How often subscribers without room are asked again, once asking on the next turn did not help; real time: it waits for sockets. */
const RETRY_MS = 1;

/** Where publishers connect. */
export class ForwarderIn extends PeerLink<XSubscriber> {
  readonly #spec: ForwarderLinkSpec;

  constructor(spec: ForwarderLinkSpec, settings: ZeromqSettings) {
    const socket = new AllSubscriptionsXSubscriber({
      ...commonSocketOptions(spec, settings),
      linger: 0,
      sendTimeout: 0,
      receiveHighWaterMark: spec.hwmPackets,
    });
    super(socket, 'subscribe', spec, settings);
    this.#spec = spec;
  }

  /** Reads packets from now on, one when the one before has been taken. */
  passPacketsTo(down: ForwarderOut): void {
    this.read(this.socket, (frames) => down.pass(frames));
  }

  /** Tells the publishers of a subscription. With `sendTimeout` 0 it is sent inside the call: the order is that of the calls. */
  async tell({ kind, prefix }: SubscriptionChange): Promise<void> {
    const frame = Buffer.from(`${kind === 'subscribe' ? '\u0001' : '\u0000'}${prefix}`, 'latin1');
    try {
      if (await handOver(this.socket, [frame], this.endpoint)) return;
      this.#spec.logger.error(`A subscription was lost on its way to the publishers at ${this.endpoint}`);
    } catch (error) {
      if (!this.socket.closed) {
        this.#spec.logger.error(`A subscription could not be passed on at ${this.endpoint}: ${messageOf(error)}`);
      }
    }
  }
}

/** Where subscribers connect. */
export class ForwarderOut extends FanOut {
  readonly #spec: ForwarderLinkSpec;
  #up: ForwarderIn | undefined = undefined;
  #heartbeats = 0;

  constructor(spec: ForwarderLinkSpec, settings: ZeromqSettings) {
    super(spec, settings);
    this.#spec = spec;
  }

  passSubscriptionsTo(up: ForwarderIn): void {
    this.#up = up;
  }

  /** Resolves when the message has been taken. */
  async pass(frames: Buffer[]): Promise<void> {
    const { clock } = this.#spec;
    const since = clock.now();
    for (let round = 0; !(await this.offer(frames, clock.now() - since)); round += 1) {
      await (round === 0 ? nextTurn() : pause(RETRY_MS));
    }
  }

  /** Sends one heartbeat; without room it is left out, as those without room hear enough. */
  heartbeat(id: string): void {
    const headerBlock = new MessageHeaders().encode(KIND_NUMBERS.heartbeat);
    const { clock, heartbeatMs, logger } = this.#spec;
    const payload = Buffer.from(JSON.stringify({ id, ms: heartbeatMs, streams: [] }));
    this.#heartbeats += 1;
    const stamp = { epoch: 0, firstSequence: this.#heartbeats, sentAtUs: clock.wallUs() };
    const frames = [Buffer.from(HEARTBEAT_PREFIX), ...encodePacket([{ headerBlock, payload }], stamp)];
    handOver(this.socket, frames, this.endpoint).catch((error: unknown) => {
      if (!this.socket.closed) logger.warn(`A heartbeat failed at ${this.endpoint}: ${messageOf(error)}`);
    });
  }

  /** Publishers are told once of each prefix, whoever asks for it. */
  protected override onSubscription(change: SubscriptionChange): void {
    const isNews = change.count === (change.kind === 'subscribe' ? 1 : 0);
    if (isNews) void this.#up?.tell(change);
  }
}
