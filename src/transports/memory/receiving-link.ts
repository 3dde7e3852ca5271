/** A link with an inbox: subscriber, puller, requester (replies) and responder. */
import { BusError } from '../../core/errors.ts';
import type { PacketError } from '../../core/packet-error.ts';
import type { IncomingPacket, LinkSpec } from '../../core/transport.ts';
import type { End, MemoryHub } from './hub.ts';
import { Inbox } from './inbox.ts';
import { MemoryLink } from './link.ts';

/** What every link that receives is given. */
interface ReceivingSpec extends LinkSpec {
  onMalformed(error: PacketError): void;
}

/** The base of links that receive. */
export abstract class ReceivingLink extends MemoryLink {
  readonly #inbox: Inbox;

  protected constructor(
    hub: MemoryHub,
    spec: ReceivingSpec,
    deliver: (incoming: IncomingPacket, from: End) => void | Promise<void>,
  ) {
    super(hub, spec);
    this.#inbox = new Inbox({
      later: (task) => hub.later(task),
      deliver,
      onMalformed: (error) => spec.onMalformed(error),
      onBroken: (cause) => {
        const error = new BusError('TRANSPORT_FAILED', 'The receiver of the link threw', {
          endpoint: this.endpoint,
          cause,
        });
        this.tell((events) => events.onFailure(error));
      },
    });
  }

  override attach(end: End): void {
    this.#inbox.add(end);
    super.attach(end);
  }

  override close(): Promise<void> {
    this.#inbox.close();
    return super.close();
  }
}
