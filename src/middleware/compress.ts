/**
 * Compresses large payloads. At stage payload, rank 10, inside of `encrypt` and `sign`; the header `content-encoding` names the algorithm, so a
 * receiver reads whatever its runtime can, whichever algorithm it sends with itself.
 *
 * Compression and encryption together tell an eavesdropper, by the length, how much of a payload was guessed right (the attack named CRIME). So the
 * bus refuses that pair unless you say that no part of a payload comes from a stranger.
 */
import { BusError, messageOf } from '../core/errors.ts';
import type { Middleware, Next } from '../core/middleware.ts';
import { aBoolean, oneOf, optionsCheck, whole } from '../core/option-checks.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { compression, ENCODINGS, isOverLimit } from './compression.ts';
import type { Compression, CompressionAlgorithm } from './compression.ts';
import { needsNative } from './protection.ts';

/** Options of {@link compress}. */
export interface CompressOptions {
  /** Payloads of fewer bytes are sent as they are. @default 1024 */
  readonly threshold?: number;
  /** `zstd` where Node has it (22.15 and later, on both sides). @default 'gzip' */
  readonly algorithm?: CompressionAlgorithm;
  /** Bytes that a payload may have when expanded; larger ones are not compressed when sent. @default 16777216 */
  readonly maxOutputBytes?: number;
  /** Allows `encrypt` beside it. @default false */
  readonly allowWithEncrypt?: boolean;
}

const HEADER = 'content-encoding';
const ALGORITHMS = Object.keys(ENCODINGS) as CompressionAlgorithm[];
const checkOptions = optionsCheck({
  threshold: whole(0),
  algorithm: oneOf(...ALGORITHMS),
  maxOutputBytes: whole(1),
  allowWithEncrypt: aBoolean,
});
/** Up to here the work takes less than a trip to the thread pool, some 0.1 ms. */
const SMALL_BYTES = 16 * 1024;
/** What is expanded on the event loop makes at most so much; what would make more is begun again in the pool. */
const SMALL_OUTPUT_BYTES = 128 * 1024;
/** Expanded in the pool at once, as many as it has threads: the rest waits in its compressed form. */
const EXPANDED_AT_ONCE = 4;

/**
 * Compresses payloads from a threshold on, with gzip, brotli or zstd. Rejects with MESSAGE_TOO_LARGE what expands beyond
 * `maxOutputBytes`, and with DESERIALIZE_FAILED what cannot be expanded.
 *
 * @throws TypeError or RangeError for wrong options; INVALID_PIPELINE beside `encrypt` and at the start on a plain wire
 * @example
 * ```ts
 * import { compress } from 'tracebus/middleware';
 *
 * bus.use(compress({ threshold: 4096, algorithm: 'brotli' }));
 * ```
 */
export function compress(options: CompressOptions = {}): Middleware {
  checkOptions(options);
  const { threshold = 1024, algorithm = 'gzip', maxOutputBytes = 16 * 1024 * 1024, allowWithEncrypt = false } = options;
  const used = present(algorithm);
  const known = new Map(ALGORITHMS.flatMap((one) => compression(one) ?? []).map((one) => [one.encoding, one]));
  const expander = new Expander(maxOutputBytes);

  return {
    name: 'compress',
    stage: 'payload',
    awaitsNext: true,
    ...(allowWithEncrypt ? {} : { excludes: { encrypt: WHY_NOT } }),

    attach({ wire }) {
      if (wire === 'plain') throw needsNative('compress');
    },

    send(ctx, next) {
      const { payload, headers } = ctx;
      // A payload that says it is encoded already has been by the application.
      if (payload.length < threshold || payload.length > maxOutputBytes || headers.has(HEADER)) return next();
      const take = (compressed: Buffer): Promise<void> => {
        if (compressed.length < payload.length) {
          ctx.payload = compressed;
          headers.set(HEADER, used.encoding);
        }
        return next();
      };
      if (payload.length <= SMALL_BYTES) return take(used.compressNow(payload));
      return used.compressInPool(payload).then(take);
    },

    receive(ctx, next) {
      const encoding = ctx.headers.getText(HEADER);
      return encoding === undefined ? next() : expander.expand(ctx, known.get(encoding), next);
    },
  };
}

const WHY_NOT =
  'The length of a compressed payload tells what is in it: compress({ allowWithEncrypt: true }) where no stranger writes any part of a payload.';

/** Expands incoming payloads, a few at once. */
class Expander {
  readonly #maxOutputBytes: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxOutputBytes: number) {
    this.#maxOutputBytes = maxOutputBytes;
  }

  expand(ctx: ReceiveContext, codec: Compression | undefined, next: Next): Promise<void> {
    if (codec === undefined) throw unreadable(ctx, 'this runtime does not know its content-encoding');
    const take = (payload: Buffer): Promise<void> => {
      ctx.payload = payload;
      // Whoever passes the headers on sends another payload.
      ctx.headers.delete(HEADER);
      return next();
    };
    if (ctx.payload.length > SMALL_BYTES) return this.#inPool(ctx, codec).then(take);
    let payload: Buffer;
    try {
      const maxOutputLength = Math.min(this.#maxOutputBytes, SMALL_OUTPUT_BYTES);
      payload = codec.expandNow(ctx.payload, { maxOutputLength });
    } catch (error) {
      if (isOverLimit(error) && this.#maxOutputBytes > SMALL_OUTPUT_BYTES) return this.#inPool(ctx, codec).then(take);
      throw this.#failed(ctx, error);
    }
    return take(payload);
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

function present(algorithm: CompressionAlgorithm): Compression {
  const used = compression(algorithm);
  if (used === undefined)
    throw new RangeError(`Expected \`algorithm\` to be one that this Node has, got '${algorithm}'`);
  return used;
}
