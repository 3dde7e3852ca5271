/**
 * Requesting: a DEALER for one endpoint, any number of requests in flight, replies matched by the core.
 *
 * Never a REQ: it blocks after a lost reply. `immediate`: without a connected responder a request stays with the core, which
 * knows its deadline. The empty frame in front is what makes a REP take the message at all.
 */
import { Dealer } from 'zeromq';
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import { PacketError } from '../../core/packet-error.ts';
import { decodePacket } from '../../core/packet.ts';
import type { IncomingPacket, Requester, RequestSpec } from '../../core/transport.ts';
import { afterDelimiter, DELIMITER } from './envelope.ts';
import { assertFrameSizes, handOver } from './hand-over.ts';
import { OneByOne } from './one-by-one.ts';
import { PeerLink } from './peer-link.ts';
import { decodePlainReply, encodePlainRequest } from './plain.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';
import { smallFrames } from './small-frames.ts';
import type { Frame } from './small-frames.ts';

/** Opens a link that requests. */
export function openRequester(spec: RequestSpec, settings: ZeromqSettings): Promise<Requester> {
  return new RequestLink(spec, settings).open();
}

class RequestLink extends PeerLink<Dealer> implements Requester {
  readonly #request: RequestSpec;
  readonly #plain = new OneByOne();

  constructor(spec: RequestSpec, settings: ZeromqSettings) {
    const marks = { sendHighWaterMark: spec.hwmPackets, receiveHighWaterMark: spec.hwmPackets };
    const options = { ...commonSocketOptions(spec, settings), ...marks, immediate: true, sendTimeout: 0 };
    super(new Dealer(options), 'request', spec, settings);
    this.#request = spec;
  }

  override async open(): Promise<this> {
    await super.open();
    this.read(this.socket, (frames) => this.#onFrames(frames));
    return this;
  }

  trySend(packet: OutgoingPacket): Promise<boolean> {
    this.assertOpen();
    if (this.settings.wire === 'native') return this.#send([DELIMITER, ...smallFrames(packet)]);
    return this.#plain.offer(packet.records, (record) => this.#send(encodePlainRequest(record)));
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.connected(signal);
  }

  #send(frames: Frame[]): Promise<boolean> {
    assertFrameSizes(frames, this.settings.maxMessageBytes, this.endpoint);
    return handOver(this.socket, frames, this.endpoint);
  }

  #onFrames(frames: Buffer[]): void | Promise<void> {
    const { wire, limits } = this.settings;
    let incoming: IncomingPacket;
    try {
      incoming =
        wire === 'native'
          ? { topic: undefined, packet: decodePacket(afterDelimiter(frames), limits) }
          : decodePlainReply(frames, limits);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.#request.onMalformed(error);
      return;
    }
    return this.#request.onPacket(incoming);
  }
}
