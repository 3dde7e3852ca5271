/**
 * What all links share: one socket, its peers, and closing.
 *
 * Peers are counted by the monitor, over inproc by the meeting place (inproc.ts). The socket is created by the link's own
 * file with the options of its pattern; this file attaches it, reads it if there is something to read, and closes it.
 */
import type { Socket } from 'zeromq';
import { BusError, messageOf } from '../../core/errors.ts';
import type { Link, LinkSpec } from '../../core/transport.ts';
import { attach, rebind } from './attach.ts';
import { closeSocket, holdSocket } from './context.ts';
import { parseEndpoint } from './endpoint.ts';
import { InprocPeers } from './inproc.ts';
import type { PeerRole } from './inproc.ts';
import { monitorSocket } from './monitor.ts';
import type { Monitor } from './monitor.ts';
import { readLoop } from './read-loop.ts';
import type { ReadableSocket, ReadLoop } from './read-loop.ts';
import type { ZeromqSettings } from './settings.ts';

/** The base of a link of one socket; `open` makes it work. */
export class PeerLink<S extends Socket> implements Link {
  readonly mode: 'bind' | 'connect';
  protected readonly socket: S;
  protected readonly settings: ZeromqSettings;
  readonly #spec: LinkSpec;
  readonly #monitor: Monitor;
  readonly #inproc: InprocPeers | undefined;
  readonly #closing = new AbortController();
  #endpoint: string;
  #loop: ReadLoop | undefined = undefined;
  #closed: Promise<void> | undefined = undefined;
  #unguard: (() => Promise<void>) | undefined = undefined;
  #isAttached = false;

  protected constructor(socket: S, role: PeerRole, spec: LinkSpec, settings: ZeromqSettings) {
    this.mode = spec.mode;
    this.socket = holdSocket(socket);
    this.settings = settings;
    this.#spec = spec;
    this.#endpoint = spec.endpoint;
    this.#monitor = monitorSocket(socket, spec, settings);
    if (parseEndpoint(spec.endpoint).scheme === 'inproc') {
      this.#inproc = new InprocPeers({ socket, role, spec, context: settings.context() });
    }
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  get sockets(): number {
    return this.socket.closed ? 0 : 1;
  }

  /**
   * Binds or connects, and closes the socket if that fails. Events may be called before it resolves.
   * @param inUseHint what else to do about a taken endpoint
   */
  async open(inUseHint = ''): Promise<this> {
    try {
      if (this.#inproc === undefined || this.mode === 'bind') {
        const isHeld = (): boolean => this.#inproc?.nameIsHeld === true;
        await this.#guard();
        this.#endpoint = await attach(this.socket, this.#spec, { inUseHint, isHeld, ipcMode: this.settings.ipcMode });
        this.#isAttached = true;
      }
      this.#inproc?.enter();
      return this;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Throws CLOSED. */
  protected assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closedError();
  }

  /** Reads the socket until it is closed. */
  protected read(socket: S & ReadableSocket, onFrames: (frames: Buffer[]) => void | Promise<void>): void {
    this.#loop = readLoop(socket, {
      endpoint: this.#endpoint,
      onFrames,
      onFailure: (error) => this.#spec.events.onFailure(error),
    });
  }

  /** How many peers are connected. */
  protected get peers(): number {
    return (this.#inproc ?? this.#monitor).peers;
  }

  /** Connecting over tcp or ipc: drops the connection and makes a new one. */
  protected reconnect(): void {
    if (this.#inproc === undefined) this.#monitor.reconnect();
  }

  /** Aborted with the given signal, and with CLOSED when the link is closed. */
  protected untilClosed(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closing.signal]);
  }

  /** Resolves when a peer is connected; rejects with the signal's reason, or with CLOSED. */
  protected async connected(signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    ended.throwIfAborted();
    await (this.#inproc ?? this.#monitor).connected(ended);
  }

  /** Before it is bound: what decides about clients is there first. */
  async #guard(): Promise<void> {
    const { curve, context } = this.settings;
    if (curve === undefined || this.mode !== 'bind') return;
    this.#unguard = await curve.guard(context(), this.#spec, () => this.#dropPeers());
  }

  #dropPeers(): void {
    if (!this.#isAttached || this.#closed !== undefined || this.socket.closed) return;
    rebind(this.socket, this.#endpoint, this.settings.ipcMode).catch((error: unknown) => {
      if (this.#closed !== undefined) return;
      const what = `Binding again after a client was revoked failed: ${messageOf(error)}`;
      this.#spec.events.onFailure(new BusError('BIND_FAILED', what, { endpoint: this.#endpoint, cause: error }));
    });
  }

  #closedError(): BusError {
    return new BusError('CLOSED', 'The link is closed', { endpoint: this.#endpoint });
  }

  async #close(): Promise<void> {
    this.#closing.abort(this.#closedError());
    this.#monitor.stop();
    this.#inproc?.stop();
    const settled = closeSocket(this.socket, [this.#monitor.ended, this.#loop?.stopped ?? Promise.resolve()]);
    this.#loop?.stop();
    await settled;
    await this.#unguard?.();
  }
}
