/**
 * The publishing link: a packet goes into the pipe of every subscriber that asks for its topic, or, under `wait` and for a
 * while under `leave-behind`, into none until all have room: so a packet offered again reaches nobody twice.
 *
 * `onReadyProbe` is never called here: a subscription is in effect when `subscribe` returns.
 */
import type { OutgoingPacket } from '../../core/outgoing-packet.ts';
import type { PublishSpec, Sender } from '../../core/transport.ts';
import type { End, MemoryHub, Role } from './hub.ts';
import { MemoryLink } from './link.ts';
import { Patience } from '../../core/patience.ts';
import { parcelOf } from './pipe.ts';

/** A link that publishes. */
export class MemoryPublisher extends MemoryLink implements Sender {
  readonly role: Role = 'publish';
  readonly #spec: PublishSpec;
  readonly #patience: Patience;
  #tellingOfChange = false;

  constructor(hub: MemoryHub, spec: PublishSpec) {
    super(hub, spec);
    this.#spec = spec;
    this.#patience = new Patience(spec);
  }

  trySend(packet: OutgoingPacket, waitedMs: number): boolean {
    if (this.closed) throw this.closedError();
    const wanting = this.#wanting(packet.topic ?? '');
    if (wanting.length === 0) return true;
    const full = wanting.filter((end) => this.#isFull(end));
    if (full.length > 0 && !this.#goOnWithout(full, waitedMs)) return false;
    const reachable = wanting.filter((end) => !end.out.full && !end.out.leftBehind);
    if (reachable.length === 0) return true;
    const parcel = parcelOf(packet);
    for (const end of reachable) end.out.put(parcel);
    return true;
  }

  subscriberCount(topic: string): number {
    return this.#wanting(topic).length;
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.peersJoined(this.mode === 'bind' ? 0 : 1, signal);
  }

  override attach(end: End): void {
    super.attach(end);
    this.interestChanged();
  }

  override detach(end: End): void {
    super.detach(end);
    this.interestChanged();
  }

  /** A thousand subscriptions in one turn are one change. */
  override interestChanged(): void {
    if (this.#tellingOfChange) return;
    this.#tellingOfChange = true;
    this.tell(() => {
      this.#tellingOfChange = false;
      this.#spec.onSubscribersChanged();
    });
  }

  #wanting(topic: string): End[] {
    return [...this.ends.values()].filter((end) => end.remote.wants(topic));
  }

  /** Full, and not yet given up on; one that was left behind is back when it has drained. */
  #isFull({ out }: End): boolean {
    if (out.leftBehind && out.drained) out.leftBehind = false;
    return out.full && !out.leftBehind;
  }

  #goOnWithout(full: readonly End[], waitedMs: number): boolean {
    if (this.#spec.slowSubscribers === 'drop') return true;
    if (this.#spec.slowSubscribers === 'wait' || !this.#patience.isOver(waitedMs)) return false;
    for (const end of full) {
      end.out.leftBehind = true;
      this.tell((events) => events.onFact('subscribersLeftBehind'));
    }
    return true;
  }
}
