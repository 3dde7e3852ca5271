/** A peer that speaks ZMTP 3.0 by hand over a TCP socket, as far as a hostile one needs to. It is destroyed when the test ends. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';

const MORE = 1;
const LONG = 2;
const COMMAND = 4;

/** The 64 bytes that both sides send first. */
export function greeting(mechanism: string): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.write('ff00000000000000017f0300', 'hex');
  bytes.write(mechanism, 12, 'latin1');
  return bytes;
}

/** One frame of a message, or a command. */
export function frame(body: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head[0] = flags | LONG;
  head.writeBigUInt64BE(BigInt(body.length), 1);
  return Buffer.concat([head, body]);
}

/** A frame with another one to follow: a message of these never ends. */
export function frameWithMore(body: Buffer): Buffer {
  return frame(body, MORE);
}

/** What ends the handshake of the mechanism NULL. */
export function readyCommand(socketType: string): Buffer {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(socketType.length);
  return frame(Buffer.concat([Buffer.from('\u0005READY\u000bSocket-Type'), value, Buffer.from(socketType)]), COMMAND);
}

/** What became of a flood. */
export interface Flooded {
  /** Bytes that the operating system took before the other side hung up. */
  readonly written: number;
  readonly hungUp: boolean;
}

/** See the head of this file. */
export class RawPeer {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;

  constructor(t: TestContext, endpoint: string) {
    const { hostname, port } = new URL(endpoint);
    this.socket = connect(Number(port), hostname);
    // Being cut off is what it is here for.
    this.socket.on('error', () => {});
    this.socket.resume();
    this.closed = new Promise((resolve) => {
      this.socket.once('close', resolve);
    });
    t.after(() => this.socket.destroy());
  }

  /** Sends these bytes, and nothing when it was cut off. */
  send(...bytes: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(bytes));
  }

  /** Shakes hands as a socket of this type without security, and waits until the other side agrees or hangs up. */
  async shakeHands(socketType: string): Promise<void> {
    let heard = '';
    const agreed = new Promise<void>((resolve) => {
      this.socket.on('data', (bytes: Buffer) => {
        heard += bytes.toString('latin1');
        if (heard.includes('READY')) resolve();
      });
    });
    this.send(greeting('NULL'), readyCommand(socketType));
    await Promise.race([agreed, this.closed]);
  }

  /** Sends the same bytes again and again, as fast as the other side reads, up to a volume or until it hangs up. */
  async flood(bytes: Buffer, volume: number): Promise<Flooded> {
    let written = 0;
    while (written < volume && !this.socket.destroyed) {
      written += bytes.length;
      if (!this.socket.write(bytes)) await Promise.race([once(this.socket, 'drain').catch(() => {}), this.closed]);
    }
    return { written: written - this.socket.writableLength, hungUp: this.socket.destroyed };
  }
}
