/**
 * Pushing: a PUSH socket, connected to one endpoint or bound for many pullers, each packet to one of them in turn.
 *
 * `immediate`: nothing is queued for an endpoint that is not connected, so a taken packet is with a connected peer's
 * connection. What is in that connection is lost when the peer dies: at most once, as documented.
 */
import { Push } from 'zeromq';
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import type { LinkSpec, Sender } from '../../core/transport.ts';
import { assertFrameSizes, handOver } from './hand-over.ts';
import { OneByOne } from './one-by-one.ts';
import { PeerLink } from './peer-link.ts';
import { encodePlainPush } from './plain.ts';
import { commonSocketOptions } from './settings.ts';
import type { ZeromqSettings } from './settings.ts';
import { smallFrames } from './small-frames.ts';
import type { Frame } from './small-frames.ts';

/** Opens a link that pushes. */
export function openPusher(spec: LinkSpec, settings: ZeromqSettings): Promise<Sender> {
  return new PushLink(spec, settings).open();
}

class PushLink extends PeerLink<Push> implements Sender {
  readonly #plain = new OneByOne();

  constructor(spec: LinkSpec, settings: ZeromqSettings) {
    const options = { immediate: true, sendTimeout: 0, sendHighWaterMark: spec.hwmPackets };
    super(new Push({ ...commonSocketOptions(spec, settings), ...options }), 'push', spec, settings);
  }

  trySend(packet: OutgoingPacket): Promise<boolean> {
    this.assertOpen();
    if (this.settings.wire === 'native') return this.#send(smallFrames(packet));
    return this.#plain.offer(packet.records, (record) => this.#send(encodePlainPush(record)));
  }

  subscriberCount(_topic: string): undefined {
    return undefined;
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.connected(signal);
  }

  #send(frames: Frame[]): Promise<boolean> {
    assertFrameSizes(frames, this.settings.maxMessageBytes, this.endpoint);
    return handOver(this.socket, frames, this.endpoint);
  }
}
