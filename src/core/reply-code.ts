/** The status of an error reply, the same on the wire and in telemetry. */
import { BusError } from './errors.ts';
import type { BusErrorCode } from './errors.ts';
import type { ReceiveContext } from './receive-context.ts';

/**
 * The code of an error reply: the bus's own for what the bus refused; HANDLER_FAILED for whatever a handler threw, also when that
 * was the failure of a request of its own.
 */
export function replyCode(error: unknown, request: ReceiveContext): BusErrorCode {
  const { handled } = request;
  if (!(error instanceof BusError)) return handled ? 'HANDLER_FAILED' : 'REJECTED';
  // The bus that closes has told the handler to stop, and that is what the handler says.
  if (request.cancelled && error === request.signal.reason) return error.code;
  // What the fallback says when nobody else answers, and what its own reply met; not what a request of a handler came to.
  const isOwn =
    (error.code === 'NO_HANDLER' && request.subscription === undefined) ||
    (error.code === 'SERIALIZE_FAILED' && error.topic === request.topic);
  return handled && !isOwn ? 'HANDLER_FAILED' : error.code;
}
