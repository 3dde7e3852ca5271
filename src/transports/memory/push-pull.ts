/** Push and pull: each packet goes to one puller, in turn among those that have room. */
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import type { Receiver, ReceiveSpec, Sender } from '../../core/transport.ts';
import type { MemoryHub, Role } from './hub.ts';
import { MemoryLink } from './link.ts';
import { ReceivingLink } from './receiving-link.ts';
import { Turns } from './turns.ts';

/** A link that pushes. */
export class MemoryPusher extends MemoryLink implements Sender {
  readonly role: Role = 'push';
  readonly #turns: Turns = new Turns(this.ends);

  trySend(packet: OutgoingPacket): boolean {
    if (this.closed) throw this.closedError();
    return this.#turns.put(packet);
  }

  subscriberCount(_topic: string): undefined {
    return undefined;
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.peersJoined(1, signal);
  }
}

/** A link that pulls. */
export class MemoryPuller extends ReceivingLink implements Receiver {
  readonly role: Role = 'pull';

  constructor(hub: MemoryHub, spec: ReceiveSpec) {
    super(hub, spec, spec.onPacket);
  }

  /** Pushed packets are not filtered by topic. */
  subscribe(_pattern: string): void {
    // Nothing to ask for.
  }

  unsubscribe(_pattern: string): void {
    // Nothing was asked for.
  }

  ready(options: { readonly signal: AbortSignal }): Promise<void> {
    return this.peersJoined(1, options.signal);
  }
}
