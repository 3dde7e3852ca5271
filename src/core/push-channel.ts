/** Pushing to one endpoint: settles when a connected peer's socket has accepted the message, or rejects at its deadline. */
import type { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { SendContext } from './send-context.ts';
import { SendingChannel } from './sending-channel.ts';
import type { Slot } from './slot.ts';
import type { Sender } from './transport.ts';
import type { Wait } from './wait.ts';

/** See the head of this file. */
export class PushChannel extends SendingChannel<Sender> {
  constructor(kernel: Kernel, endpoint: string, mode: 'bind' | 'connect') {
    const { settings, transport } = kernel;
    const pack = transport.features.wire === 'native' ? settings.pack : 1;
    super(kernel, {
      operation: 'push',
      endpoint,
      mode,
      hwmPackets: settings.hwmPackets ?? settings.hwmOutbound,
      writer: { maxRecords: pack, order: 'global', byTopic: false },
      open: (spec) => transport.openPusher(spec),
    });
  }

  protected enqueue(ctx: SendContext, slot: Slot): Promise<void> {
    const wait = this.waitFor(ctx, slot, 'sent');
    this.fill(slot);
    return wait.promise;
  }

  protected givenUp({ slot }: Wait, error: BusError): void {
    // One that waited behind a slow step says nothing about the endpoint.
    if (error.code === 'SEND_TIMEOUT' && slot.offered) this.keeper.timedOut(error);
  }

  /** A connected peer that is full is slow and not broken, and has messages that were reported as accepted. */
  protected mayReplace(): boolean {
    return this.keeper.peers === 0;
  }
}
