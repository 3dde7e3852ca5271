/**
 * What happens to the connections of a socket: how many peers it has, which handshakes failed, and whether it went deaf.
 *
 * Deaf: after a protocol error (a message over the socket's own limit, a peer of the wrong type, no agreement on security) a
 * connecting socket never connects again, says nothing, and a second connect() does nothing. All that can be seen is a
 * `disconnect` that no retry follows. disconnect() and connect() repair it; done at growing, jittered intervals.
 *
 * inproc emits no events at all: `available` is false there, `peers` stays 0 and nothing is ever called.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { Event, Observer, Socket } from 'zeromq';
import { messageOf } from '../../core/errors.ts';
import type { ClockTimer } from '../../core/clock.ts';
import type { HandshakeFailure, LinkSpec } from '../../core/transport.ts';
import { backOff } from './back-off.ts';
import { OnceAMinute } from './once-a-minute.ts';
import { parseEndpoint } from './endpoint.ts';
import { PeerCount } from './peer-count.ts';
import { recheckReceive } from './recheck.ts';
import type { ZeromqSettings } from './settings.ts';

/** libzmq announces its retry within the same millisecond; this leaves room for a busy machine. */
const DEAF_AFTER_MS = 250;

/** Watches one socket. */
export interface Monitor {
  /** False for inproc, where nothing can be watched. */
  readonly available: boolean;
  /** How many peers are connected and have shaken hands. */
  readonly peers: number;
  /** Resolves, never rejects, when the closed socket and all it had to deliver are gone. */
  readonly ended: Promise<void>;
  /** Resolves when a peer is connected; rejects with the signal's reason. Never settles by itself for inproc. */
  connected(signal: AbortSignal): Promise<void>;
  /** Connecting sockets: drops the connection and makes a new one. */
  reconnect(): void;
  /** To be called right before the socket is closed: from then on no event is passed on and no timer is left. */
  stop(): void;
}

/** Starts to watch `socket`; to be called before it binds or connects, else the first events are missed. */
export function monitorSocket(socket: Socket, spec: LinkSpec, settings: ZeromqSettings): Monitor {
  return new SocketMonitor(socket, spec, settings);
}

class SocketMonitor implements Monitor {
  readonly available: boolean;
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #spec: LinkSpec;
  readonly #settings: ZeromqSettings;
  readonly #count: PeerCount;
  readonly #waiting = new Set<() => void>();
  readonly #handshakes: OnceAMinute;
  #stopped = false;
  #deafTimer: ClockTimer = undefined;
  #repairs = 0;
  #upSince = 0;

  constructor(socket: Socket, spec: LinkSpec, settings: ZeromqSettings) {
    this.#socket = socket;
    this.#spec = spec;
    this.#settings = settings;
    this.#count = new PeerCount(spec.mode);
    this.#handshakes = new OnceAMinute(spec.clock, spec.logger);
    this.available = parseEndpoint(spec.endpoint).scheme !== 'inproc';
    // Not even `end` can be awaited there: an inproc socket ends when its peer next touches its own side.
    this.ended = this.available ? context.with(ROOT_CONTEXT, () => this.#watch(socket.events)) : Promise.resolve();
  }

  get peers(): number {
    return this.#count.peers;
  }

  connected(signal: AbortSignal): Promise<void> {
    if (this.peers > 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(settle);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting.delete(settle);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the contract: the signal's reason
        reject(signal.reason);
      };
      if (signal.aborted) {
        abort();
        return;
      }
      this.#waiting.add(settle);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  reconnect(): void {
    this.#clearDeafTimer();
    if (this.#stopped || this.#socket.closed || this.#spec.mode === 'bind') return;
    this.#repairs += 1;
    // Its own disconnect() emits no event.
    this.#changed(this.#count.reset());
    this.#spec.events.onFact('reconnects');
    try {
      this.#socket.disconnect(this.#spec.endpoint);
    } catch {
      // ENOENT: libzmq has forgotten the endpoint already, which is what was wanted.
    }
    try {
      this.#socket.connect(this.#spec.endpoint);
      recheckReceive(this.#socket);
    } catch (error) {
      this.#spec.logger.warn(`Reconnecting to ${this.#spec.endpoint} failed: ${messageOf(error)}`);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#clearDeafTimer();
  }

  /** Own loop instead of events.on(): its emitter mode leaves a rejection unhandled. events.close() is never called: it poisons the next monitor. */
  async #watch(observer: Observer): Promise<void> {
    try {
      while (!observer.closed) {
        const event = await observer.receive();
        if (event.type === 'end') return;
        if (!this.#stopped) this.#onEvent(event);
      }
    } catch (error) {
      if (!this.#stopped) this.#spec.logger.warn(`Monitoring ${this.#spec.endpoint} ended: ${messageOf(error)}`);
    }
  }

  #onEvent(event: Event): void {
    switch (event.type) {
      case 'handshake:error:auth':
        this.#handshakeFailed('auth_failed', event.error);
        return;
      case 'handshake:error:protocol':
      case 'handshake:error:other':
        this.#handshakeFailed('handshake_failed', event.error);
        return;
      case 'handshake':
        this.#clearDeafTimer();
        this.#upSince = this.#spec.clock.now();
        break;
      case 'connect':
      case 'connect:delay':
      case 'connect:retry':
        this.#clearDeafTimer();
        break;
      case 'disconnect':
        if (this.#spec.mode === 'connect') this.#awaitRetry();
        break;
      case 'close':
        // The listener was closed to drop its connections, which emit nothing of their own.
        if (this.#spec.mode === 'bind') this.#changed(this.#count.reset());
        break;
      default:
    }
    this.#changed(this.#count.onEvent(event.type));
  }

  /** The event names no peer: all that can be told is where, why and how often. */
  #handshakeFailed(reason: HandshakeFailure, error: unknown): void {
    this.#spec.events.onFact('handshakeFailures', reason);
    const what = reason === 'auth_failed' ? 'was refused' : 'failed';
    const hint = this.#spec.mode === 'connect' ? this.#settings.curve?.connectHint : undefined;
    const line = `A handshake ${what} at ${this.#spec.endpoint}: ${messageOf(error)}`;
    this.#handshakes.warn(reason, hint === undefined ? line : `${line}. ${hint}`);
  }

  /** A connection ended: unless libzmq says that it tries again, the socket has gone deaf. */
  #awaitRetry(): void {
    const { clock } = this.#spec;
    const { reconnectMs, reconnectMaxMs, random } = this.#settings;
    if (this.#count.peers > 0 && clock.now() - this.#upSince >= reconnectMaxMs) this.#repairs = 0;
    this.#clearDeafTimer();
    const wait = DEAF_AFTER_MS + backOff(this.#repairs, { baseMs: reconnectMs, capMs: reconnectMaxMs, random });
    this.#deafTimer = clock.setTimeout(() => this.reconnect(), wait, { keepAlive: false });
  }

  #clearDeafTimer(): void {
    if (this.#deafTimer === undefined) return;
    this.#spec.clock.clearTimeout(this.#deafTimer);
    this.#deafTimer = undefined;
  }

  #changed(by: number): void {
    for (let up = 0; up < by; up += 1) this.#spec.events.onPeerConnected();
    for (let down = 0; down > by; down -= 1) this.#spec.events.onPeerDisconnected();
    if (by > 0) for (const settle of [...this.#waiting]) settle();
  }
}
