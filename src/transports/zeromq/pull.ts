/**
 * Pulling: a PULL socket, read one packet at a time. While the receiver is busy nothing is read, the queue of this socket
 * fills, then those of its pushers, which deal further packets to whoever has room.
 */
import { Pull } from 'zeromq';
import { PacketError } from '../../core/packet-error.ts';
import { decodePacket } from '../../core/packet.ts';
import type { IncomingPacket, Receiver, ReceiveSpec } from '../../core/transport.ts';
import { PeerLink } from './peer-link.ts';
import { decodePlainPush, PLAIN_PUSH_TOPIC } from './plain.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';

/** Opens a link that pulls. */
export function openPuller(spec: ReceiveSpec, settings: ZeromqSettings): Promise<Receiver> {
  return new PullLink(spec, settings).open();
}

class PullLink extends PeerLink<Pull> implements Receiver {
  readonly #pull: ReceiveSpec;

  constructor(spec: ReceiveSpec, settings: ZeromqSettings) {
    const options = { receiveHighWaterMark: spec.hwmPackets };
    super(new Pull({ ...commonSocketOptions(spec, settings), ...options }), 'pull', spec, settings);
    this.#pull = spec;
  }

  override async open(): Promise<this> {
    await super.open();
    this.read(this.socket, (frames) => this.#onFrames(frames));
    return this;
  }

  subscribe(_pattern: string): void {
    // Pushes are not filtered: the one that a packet was dealt to has it.
  }

  unsubscribe(_pattern: string): void {
    // Nothing was asked for.
  }

  ready({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    return this.connected(signal);
  }

  #onFrames(frames: Buffer[]): void | Promise<void> {
    const { wire, topic = PLAIN_PUSH_TOPIC, limits } = this.settings;
    let incoming: IncomingPacket;
    try {
      incoming =
        wire === 'native'
          ? { topic: undefined, packet: decodePacket(frames, limits) }
          : decodePlainPush(frames, topic, limits);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.#pull.onMalformed(error);
      return;
    }
    return this.#pull.onPacket(incoming);
  }
}
