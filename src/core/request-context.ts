/** The context of a request or a cancel, made of the record that came. */
import { KIND_NUMBERS } from './kinds.ts';
import type { DecodedPacket } from './packet.ts';
import { ReceiveContext } from './receive-context.ts';
import type { Route } from './routes.ts';

/** Where a record comes from. */
interface Origin {
  readonly topic: string;
  /** Who wants it. */
  readonly route: Route | undefined;
  /** As the transport tells peers apart. */
  readonly peer: string;
  readonly receivedAt: number;
  /** Stands for the socket. */
  readonly socket: { readonly endpoint: string };
}

/** The context of the record at this place of a packet. */
export function requestContext(packet: DecodedPacket, index: number, origin: Origin): ReceiveContext {
  const { topic, route, peer, receivedAt, socket } = origin;
  const record = packet.records[index];
  if (record === undefined) throw new RangeError(`there is no record ${String(index)}`);
  const { headers } = record;
  const timeoutMs = Number(headers.getText('timeout-ms') ?? NaN);
  return new ReceiveContext({
    pattern: 'request',
    kind: record.kind === KIND_NUMBERS.request ? 'request' : 'cancel',
    topic,
    headers,
    payload: record.payload,
    endpoint: socket.endpoint,
    epoch: packet.epoch,
    sequence: packet.firstSequence + index,
    sentAtUs: packet.sentAtUs,
    receivedAt,
    deadline: Number.isFinite(timeoutMs) ? receivedAt + timeoutMs : undefined,
    subscription: route?.subscribers.find(({ handler }) => handler !== undefined)?.pattern,
    peer,
    socket,
  });
}
