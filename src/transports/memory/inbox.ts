/**
 * The one read loop of a receiving link: takes packets from its peers in turn, decodes them and hands them over.
 *
 * When the receiver answers a promise nothing more is read until it has settled, so that the peers' pipes fill and their
 * `trySend` answers false. After a batch the loop lets the event loop turn. What cannot be decoded is reported and skipped.
 */
import type { DecodedPacket } from '../../core/packet.ts';
import { decodePacket } from '../../core/packet.ts';
import { PacketError } from '../../core/packet-error.ts';
import type { IncomingPacket } from '../../core/transport.ts';
import type { End } from './hub.ts';
import type { Parcel } from './pipe.ts';

/** Packets handed over before timers and sockets get their turn. */
const BATCH = 256;

/** What an inbox needs of its link. */
interface InboxSpec {
  /** Runs a task on a later turn. */
  later(task: () => void): void;
  deliver(incoming: IncomingPacket, from: End): void | Promise<void>;
  onMalformed(error: PacketError): void;
  /** `deliver` threw or rejected, against its contract: the loop has stopped. */
  onBroken(error: unknown): void;
}

/** Reads what arrives at one link. */
export class Inbox {
  readonly #spec: InboxSpec;
  /** The ends that have something to read, each once, in the order of their turns. */
  readonly #readable: End[] = [];
  /** `idle`: nothing to read; `due`: a turn is scheduled; `reading`: in the loop, or waiting for the receiver. */
  #state: 'idle' | 'due' | 'reading' | 'closed' = 'idle';
  #readThisTurn = 0;

  constructor(spec: InboxSpec) {
    this.#spec = spec;
  }

  /** Reads from this end from now on, until its pipe is closed. */
  add(end: End): void {
    end.in.onParcel = () => {
      if (this.#closed) return;
      if (!this.#readable.includes(end)) this.#readable.push(end);
      if (this.#state === 'idle') this.#schedule();
    };
  }

  /** Nothing is handed over any more, also not what has arrived. */
  close(): void {
    this.#state = 'closed';
    this.#readable.length = 0;
  }

  get #closed(): boolean {
    return this.#state === 'closed';
  }

  #schedule(): void {
    this.#state = 'due';
    this.#spec.later(() => {
      this.#readThisTurn = 0;
      if (this.#state === 'due') this.#read();
    });
  }

  #read(): void {
    this.#state = 'reading';
    for (let end = this.#readable.shift(); end !== undefined; end = this.#readable.shift()) {
      const parcel = end.in.take();
      if (!end.in.empty) this.#readable.push(end);
      const pending = parcel === undefined ? undefined : this.#handOver(parcel, end);
      if (pending !== undefined) {
        pending.then(
          () => this.#resume(),
          (error: unknown) => this.#break(error),
        );
        return;
      }
      if (this.#closed) return;
      if (++this.#readThisTurn >= BATCH) break;
    }
    if (this.#readable.length > 0) this.#schedule();
    else this.#state = 'idle';
  }

  #resume(): void {
    if (this.#closed) return;
    if (++this.#readThisTurn >= BATCH) this.#schedule();
    else this.#read();
  }

  #handOver(parcel: Parcel, end: End): void | Promise<void> {
    let packet: DecodedPacket;
    try {
      packet = decodePacket(parcel.frames);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.#spec.onMalformed(error);
      return;
    }
    try {
      return this.#spec.deliver({ topic: parcel.topic, packet }, end);
    } catch (error) {
      this.#break(error);
      return;
    }
  }

  #break(error: unknown): void {
    this.close();
    this.#spec.onBroken(error);
  }
}
