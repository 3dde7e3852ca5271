/**
 * The one error that decoding throws, whatever the input: what was wrong (`reason`, from a closed list), what was found, and
 * at which byte. It is not a BusError: a packet that cannot be read has no call to reject, so the receiver counts it, drops it
 * and reports MALFORMED_PACKET (MESSAGE_TOO_LARGE for what is over a limit) with this as its cause.
 */

/**
 * Why a packet was refused.
 *
 * - `frames`: no frame at all, or more than the limit.
 * - `truncated`: the input ends before what it declares.
 * - `trailing-bytes`: bytes are left after the last record.
 * - `extra-frames`: a frame of a large payload is missing, surplus, or not as long as its record says.
 * - `magic`, `version`, `flags`: not a packet, or not one of this version.
 * - `record-count`: no records, or more than the limit.
 * - `unsafe-integer`: epoch, sequence or time beyond 2^53 - 1.
 * - `header-length`: a header block that is empty or over the limit.
 * - `header-kind`, `header-key`, `header-value`, `header-count`, `header-duplicate`, `header-order`: what is in the block.
 * - `runs`: in a packet of several topics, a run without records or with more than are left, or a first sequence in the head.
 * - `payload-length`: a payload over the limit.
 * - `topic`: a topic frame that does not hold exactly one topic and its terminator, or a run about what is no topic of users.
 */
export type PacketErrorReason =
  | 'frames'
  | 'truncated'
  | 'trailing-bytes'
  | 'extra-frames'
  | 'magic'
  | 'version'
  | 'flags'
  | 'record-count'
  | 'unsafe-integer'
  | 'header-length'
  | 'header-kind'
  | 'header-key'
  | 'header-value'
  | 'header-count'
  | 'header-duplicate'
  | 'header-order'
  | 'runs'
  | 'payload-length'
  | 'topic';

/** What arrived is not a readable packet or topic frame. */
export class PacketError extends Error {
  override readonly name: string = 'PacketError';
  readonly reason: PacketErrorReason;
  /** Where, in bytes from the start of the frame (of the header block, when a block alone was decoded). */
  readonly offset: number;

  /** It is over a limit that the receiver has set, and may be well-formed: MESSAGE_TOO_LARGE. */
  readonly isOverLimit: boolean;

  constructor(reason: PacketErrorReason, detail: string, offset: number, isOverLimit = false) {
    super(`Malformed packet (${reason}) at byte ${String(offset)}: ${detail}`);
    this.reason = reason;
    this.offset = offset;
    this.isOverLimit = isOverLimit;
  }
}

/** What is well-formed as far as it was read and more than the receiver wants: more `things` than `limit`. */
export function overLimit(reason: PacketErrorReason, things: string, limit: number, offset: number): PacketError {
  return new PacketError(reason, `more than ${String(limit)} ${things}`, offset, true);
}
