/**
 * The subscribing link. It filters as a transport with prefix filters does: a pattern with a wildcard brings everything that
 * begins with what stands before it, which is why the core filters again.
 */
import type { ReceiveSpec, Receiver } from '../../core/transport.ts';
import { isReserved, patternPrefix, RESERVED_PREFIX, TOPIC_TERMINATOR } from '../../core/topics.ts';
import type { MemoryHub, Role } from './hub.ts';
import { ReceivingLink } from './receiving-link.ts';

/** Brings the last sequences of a publisher; every subscriber gets it. */
const HEARTBEAT_TOPIC = `${RESERVED_PREFIX}heartbeat`;

/** A link that subscribes. */
export class MemorySubscriber extends ReceivingLink implements Receiver {
  readonly role: Role = 'subscribe';
  /** How often each prefix was subscribed to; that of a topic ends in its terminator. */
  readonly #counts = new Map<string, number>();
  /** Those that end elsewhere. */
  readonly #openPrefixes = new Set<string>();

  constructor(hub: MemoryHub, spec: ReceiveSpec) {
    super(hub, spec, spec.onPacket);
  }

  subscribe(pattern: string): void {
    const prefix = patternPrefix(pattern);
    const count = this.#counts.get(prefix) ?? 0;
    this.#counts.set(prefix, count + 1);
    if (count > 0) return;
    if (!prefix.endsWith(TOPIC_TERMINATOR)) this.#openPrefixes.add(prefix);
    this.#tellPublishers();
  }

  unsubscribe(pattern: string): void {
    const prefix = patternPrefix(pattern);
    const count = this.#counts.get(prefix) ?? 0;
    if (count > 1) this.#counts.set(prefix, count - 1);
    if (count !== 1) return;
    this.#counts.delete(prefix);
    this.#openPrefixes.delete(prefix);
    this.#tellPublishers();
  }

  override wants(topic: string): boolean {
    if (topic === HEARTBEAT_TOPIC || this.#counts.has(topic + TOPIC_TERMINATOR)) return true;
    const reserved = isReserved(topic);
    for (const prefix of this.#openPrefixes) {
      if (topic.startsWith(prefix) && (!reserved || isReserved(prefix))) return true;
    }
    return false;
  }

  ready(options: { readonly signal: AbortSignal; readonly publishers: number }): Promise<void> {
    return this.peersJoined(options.publishers, options.signal);
  }

  #tellPublishers(): void {
    for (const end of this.ends.values()) end.remote.interestChanged();
  }
}
