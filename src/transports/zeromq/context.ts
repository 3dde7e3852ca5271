/**
 * The ZeroMQ Context that every bus of the process shares, and the sockets that must not be collected.
 *
 * A Context cannot be closed from JavaScript and keeps five descriptors and a thread for ever, so there is one, made when the
 * first socket needs it: loading this module costs nothing, and a process that only uses `memory` never gets one.
 */
import { Context } from 'zeromq';
import type { Socket } from 'zeromq';

/** One I/O thread moves about a gigabyte a second; a bus never gets there, and the second one only adds switches. */
const IO_THREADS = 1;

/** Sockets of one process, monitors included: two for each link. It takes effect only before the first socket. */
const MAX_SOCKETS = 4096;

let shared: Context | undefined;

/** The one Context of this process. */
export function sharedContext(): Context {
  // Not blocky: what is still open when the process ends must not hold it; each socket has a linger of its own.
  shared ??= new Context({ ioThreads: IO_THREADS, maxSockets: MAX_SOCKETS, blocky: false });
  return shared;
}

/**
 * Every open socket. Collecting a socket whose operation was deferred by the binding (every 513th is) crashes the process,
 * and an unreferenced one is closed behind its owner's back: a strong reference until everything has settled prevents both.
 */
const held = new Set<Socket>();

/** Keeps a new socket alive until {@link closeSocket} has finished with it. Returns it. */
export function holdSocket<S extends Socket>(socket: S): S {
  held.add(socket);
  return socket;
}

/**
 * Closes a socket and resolves when `settled` (its pending receive, its monitor, ...) have settled, whatever their outcome.
 * Calling it again is harmless.
 */
export async function closeSocket(socket: Socket, settled: readonly Promise<unknown>[]): Promise<void> {
  socket.close();
  await Promise.allSettled(settled);
  held.delete(socket);
}
