/**
 * Expands incoming payloads, a few at once, and no more than a number of bytes in all: a flood of small messages can stand for as many large
 * payloads as a receiving endpoint lets in, and each stays until its handler is done.
 */
import { BusError, messageOf } from '../core/errors.ts';
import type { Next } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { ByteBudget } from './byte-budget.ts';
import type { Share } from './byte-budget.ts';
import { isOverLimit } from './compression.ts';
import type { Compression } from './compression.ts';

/** The header that names the algorithm. */
export const CONTENT_ENCODING = 'content-encoding';
/** Up to here the work takes less than a trip to the thread pool, some 0.1 ms. */
export const SMALL_BYTES: number = 16 * 1024;
/** Expanded in the pool at once, as many as it has threads: the rest waits in its compressed form. */
export const EXPANDED_AT_ONCE = 4;
/** What is expanded on the event loop makes at most so much; what would make more is begun again in the pool. */
const SMALL_OUTPUT_BYTES = 128 * 1024;

/** See the head of this file. */
export class Expander {
  readonly #maxOutputBytes: number;
  readonly #messages: ByteBudget;
  /** A handler that holds bytes may wait for a reply: were replies to wait for room, both would wait for ever. */
  readonly #replies: ByteBudget = new ByteBudget(Infinity);
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxOutputBytes: number, maxExpandedBytes: number) {
    this.#maxOutputBytes = maxOutputBytes;
    this.#messages = new ByteBudget(maxExpandedBytes);
  }

  /** Expands the payload of a message and lets it go on; its bytes count until that has settled. */
  expand(ctx: ReceiveContext, codec: Compression | undefined, next: Next): Promise<void> {
    if (codec === undefined) throw unreadable(ctx, 'this runtime does not know its content-encoding');
    const budget = ctx.kind === 'reply' ? this.#replies : this.#messages;
    const share: Share = { bytes: 0 };
    const release = (): void => budget.shrink(share, 0);
    const take = (payload: Buffer): Promise<void> => {
      budget.shrink(share, payload.length);
      ctx.payload = payload;
      // Whoever passes the headers on sends another payload.
      ctx.headers.delete(CONTENT_ENCODING);
      return next();
    };
    let expanded: Buffer | Promise<Buffer>;
    try {
      expanded =
        ctx.payload.length > SMALL_BYTES
          ? budget.grow(share, this.#maxOutputBytes, () => this.#inPool(ctx, codec))
          : budget.grow(
              share,
              Math.min(this.#maxOutputBytes, SMALL_OUTPUT_BYTES),
              () =>
                this.#atOnce(ctx, codec) ?? budget.grow(share, this.#maxOutputBytes, () => this.#inPool(ctx, codec)),
            );
    } catch (error) {
      release();
      throw error;
    }
    return (Buffer.isBuffer(expanded) ? take(expanded) : expanded.then(take)).finally(release);
  }

  /** Undefined when it would make more than is made on the event loop. */
  #atOnce(ctx: ReceiveContext, codec: Compression): Buffer | undefined {
    try {
      return codec.expandNow(ctx.payload, { maxOutputLength: Math.min(this.#maxOutputBytes, SMALL_OUTPUT_BYTES) });
    } catch (error) {
      if (isOverLimit(error) && this.#maxOutputBytes > SMALL_OUTPUT_BYTES) return undefined;
      throw this.#failed(ctx, error);
    }
  }

  async #inPool(ctx: ReceiveContext, codec: Compression): Promise<Buffer> {
    if (this.#running >= EXPANDED_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await codec.expandInPool(ctx.payload, { maxOutputLength: this.#maxOutputBytes });
    } catch (error) {
      throw this.#failed(ctx, error);
    } finally {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#running--;
      else waiting();
    }
  }

  #failed(ctx: ReceiveContext, error: unknown): BusError {
    if (!isOverLimit(error)) return unreadable(ctx, messageOf(error), error);
    const { topic, endpoint } = ctx;
    const hint = 'Raise `maxOutputBytes` of compress() if the sender is to be trusted.';
    const limit = String(this.#maxOutputBytes);
    return new BusError('MESSAGE_TOO_LARGE', `the payload expands to over ${limit} bytes`, { topic, endpoint, hint });
  }
}

function unreadable({ topic, endpoint }: ReceiveContext, why: string, cause?: unknown): BusError {
  return new BusError('DESERIALIZE_FAILED', `the payload cannot be expanded: ${why}`, { topic, endpoint, cause });
}
