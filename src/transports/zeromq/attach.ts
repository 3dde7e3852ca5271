/** Binding or connecting a socket as its link asks, with errors that name the endpoint and the way out. */
import { setTimeout as pause } from 'node:timers/promises';
import { Push } from 'zeromq';
import type { Socket } from 'zeromq';
import { BusError, messageOf } from '../../core/errors.ts';
import type { LinkSpec } from '../../core/transport.ts';
import { connectProblem, parseEndpoint, probeIpc, resolvedEndpoint } from './endpoint.ts';
import { errnoOf } from './hand-over.ts';
import { bindWithMode } from './ipc-mode.ts';

/**
 * A closed inproc socket gives its name back a moment after close(), on another thread; nothing tells when. Usually that is
 * less than a millisecond; on an overloaded machine 650 were seen.
 */
const FREED_WITHIN_MS = 3000;

/** A millisecond apart; the I/O thread needs one or two to say that a connection ends. */
const TOUCHES = 100;

/** What {@link attach} may be told. */
interface AttachOptions {
  /** What to do about a taken endpoint, beside using another one. */
  readonly inUseHint: string;
  /** Whether an open link has bound this inproc name: then waiting for it is in vain. */
  readonly isHeld: () => boolean;
  /** Permissions of a bound ipc path. */
  readonly ipcMode: number;
}

/** Binds or connects, and resolves with the endpoint that is in effect. The socket is the caller's to close if this rejects. */
export async function attach(socket: Socket, spec: LinkSpec, options: AttachOptions): Promise<string> {
  if (spec.mode === 'connect') return attachConnect(socket, spec.endpoint);
  const { inUseHint, isHeld, ipcMode } = options;
  const { scheme, address } = parseEndpoint(spec.endpoint);
  // A second bind of an ipc path would succeed and steal it from whoever is there.
  if (scheme === 'ipc' && (await probeIpc(address))) throw inUse(spec.endpoint, inUseHint, undefined);
  try {
    await bind(
      () => bindWithMode(socket, spec.endpoint, ipcMode),
      () => scheme === 'inproc' && !isHeld(),
    );
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') throw inUse(spec.endpoint, inUseHint, error);
    const hint = 'Check that the host is an address of this machine and that the path can be written.';
    throw bindFailed(spec.endpoint, messageOf(error), hint, error);
  }
  return resolvedEndpoint(spec.endpoint, socket.lastEndpoint);
}

/**
 * Drops every connection of a bound socket, which libzmq can do only together with the binding, and binds it again. Rejects
 * with what binding threw. `disconnect` ends a binding too, at once; unbindSync() of the binding binds instead.
 *
 * Connections end when the socket is next touched: one with a pending receive is, one that only sends is touched here.
 */
export async function rebind(socket: Socket, endpoint: string, ipcMode: number): Promise<void> {
  socket.disconnect(endpoint);
  if (socket instanceof Push) void touchForAWhile(socket);
  // The listener gives the port back on another thread.
  await bind(
    () => bindWithMode(socket, endpoint, ipcMode),
    () => true,
  );
}

async function touchForAWhile(socket: Push): Promise<void> {
  for (let touches = 0; touches < TOUCHES && !socket.closed; touches += 1) {
    // Harmless here, where no operation is ever pending.
    Reflect.get(socket, 'writable');
    await pause(1);
  }
}

async function bind(bindOnce: () => void, mayBeFreed: () => boolean): Promise<void> {
  const end = performance.now() + FREED_WITHIN_MS;
  for (;;) {
    try {
      bindOnce();
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EADDRINUSE' || !mayBeFreed() || performance.now() > end) throw error;
      await pause(1);
    }
  }
}

function attachConnect(socket: Socket, endpoint: string): string {
  const problem = connectProblem(endpoint);
  if (problem !== undefined) throw new BusError('TRANSPORT_FAILED', problem, { endpoint, retryable: false });
  try {
    socket.connect(endpoint);
  } catch (error) {
    throw new BusError('TRANSPORT_FAILED', `Connecting failed: ${messageOf(error)}`, { cause: error, endpoint });
  }
  return endpoint;
}

function inUse(endpoint: string, hint: string, cause: unknown): BusError {
  const { scheme } = parseEndpoint(endpoint);
  const thing = scheme === 'tcp' ? 'port' : scheme === 'ipc' ? 'path' : 'name';
  return bindFailed(
    endpoint,
    `The ${thing} is in use`,
    `Use another ${thing}, or end the process that holds it.${hint}`,
    cause,
  );
}

function bindFailed(endpoint: string, what: string, hint: string, cause: unknown): BusError {
  return new BusError('BIND_FAILED', what, { endpoint, hint, cause });
}
