/**
 * Keeps one link: opens it when it is first needed, leaves it alone after a failure for the cool-down time, and opens it anew with the
 * next call. Links that nobody calls (receivers) and failed binds are tried again by themselves.
 *
 * - A broken link is closed at once. One that merely timed out stays open, marked stale, so that a peer that connects can
 *   end the cool-down; the next call after the cool-down replaces it. A bound one is never replaced for a time-out: its other peers are well.
 */
import type { ClockTimer } from './clock.ts';
import { CoolDown } from './cool-down.ts';
import type { Operation } from './counters.ts';
import { BusError, ERROR_CODES, errorType, messageOf } from './errors.ts';
import type { Kernel } from './kernel.ts';
import { outsideTraces } from './outside-traces.ts';
import type { HandshakeFailure, Link, LinkEvents, LinkFact, LinkSpec } from './transport.ts';

/** What a keeper is told about its link. */
export interface KeeperOptions<L extends Link> {
  readonly operation: Operation;
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  readonly hwmPackets: number;
  /** Receivers open again by themselves after a failure; senders with the next call, except for failed binds. */
  readonly reopens: boolean;
  open(spec: LinkSpec): Promise<L>;
  /** Whether a link that timed out may be replaced. @default always */
  mayReplace?(): boolean;
  /** The link is open; `undefined`: it is gone. */
  onLink(link: L | undefined): void;
}

/** See the head of this file. */
export class LinkKeeper<L extends Link> {
  readonly endpoint: string;
  readonly mode: 'bind' | 'connect';
  readonly #kernel: Kernel;
  readonly #options: KeeperOptions<L>;
  readonly #coolDown: CoolDown;
  #link: L | undefined;
  #opening: Promise<L> | undefined;
  #stale = false;
  #closed = false;
  #retry: ClockTimer = undefined;
  #closing: Promise<void>[] = [];
  /** Peers as far as the transport tells; see `TransportFeatures.peerEvents`. */
  peers = 0;
  /** What has to be over before the link opens: an earlier one at the same endpoint. */
  after: Promise<void> | undefined = undefined;

  constructor(kernel: Kernel, options: KeeperOptions<L>) {
    this.#kernel = kernel;
    this.#options = options;
    this.endpoint = options.endpoint;
    this.mode = options.mode;
    this.#coolDown = new CoolDown(kernel.clock, kernel.settings.failedSocketCooldownMs);
  }

  get link(): L | undefined {
    return this.#link;
  }

  get sockets(): number {
    return this.#link?.sockets ?? 0;
  }

  get coolingDown(): boolean {
    return this.#coolDown.active;
  }

  get coolDownMs(): number {
    return this.#coolDown.remainingMs;
  }

  /** The open link, at once or when it is open. @throws BusError COOLING_DOWN, CLOSED; rejects with what opening met */
  ensure(topic = ''): L | Promise<L> {
    if (this.#closed) throw closed(this.endpoint);
    this.#coolDown.check(topic, this.endpoint);
    if (this.#link !== undefined && !(this.#stale && this.#options.mayReplace?.() !== false)) return this.#link;
    if (this.#opening !== undefined) return this.#opening;
    if (this.#link !== undefined) this.#drop();
    return this.#open();
  }

  /** Opens the link although no call needs it yet; a failure is reported. */
  warm(): void {
    if (this.#closed || this.#link !== undefined || this.#opening !== undefined || this.coolingDown) return;
    void this.#open().catch(() => undefined);
  }

  /** The link reported an error and will not recover by itself. */
  broken(error: BusError): void {
    if (this.#closed || this.#link === undefined) return;
    this.#drop();
    this.#failed(error);
  }

  /** The endpoint did not answer in time. */
  timedOut(error: BusError): void {
    if (this.#closed) return;
    this.#leaveAlone(error);
    this.#stale = this.mode === 'connect';
    this.#kernel.logger.debug(`${this.endpoint} cools down: ${error.message}`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== undefined) this.#kernel.clock.clearTimeout(this.#retry);
    if (this.#opening !== undefined) await this.#opening.catch(() => undefined);
    if (this.#link !== undefined) this.#drop();
    await Promise.all(this.#closing);
  }

  #open(): Promise<L> {
    const opening = outsideTraces(async () => {
      await this.after;
      return this.#options.open(this.#spec());
    });
    this.#opening = opening.then(
      (link) => {
        this.#opening = undefined;
        this.#stale = false;
        this.#link = link;
        if (!this.#closed) this.#options.onLink(link);
        return link;
      },
      (error: unknown) => {
        this.#opening = undefined;
        this.#failed(error);
        throw error;
      },
    );
    // Whoever asked gets the rejection; when nobody did (a retry), it has been reported.
    this.#opening.catch(() => undefined);
    return this.#opening;
  }

  #spec(): LinkSpec {
    const { clock, logger, settings } = this.#kernel;
    return {
      endpoint: this.endpoint,
      mode: this.mode,
      hwmPackets: this.#options.hwmPackets,
      closeLingerMs: settings.closeLingerMs,
      heartbeatMs: settings.heartbeatMs,
      clock,
      logger,
      events: this.#events(),
    };
  }

  #events(): LinkEvents {
    this.peers = 0;
    return {
      onPeerConnected: () => {
        this.peers++;
        this.#stale = false;
        this.#coolDown.end();
      },
      onPeerDisconnected: () => {
        this.peers = Math.max(0, this.peers - 1);
      },
      onFailure: (error) => {
        if (this.#link !== undefined) this.#drop();
        this.#failed(error);
      },
      onFact: (fact, reason) => {
        this.#count(fact, reason);
      },
    };
  }

  #count(fact: LinkFact, reason: HandshakeFailure | undefined): void {
    const { counters } = this.#kernel;
    const { operation } = this.#options;
    if (fact === 'subscriptionsRefused') counters.inboundDropped.add(operation, ERROR_CODES.OVERFLOW.type);
    else counters[fact].add(operation, reason);
  }

  #leaveAlone(error: unknown): void {
    const known = this.#coolDown.active;
    this.#coolDown.open(error);
    // With `failedSocketCooldownMs: 0` nothing is left alone.
    if (!known && this.#coolDown.remainingMs > 0) this.#kernel.counters.coolDowns.add(this.#options.operation);
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    const { counters, reporter, clock, settings } = this.#kernel;
    const isBind = error instanceof BusError && error.code === 'BIND_FAILED';
    if (isBind) counters.failedBinds.add(undefined, errorType(error));
    this.#leaveAlone(error);
    reporter.report(error, this.#options.operation, `${this.endpoint} failed`);
    if (!isBind && !this.#options.reopens) return;
    if (this.#retry !== undefined) clock.clearTimeout(this.#retry);
    this.#retry = clock.setTimeout(
      () => {
        if (this.#closed || this.#link !== undefined || this.#opening !== undefined) return;
        this.#coolDown.end();
        void this.#open().catch(() => undefined);
      },
      settings.failedSocketCooldownMs,
      { keepAlive: false },
    );
  }

  #drop(): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    this.#stale = false;
    this.peers = 0;
    this.#options.onLink(undefined);
    const closing = link.close().catch((error: unknown) => {
      this.#kernel.reporter.report(
        error,
        this.#options.operation,
        `closing ${this.endpoint} failed: ${messageOf(error)}`,
      );
    });
    this.#closing.push(closing);
    void closing.then(() => {
      this.#closing = this.#closing.filter((one) => one !== closing);
    });
  }
}

function closed(endpoint: string): BusError {
  return new BusError('CLOSED', 'the bus is closed', { endpoint, hint: 'Make a new bus.' });
}
