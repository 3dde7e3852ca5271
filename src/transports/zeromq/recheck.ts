/**
 * Makes a pending receive look again.
 *
 * libzmq announces the first message of a connection only to who has looked for one since the connection was made. The
 * binding does not look again after connect(): a receive that was pending then may never see the messages of a connection made
 * under it (always so over inproc; over tcp the end of an old connection may happen to wake it). Sending does look again, and
 * sending no frames at all sends nothing, on sockets that cannot send too.
 */
import type { Socket } from 'zeromq';

/** ZMQ_SNDTIMEO. With 0 a send acts inside the call; with the default, one on a receive-only socket would be pending for ever. */
const SEND_TIMEOUT = 28;

/** What the binding has on every socket, though the types show it on some. */
interface RawSocket {
  setInt32Option(option: number, value: number): void;
  send(frames: readonly never[]): Promise<void>;
}

/** To be called after each connect() of a socket that may have a receive pending. */
export function recheckReceive(socket: Socket): void {
  const raw = socket as unknown as RawSocket;
  raw.setInt32Option(SEND_TIMEOUT, 0);
  // There is nothing to fail, and nobody to tell: what is wrong with the socket its next operation says.
  raw.send([]).catch(() => undefined);
}
