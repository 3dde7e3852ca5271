/**
 * The ZAP handler: libzmq asks it at every CURVE handshake whether the client may come in. There is one per Context, at a
 * fixed inproc name; each CURVE server asks under a domain of its own, so that all of them share the process's one Context.
 *
 * Fails closed: the sockets enforce their domain, so without a handler, without an answer, and with an answer about something
 * that is not understood, nobody gets in. It is open while a socket is bound that needs it: its pending receive would keep
 * the process alive.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Router } from 'zeromq';
import type { Context } from 'zeromq';
import { BusError, messageOf } from '../../core/errors.ts';
import type { LinkSpec } from '../../core/transport.ts';
import { closeSocket, holdSocket } from './context.ts';
import { errnoOf } from './hand-over.ts';
import { OnceAMinute } from './once-a-minute.ts';
import { readLoop } from './read-loop.ts';
import type { ReadLoop } from './read-loop.ts';
import { parseZapRequest, zapReply } from './zap-request.ts';
import type { ZapStatus } from './zap-request.ts';

/** Where libzmq looks for it. */
const ZAP_ENDPOINT = 'inproc://zeromq.zap.01';

/** A closed handler gives the name back a moment later, on another thread. */
const NAME_FREED_WITHIN_MS = 3000;

/** Decides about one client. */
export interface Gatekeeper {
  decide(credentials: Buffer, address: string): Promise<ZapStatus>;
}

/** One use of the handler of a Context. */
export interface ZapLease {
  /** Ends the use; the handler closes with the last one. Idempotent. */
  release(): Promise<void>;
}

interface ZapPlace {
  users: number;
  handler: Promise<ZapHandler> | undefined;
  readonly gatekeepers: Map<string, { gatekeeper: Gatekeeper; users: number }>;
  /** One of ours was here: a taken name may become free again. */
  wasOpen: boolean;
}

const places = new WeakMap<Context, ZapPlace>();

/** Resolves when the handler of the Context is up and asks `gatekeeper` about the clients of `domain`. Rejects with UNSUPPORTED. */
export async function leaseZap(
  context: Context,
  domain: string,
  gatekeeper: Gatekeeper,
  spec: Pick<LinkSpec, 'clock' | 'logger'>,
): Promise<ZapLease> {
  const place: ZapPlace = places.get(context) ?? {
    users: 0,
    handler: undefined,
    gatekeepers: new Map(),
    wasOpen: false,
  };
  places.set(context, place);
  place.users += 1;
  const known = place.gatekeepers.get(domain) ?? { gatekeeper, users: 0 };
  known.users += 1;
  place.gatekeepers.set(domain, known);
  let released: Promise<void> | undefined;
  const lease = { release: () => (released ??= release(place, domain)) };
  try {
    place.handler ??= ZapHandler.open(context, place, spec);
    await place.handler;
    return lease;
  } catch (error) {
    await lease.release();
    throw error;
  }
}

async function release(place: ZapPlace, domain: string): Promise<void> {
  const known = place.gatekeepers.get(domain);
  if (known !== undefined && --known.users === 0) place.gatekeepers.delete(domain);
  place.users -= 1;
  const { handler } = place;
  if (place.users > 0 || handler === undefined) return;
  place.handler = undefined;
  const open = await handler.catch(() => undefined);
  await open?.close();
}

class ZapHandler {
  readonly #socket: Router;
  readonly #place: ZapPlace;
  readonly #loop: ReadLoop;
  readonly #log: OnceAMinute;

  private constructor(socket: Router, place: ZapPlace, { clock, logger }: Pick<LinkSpec, 'clock' | 'logger'>) {
    this.#log = new OnceAMinute(clock, logger);
    this.#socket = socket;
    this.#place = place;
    this.#loop = readLoop(socket, {
      endpoint: ZAP_ENDPOINT,
      onFrames: (frames) => {
        // Not awaited: a callback that thinks about one client holds up no other.
        void this.#answer(frames);
      },
      onFailure: (error) => {
        logger.error(`The ZAP handler stopped, nobody can connect: ${error.message}`);
      },
    });
  }

  static async open(context: Context, place: ZapPlace, spec: Pick<LinkSpec, 'clock' | 'logger'>): Promise<ZapHandler> {
    const socket = holdSocket(new Router({ context, linger: 0, sendTimeout: 0, sendHighWaterMark: 0 }));
    try {
      await bindName(socket, place.wasOpen);
    } catch (error) {
      place.handler = undefined;
      await closeSocket(socket, []);
      throw new BusError('UNSUPPORTED', `The Context has another ZAP handler: ${messageOf(error)}`, {
        endpoint: ZAP_ENDPOINT,
        hint: 'Give `zeromq()` no `context`, or one that nothing else authenticates in.',
        cause: error,
      });
    }
    place.wasOpen = true;
    return new this(socket, place, spec);
  }

  async close(): Promise<void> {
    const closed = closeSocket(this.#socket, [this.#loop.stopped]);
    this.#loop.stop();
    await closed;
  }

  async #answer(frames: readonly Buffer[]): Promise<void> {
    let status: ZapStatus = '500';
    try {
      status = await this.#statusFor(frames);
    } catch (error) {
      this.#log.warn('gatekeeper', `A CURVE handshake was refused because deciding failed: ${messageOf(error)}`);
    }
    const reply = zapReply(frames, status);
    if (reply === undefined) return;
    try {
      await this.#socket.send(reply);
    } catch (error) {
      // The client gave up meanwhile; without an answer it is refused.
      if (!this.#socket.closed) this.#log.warn('answer', `A CURVE handshake was not answered: ${messageOf(error)}`);
    }
  }

  async #statusFor(frames: readonly Buffer[]): Promise<ZapStatus> {
    const request = parseZapRequest(frames);
    const gatekeeper = request === undefined ? undefined : this.#place.gatekeepers.get(request.domain)?.gatekeeper;
    if (request === undefined || gatekeeper === undefined) return '500';
    const status = await gatekeeper.decide(request.credentials, request.address);
    if (status === '500') {
      const what =
        'The function `curve.server.authorized` threw, took too long or was asked too often: a client was denied';
      this.#log.warn('no decision', what);
    }
    return status;
  }
}

async function bindName(socket: Router, mayBeFreed: boolean): Promise<void> {
  const end = performance.now() + NAME_FREED_WITHIN_MS;
  for (;;) {
    try {
      socket.bindSync(ZAP_ENDPOINT);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EADDRINUSE' || !mayBeFreed || performance.now() > end) throw error;
      await pause(1);
    }
  }
}
