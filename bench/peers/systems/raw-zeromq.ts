/**
 * The loops that people write by hand with zeromq.js. Three frames are [topic, JSON header with a traceparent, body], which is what tracebus
 * does; one frame is the body alone, which is less.
 */
import { Dealer, Publisher, Pull, Push, Reply, Request, Router, Subscriber } from 'zeromq';
import type { MessageLike } from 'zeromq';
import { TOPIC, TOPICS_PREFIX, decodeBody, encodeBody } from '../../body.ts';
import type { Load } from '../../load.ts';
import type { System } from '../system.ts';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const ANY_PORT = 'tcp://127.0.0.1:*';

/** High enough that PUB, which drops without a word, keeps what a loop sends here. */
const UNLIMITED = 0;
/** For large bodies a queue without a limit would be gigabytes: PUB is told to refuse what does not fit, and the caller tries again. */
const MARK_OF_LARGE = 64;
const LARGE_BYTES = 16_384;

const header = (id: number): string => JSON.stringify({ traceparent: TRACEPARENT, id });
const idOf = (frame: Uint8Array): number => (JSON.parse(String(frame)) as { id: number }).id;
const markOf = ({ bytes }: Load): number => (bytes >= LARGE_BYTES ? MARK_OF_LARGE : UNLIMITED);
const nothing = (): Promise<void> => Promise.resolve();

/** Sends, in the turn in which there is room: a socket that must not drop refuses instead. */
async function sendWhenThereIsRoom(socket: Publisher | Push, message: MessageLike | MessageLike[]): Promise<void> {
  for (;;) {
    try {
      await socket.send(message);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Reads until the socket is closed. */
async function read(socket: AsyncIterable<Buffer[]>, take: (frames: Buffer[]) => unknown): Promise<void> {
  for await (const frames of socket) await take(frames);
}

const closeOf = (socket: { close(): void }): Promise<void> => {
  socket.close();
  return Promise.resolve();
};

const closed = (reading: Promise<void>, socket: { close(): void }) => async (): Promise<void> => {
  socket.close();
  await reading;
};

export const system: System = {
  async openSender({ role, load, variant, address }) {
    const socket =
      role === 'push'
        ? new Push({ sendHighWaterMark: 1000 })
        : new Publisher({ sendHighWaterMark: markOf(load), ...(markOf(load) !== UNLIMITED && { noDrop: true }) });
    if (socket instanceof Push) socket.connect(address);
    else await socket.bind(ANY_PORT);
    const refuses = role === 'publish' && markOf(load) !== UNLIMITED;
    const send = (message: MessageLike | MessageLike[]): Promise<void> =>
      refuses ? sendWhenThereIsRoom(socket, message) : socket.send(message);
    let id = 0;
    return {
      address: socket.lastEndpoint ?? '',
      send:
        variant.frames === 1
          ? (_topic, body) => send(encodeBody(body))
          : (topic, body) => send([topic, header(id++), encodeBody(body)]),
      flush: nothing,
      close: () => closeOf(socket),
    };
  },

  async openReceiver({ role, load, variant, address }, onBody) {
    const isOneFrame = variant.frames === 1;
    const take = ([first, head, body]: Buffer[]): void => {
      if (isOneFrame) {
        onBody(decodeBody(first as Buffer, load.body));
        return;
      }
      if (idOf(head as Buffer) < 0) throw new Error('no id');
      onBody(decodeBody(body as Buffer, load.body));
    };
    if (role === 'pull') {
      const socket = new Pull({ receiveHighWaterMark: 1000 });
      await socket.bind(ANY_PORT);
      return { address: socket.lastEndpoint ?? '', close: closed(read(socket, take), socket) };
    }
    const socket = new Subscriber({ receiveHighWaterMark: markOf(load) });
    const connected = new Promise<void>((resolve) => socket.events.on('handshake', () => resolve()));
    socket.connect(address);
    socket.subscribe(isOneFrame ? '' : load.topics === 1 ? TOPIC : TOPICS_PREFIX);
    await connected;
    return { address: '', close: closed(read(socket, take), socket) };
  },

  openRequester({ load, variant, address }) {
    if (variant.sockets === 'req-rep') {
      const socket = new Request();
      socket.connect(address);
      let id = 0;
      const ask = async (body: unknown): Promise<unknown> => {
        await socket.send([header(id++), encodeBody(body)]);
        const [, answer] = await socket.receive();
        return decodeBody(answer as Buffer, load.body);
      };
      return Promise.resolve({ ask, close: () => closeOf(socket) });
    }
    const socket = new Dealer();
    socket.connect(address);
    const waiting = new Map<number, (body: unknown) => void>();
    let id = 0;
    const reading = read(socket, ([head, body]) => {
      const answered = idOf(head as Buffer);
      waiting.get(answered)?.(decodeBody(body as Buffer, load.body));
      waiting.delete(answered);
    });
    // zeromq.js takes one send at a time.
    let sending: Promise<unknown> = Promise.resolve();
    const ask = (body: unknown): Promise<unknown> => {
      const mine = id++;
      const answer = new Promise((resolve) => waiting.set(mine, resolve));
      sending = sending.then(() => socket.send([header(mine), encodeBody(body) as MessageLike]));
      return answer;
    };
    return Promise.resolve({ ask, close: closed(reading, socket) });
  },

  async openResponder({ load, variant }) {
    if (variant.sockets === 'req-rep') {
      const socket = new Reply();
      await socket.bind(ANY_PORT);
      const answering = read(socket, ([head, body]) =>
        socket.send([header(idOf(head as Buffer)), encodeBody(decodeBody(body as Buffer, load.body))]),
      );
      return { address: socket.lastEndpoint ?? '', close: closed(answering, socket) };
    }
    const socket = new Router();
    await socket.bind(ANY_PORT);
    const answering = read(socket, ([peer, head, body]) => {
      const answer = encodeBody(decodeBody(body as Buffer, load.body)) as MessageLike;
      return socket.send([peer as Buffer, header(idOf(head as Buffer)), answer]);
    });
    return { address: socket.lastEndpoint ?? '', close: closed(answering, socket) };
  },
};
