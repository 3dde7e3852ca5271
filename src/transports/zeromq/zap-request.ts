/**
 * What libzmq asks a ZAP handler (ZeroMQ RFC 27) and what it is answered:
 *
 *     request = routing id | '' | '1.0' | request id | domain | address | identity | 'CURVE' | public key
 *     reply   = routing id | '' | '1.0' | request id | status | text | user id | metadata
 */

/** A request that may be granted; all others are refused. */
export interface ZapRequest {
  readonly domain: string;
  /** Of the client, without its port; over ipc its user, group and process. */
  readonly address: string;
  /** The client's public key. */
  readonly credentials: Buffer;
}

/** 200 lets it in; 400 and 500 end the handshake and tell the client. */
export type ZapStatus = '200' | '400' | '500';

/** A client chooses its identity only, and libzmq keeps that to 255 bytes; addresses and domains are short. */
const MAX_FRAME_BYTES = 1024;

/** Takes a request apart; undefined for another version or mechanism, and for what is none at all. */
export function parseZapRequest(frames: readonly Buffer[]): ZapRequest | undefined {
  const [, delimiter, version, requestId, domain, address, , mechanism, credentials] = frames;
  if (frames.length !== 9 || delimiter?.length !== 0 || requestId === undefined) return undefined;
  if (frames.some(({ length }) => length > MAX_FRAME_BYTES)) return undefined;
  if (version?.toString() !== '1.0' || mechanism?.toString() !== 'CURVE') return undefined;
  if (domain === undefined || domain.length === 0 || address === undefined || credentials === undefined) {
    return undefined;
  }
  return { domain: domain.toString(), address: address.toString(), credentials };
}

/** The frames of the answer to a request, readable or not; undefined when nobody could be told. */
export function zapReply(frames: readonly Buffer[], status: ZapStatus): (Buffer | string)[] | undefined {
  const [routingId, delimiter, , requestId] = frames;
  if (routingId === undefined || delimiter?.length !== 0 || requestId === undefined) return undefined;
  const text = status === '200' ? 'OK' : status === '400' ? 'Not authorized' : 'Not understood';
  return [routingId, '', '1.0', requestId, status, text, '', ''];
}
