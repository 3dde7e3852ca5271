/** What the application is told of a packet that could not be taken: that it was unreadable, or over a limit. */
import { BusError } from './errors.ts';
import type { PacketError } from './packet-error.ts';

/** MESSAGE_TOO_LARGE for what is over a limit of this side, else MALFORMED_PACKET. */
export function unreadable(error: PacketError, endpoint: string): BusError {
  return new BusError(error.isOverLimit ? 'MESSAGE_TOO_LARGE' : 'MALFORMED_PACKET', error.message, {
    endpoint,
    cause: error,
  });
}
