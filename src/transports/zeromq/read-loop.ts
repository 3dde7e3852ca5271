/**
 * The one loop that reads a socket: packets in, one at a time, from `receive()` to whoever decodes them.
 *
 * Invariants: one pending receive per socket (a second one throws EBUSY), never a look at `.readable` (it makes the pending
 * receive hang for ever), nothing read while the promise that `onFrames` answered is open (that is the back-pressure), and
 * other work of the process gets its turn.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Socket } from 'zeromq';
import { BusError, messageOf } from '../../core/errors.ts';

/** The binding reads up to 512 messages as microtasks, during which no timer runs: yield after so many, or so long. */
const YIELD_AFTER_MESSAGES = 128;
const YIELD_AFTER_MS = 5;

/** A socket that receives. */
export interface ReadableSocket extends Socket {
  receive(): Promise<Buffer[]>;
}

/** A running loop. */
export interface ReadLoop {
  /** To be called right after the socket was closed: a consumer that is still busy holds `stopped` no longer. */
  stop(): void;
  /** Resolves, never rejects, when no receive is pending and `onFrames` will not be called any more. */
  readonly stopped: Promise<void>;
}

/** What a {@link readLoop} needs. */
export interface ReadLoopHandlers {
  /** For error messages. */
  readonly endpoint: string;
  /** Takes the frames of one message; what it throws or rejects with ends the loop and goes to `onFailure`. */
  onFrames(frames: Buffer[]): void | Promise<void>;
  /** The socket broke while it was open, or `onFrames` threw; called once. */
  onFailure(error: BusError): void;
}

/** Reads `socket` until it is closed. Started outside of any trace: else each message would inherit that of the opener. */
export function readLoop(socket: ReadableSocket, handlers: ReadLoopHandlers): ReadLoop {
  const { promise: stopped, resolve } = withResolver();
  const state: LoopState = { consuming: false };
  context.with(ROOT_CONTEXT, () => {
    read(socket, handlers, state)
      .catch((error: unknown) => {
        // Closing rejects the pending receive with EAGAIN, or ENOTSOCK if it was deferred: only `closed` tells.
        if (!socket.closed) handlers.onFailure(loopFailure(error, handlers.endpoint));
      })
      .finally(resolve);
  });
  return {
    stopped,
    stop: () => {
      if (state.consuming) resolve();
    },
  };
}

interface LoopState {
  consuming: boolean;
}

async function read(socket: ReadableSocket, handlers: ReadLoopHandlers, state: LoopState): Promise<void> {
  // Nothing arrives before whoever opened the link has got it.
  await nextTurn();
  let messages = 0;
  let since = performance.now();
  while (!socket.closed) {
    const frames = await socket.receive();
    if (isClosed(socket)) return;
    const consumed = handlers.onFrames(frames);
    messages += 1;
    if (consumed !== undefined) {
      state.consuming = true;
      await consumed;
      state.consuming = false;
    }
    if (messages >= YIELD_AFTER_MESSAGES || performance.now() - since >= YIELD_AFTER_MS) {
      await nextTurn();
      messages = 0;
      since = performance.now();
    }
  }
}

/** A call, because the compiler believes that `closed` cannot change between two looks. */
function isClosed(socket: Socket): boolean {
  return socket.closed;
}

function loopFailure(error: unknown, endpoint: string): BusError {
  if (error instanceof BusError) return error;
  return new BusError('TRANSPORT_FAILED', `Reading from the socket failed: ${messageOf(error)}`, {
    cause: error,
    endpoint,
  });
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
