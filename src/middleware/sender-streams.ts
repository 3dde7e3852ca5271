/**
 * The nonces of what is sent: 8 random bytes per stream and a number that counts its messages. A stream is one pattern at one endpoint,
 * of one bus in one process: receivers see its numbers nearly in order. Random bytes per message would cost more, and the receiver a set of them.
 */
import { randomBytes } from 'node:crypto';
import type { SendContext } from '../core/send-context.ts';
import { writeU64 } from '../core/packet-numbers.ts';
import { PATTERN_NUMBERS } from './pae.ts';
import { NONCE_BYTES } from './signature-block.ts';

/** Endpoints with streams of their own; beyond, they share those of the endpoint ''. */
const MAX_ENDPOINTS = 1000;

interface Stream {
  readonly id: Buffer;
  next: number;
}

/** See the head of this file. */
export class SenderStreams {
  readonly #byEndpoint = new Map<string, (Stream | undefined)[]>();

  /** A nonce that was never given before. */
  next(ctx: SendContext): Buffer {
    const stream = this.#stream(ctx);
    const nonce = Buffer.allocUnsafe(NONCE_BYTES);
    nonce.set(stream.id);
    writeU64(nonce, stream.next++, stream.id.length);
    return nonce;
  }

  #stream({ endpoint, pattern }: SendContext): Stream {
    let streams = this.#byEndpoint.get(endpoint);
    if (streams === undefined) {
      const place = this.#byEndpoint.size >= MAX_ENDPOINTS ? '' : endpoint;
      streams = this.#byEndpoint.get(place) ?? [];
      this.#byEndpoint.set(place, streams);
    }
    const number = PATTERN_NUMBERS[pattern];
    return (streams[number] ??= { id: randomBytes(NONCE_BYTES / 2), next: 0 });
  }
}
