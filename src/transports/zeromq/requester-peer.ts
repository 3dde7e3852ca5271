/**
 * One requester as a responder sees it: where its replies go.
 *
 * A ROUTER that finds one peer's queue full says so at once while the others go on, so the answer here is false and the
 * core's writer for this peer waits. A peer that has gone is an error and no wait: nobody will ever read that reply.
 */
import type { Router } from 'zeromq';
import { BusError } from '../../core/errors.ts';
import type { OutgoingPacket, SealedRecord } from '../../core/outgoing-packet.ts';
import type { Peer } from '../../core/transport.ts';
import { decodeReturnPath, DELIMITER } from './envelope.ts';
import { assertFrameSizes, errnoOf, handOver } from './hand-over.ts';
import { OneByOne } from './one-by-one.ts';
import { correlationOf, encodePlainReply } from './plain.ts';
import type { ZeromqSettings } from './settings.ts';
import { smallFrames } from './small-frames.ts';
import type { Frame } from './small-frames.ts';

/** What the replies of one responder share. */
export interface ReplyRoute {
  readonly socket: Router;
  readonly settings: ZeromqSettings;
  /** A function: a wildcard port is resolved after the route is made. */
  endpoint(): string;
  /** libzmq does not know the peer any more. */
  onGone(peer: RequesterPeer): void;
}

/** The frames that lead to a requester. */
interface ReturnAddress {
  readonly routingId: Buffer;
  /** What stood between the routing id and the delimiter of its requests; on the plain wire each request has its own. */
  readonly path: readonly Buffer[];
}

/** A requester; see the head of this file. */
export class RequesterPeer implements Peer {
  readonly id: string;
  readonly #address: ReturnAddress;
  readonly #route: ReplyRoute;
  readonly #plain = new OneByOne();
  #hasLeft = false;

  constructor(id: string, address: ReturnAddress, route: ReplyRoute) {
    this.id = id;
    this.#address = address;
    this.#route = route;
  }

  /** Its connection has ended. libzmq says so a moment before it forgets the way there, and until then takes what nobody will get. */
  leave(): void {
    this.#hasLeft = true;
  }

  trySend(packet: OutgoingPacket): Promise<boolean> {
    if (this.#route.settings.wire === 'native') return this.#send(this.#address.path, smallFrames(packet));
    return this.#plain.offer(packet.records, (record) => this.#sendPlain(record));
  }

  async #sendPlain(record: SealedRecord): Promise<boolean> {
    return this.#send(decodeReturnPath(correlationOf(record)), [encodePlainReply(record)]);
  }

  async #send(path: readonly Buffer[], content: Frame[]): Promise<boolean> {
    const { socket, settings } = this.#route;
    const endpoint = this.#route.endpoint();
    if (this.#hasLeft) throw peerGone(endpoint);
    assertFrameSizes(content, settings.maxMessageBytes, endpoint);
    try {
      return await handOver(socket, [this.#address.routingId, ...path, DELIMITER, ...content], endpoint);
    } catch (error) {
      if (!(error instanceof BusError) || errnoOf(error.cause) !== 'EHOSTUNREACH') throw error;
      this.#route.onGone(this);
      throw peerGone(endpoint, error.cause);
    }
  }
}

function peerGone(endpoint: string, cause?: unknown): BusError {
  return new BusError('PEER_GONE', 'The requester has disconnected', { endpoint, cause });
}
