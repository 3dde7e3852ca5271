/**
 * Handing one message to a socket without ever waiting inside the binding.
 *
 * Every sending socket is opened with `sendTimeout: 0`: then `send` acts inside the call, never throws EBUSY and is never
 * deferred, so that no two sends can be in flight. `.writable` is never asked: the question makes a pending receive hang.
 */
import type { MessageLike, Socket } from 'zeromq';
import { BusError, messageOf } from '../../core/errors.ts';
import { frameBytes } from './small-frames.ts';
import type { Frame } from './small-frames.ts';

/** A socket that sends; opened with `sendTimeout: 0`. */
export interface WritableSocket extends Socket {
  send(message: MessageLike[]): Promise<void>;
}

/**
 * Offers the frames once: resolves with true when libzmq has them, with false when there is no room or no peer. Rejects with BusError
 * CLOSED when the socket is closed, TRANSPORT_FAILED when it reports anything else. Not an async function: every packet passes here.
 */
export function handOver(socket: WritableSocket, frames: MessageLike[], endpoint: string): Promise<boolean> {
  const refused = (error: unknown): boolean => {
    if (socket.closed) throw new BusError('CLOSED', 'The socket is closed', { cause: error, endpoint });
    if (errnoOf(error) === 'EAGAIN') return false;
    throw new BusError('TRANSPORT_FAILED', `Sending failed: ${messageOf(error)}`, { cause: error, endpoint });
  };
  try {
    return socket.send(frames).then(taken, refused);
  } catch (error) {
    return new Promise((resolve) => {
      resolve(refused(error));
    });
  }
}

function taken(): boolean {
  return true;
}

/** Refuses what a peer with the same limit would refuse by dropping the connection. Throws MESSAGE_TOO_LARGE. */
export function assertFrameSizes(frames: readonly Frame[], maxBytes: number, endpoint: string): void {
  for (const frame of frames) {
    const bytes = frameBytes(frame);
    if (bytes <= maxBytes) continue;
    const what = `A frame of ${String(bytes)} bytes is over the limit of ${String(maxBytes)}`;
    throw new BusError('MESSAGE_TOO_LARGE', what, {
      endpoint,
      hint: 'Split it, or raise `maxMessageBytes` on both sides.',
    });
  }
}

/** The `code` of an error of the binding, for instance `EAGAIN` or `EADDRINUSE`. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
