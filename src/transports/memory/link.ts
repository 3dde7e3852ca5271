/**
 * What all links of the memory transport have in common: peers that come and go, waiting for them, and closing.
 *
 * `close` stops at once what this link tells its bus, lets what it has handed over be read for at most the linger time, and
 * then takes the link off the hub, which frees its endpoint. What its peers had sent and nobody has read is lost with it.
 */
import { BusError } from '../../core/errors.ts';
import type { Link, LinkEvents, LinkSpec } from '../../core/transport.ts';
import type { End, Member, MemoryHub, Role } from './hub.ts';

interface Waiter {
  readonly peers: number;
  resolve(): void;
  reject(reason: Error): void;
}

/** The base of every link; `open` joins it to the hub. */
export abstract class MemoryLink implements Link, Member {
  abstract readonly role: Role;
  readonly mode: 'bind' | 'connect';
  readonly hwmPackets: number;
  protected readonly hub: MemoryHub;
  protected readonly ends: Map<string, End> = new Map<string, End>();
  readonly #spec: LinkSpec;
  readonly #waiters = new Set<Waiter>();
  #endpoint: string;
  #everJoined = false;
  #closing: Promise<void> | undefined = undefined;
  #left = false;

  constructor(hub: MemoryHub, spec: LinkSpec) {
    this.hub = hub;
    this.mode = spec.mode;
    this.hwmPackets = spec.hwmPackets;
    this.#spec = spec;
    this.#endpoint = spec.endpoint;
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  /** A link counts as one socket, so that the figure active_connections means the same on every transport. */
  get sockets(): number {
    return this.#left ? 0 : 1;
  }

  /** True as soon as `close` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  open(): this {
    if (this.mode === 'bind') {
      this.#endpoint = this.hub.bind(this.#endpoint, this);
    } else if (this.#endpoint.endsWith('*')) {
      throw new BusError('TRANSPORT_FAILED', 'A link cannot connect to a wildcard', {
        endpoint: this.#endpoint,
        hint: 'Connect to the endpoint that the binding side reports.',
        retryable: false,
      });
    } else {
      this.hub.connect(this.#endpoint, this);
    }
    return this;
  }

  attach(end: End): void {
    this.ends.set(end.id, end);
    this.tell((events) => events.onPeerConnected());
    if (this.#everJoined && this.mode === 'connect') this.tell((events) => events.onFact('reconnects'));
    this.#everJoined = true;
    for (const waiter of this.#waiters) if (this.ends.size >= waiter.peers) waiter.resolve();
  }

  detach(end: End): void {
    this.ends.delete(end.id);
    this.tell((events) => events.onPeerDisconnected());
  }

  refuse(): void {
    this.tell((events) => events.onFact('handshakeFailures', 'handshake_failed'));
  }

  wants(_topic: string): boolean {
    return true;
  }

  interestChanged(): void {
    // Only publishers count who wants what.
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Tells the bus something on a later turn, unless the link is closed by then. */
  protected tell(what: (events: LinkEvents) => void): void {
    this.hub.later(() => {
      if (!this.closed) what(this.#spec.events);
    });
  }

  /** Resolves when there are so many peers. */
  protected peersJoined(peers: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.closed) throw this.closedError();
      if (this.ends.size >= peers) {
        resolve();
        return;
      }
      const forget = (): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', abort);
      };
      const waiter: Waiter = {
        peers,
        resolve: () => {
          forget();
          resolve();
        },
        reject: (reason) => {
          forget();
          reject(reason);
        },
      };
      const abort = (): void => waiter.reject(signal.reason as Error);
      this.#waiters.add(waiter);
      signal.addEventListener('abort', abort);
    });
  }

  protected closedError(): BusError {
    return new BusError('CLOSED', 'The link is closed', { endpoint: this.#endpoint });
  }

  async #close(): Promise<void> {
    for (const waiter of this.#waiters) waiter.reject(this.closedError());
    await this.#handedOverIsRead();
    this.hub.leave(this.#endpoint, this);
    for (const end of this.ends.values()) {
      end.out.close();
      end.in.close();
      end.remote.detach(end);
    }
    this.ends.clear();
    this.#left = true;
  }

  #handedOverIsRead(): Promise<void> | undefined {
    const pipes = [...this.ends.values()].map((end) => end.out).filter((pipe) => !pipe.empty);
    if (pipes.length === 0) return undefined;
    const { clock, closeLingerMs } = this.#spec;
    return new Promise((resolve) => {
      const timer = clock.setTimeout(resolve, closeLingerMs);
      for (const pipe of pipes) {
        pipe.onEmpty = () => {
          if (!pipes.every((one) => one.empty)) return;
          clock.clearTimeout(timer);
          resolve();
        };
      }
    });
  }
}
