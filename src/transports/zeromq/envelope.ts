/**
 * The envelope around a request at a ROUTER: `[routing id, ...return path, '', ...content]`.
 *
 * libzmq puts the routing id of the connection first; what else stands before the first empty frame belongs to the requester
 * (the request id of a DEALER or of a REQ with CORRELATE, the hops of a ZeroMQ proxy) and must stand before the reply again,
 * unchanged. Plain requests have a return path each, so it travels through the core inside the correlation id, as text: the
 * responder keeps no table of open requests, which a peer could fill.
 */
import { PacketError } from '../../core/packet-error.ts';

/** Hops and request ids are few and short; what is longer is no envelope. */
const MAX_PATH_FRAMES = 16;
const MAX_PATH_BYTES = 1024;

/** What stands between the envelope and the content. */
export const DELIMITER: Uint8Array = new Uint8Array(0);

/** A request's frames taken apart. */
export interface Envelope {
  /** Which connection it came from. */
  readonly routingId: Buffer;
  /** The frames between the routing id and the delimiter, often none. */
  readonly path: readonly Buffer[];
  readonly content: readonly Buffer[];
}

/** Splits the frames of a ROUTER at the first empty one after the routing id; throws PacketError when there is none. */
export function splitEnvelope(frames: readonly Buffer[]): Envelope {
  const [routingId] = frames;
  if (routingId === undefined) throw new PacketError('frames', 'no frame', 0);
  let bytes = 0;
  for (let index = 1; index < frames.length; index++) {
    const length = frames[index]?.length ?? 0;
    if (length === 0) return { routingId, path: frames.slice(1, index), content: frames.slice(index + 1) };
    bytes += length;
    if (index > MAX_PATH_FRAMES || bytes > MAX_PATH_BYTES) break;
  }
  throw new PacketError('frames', 'no empty frame before the content', 0);
}

/** What follows the empty frame in front of a reply's packet; throws PacketError when there is none. */
export function afterDelimiter(frames: readonly Buffer[]): readonly Buffer[] {
  if (frames[0]?.length === 0) return frames.slice(1);
  throw new PacketError('frames', 'no empty frame before the packet', 0);
}

/** The text of a return path: unique by its `serial`, and good as a header value. */
export function encodeReturnPath(path: readonly Uint8Array[], serial: number): string {
  let text = serial.toString(36);
  for (const frame of path) text += `.${Buffer.from(frame).toString('base64url')}`;
  return text;
}

/** The frames of a return path that {@link encodeReturnPath} has written. */
export function decodeReturnPath(text: string): Buffer[] {
  const [, ...frames] = text.split('.');
  return frames.map((frame) => Buffer.from(frame, 'base64url'));
}
