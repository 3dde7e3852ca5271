/**
 * Compresses large payloads. At stage payload, rank 10, inside of `encrypt` and `sign`; the header `content-encoding` names the algorithm, so a
 * receiver reads whatever its runtime can, whichever algorithm it sends with itself.
 *
 * Compression and encryption together tell an eavesdropper, by the length, how much of a payload was guessed right (the attack named CRIME). So the
 * bus refuses that pair unless you say that no part of a payload comes from a stranger.
 */
import type { Middleware } from '../core/middleware.ts';
import { aBoolean, expectOption, oneOf, optionsCheck, whole } from '../core/option-checks.ts';
import { compression, ENCODINGS } from './compression.ts';
import type { Compression, CompressionAlgorithm } from './compression.ts';
import { CONTENT_ENCODING, Expander, EXPANDED_AT_ONCE, SMALL_BYTES } from './expander.ts';
import { needsNative } from './protection.ts';

/** Options of {@link compress}. */
export interface CompressOptions {
  /** Payloads of fewer bytes are sent as they are. @default 1024 */
  readonly threshold?: number;
  /** `zstd` where Node has it (22.15 and later, on both sides). @default 'gzip' */
  readonly algorithm?: CompressionAlgorithm;
  /** Bytes that a payload may have when expanded; larger ones are not compressed when sent. @default 16777216 */
  readonly maxOutputBytes?: number;
  /**
   * Bytes of expanded messages at once, from the expanding until the handler is done; further ones wait in their compressed form. Replies
   * do not count: there are no more of them than requests. @default four times maxOutputBytes
   */
  readonly maxExpandedBytes?: number;
  /** Allows `encrypt` beside it. @default false */
  readonly allowWithEncrypt?: boolean;
}

const ALGORITHMS = Object.keys(ENCODINGS) as CompressionAlgorithm[];
const checkOptions = optionsCheck({
  threshold: whole(0),
  algorithm: oneOf(...ALGORITHMS),
  maxOutputBytes: whole(1),
  maxExpandedBytes: whole(1),
  allowWithEncrypt: aBoolean,
});

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
  const { maxExpandedBytes = EXPANDED_AT_ONCE * maxOutputBytes } = options;
  // One that expands to the limit needs so much.
  expectOption('maxExpandedBytes', maxExpandedBytes, whole(maxOutputBytes));
  const used = present(algorithm);
  const known = new Map(ALGORITHMS.flatMap((one) => compression(one) ?? []).map((one) => [one.encoding, one]));
  const expander = new Expander(maxOutputBytes, maxExpandedBytes);

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
      if (payload.length < threshold || payload.length > maxOutputBytes || headers.has(CONTENT_ENCODING)) return next();
      const take = (compressed: Buffer): Promise<void> => {
        if (compressed.length < payload.length) {
          ctx.payload = compressed;
          headers.set(CONTENT_ENCODING, used.encoding);
        }
        return next();
      };
      if (payload.length <= SMALL_BYTES) return take(used.compressNow(payload));
      return used.compressInPool(payload).then(take);
    },

    receive(ctx, next) {
      const encoding = ctx.headers.getText(CONTENT_ENCODING);
      return encoding === undefined ? next() : expander.expand(ctx, known.get(encoding), next);
    },
  };
}

const WHY_NOT =
  'The length of a compressed payload tells what is in it: compress({ allowWithEncrypt: true }) where no stranger writes any part of a payload.';

function present(algorithm: CompressionAlgorithm): Compression {
  const used = compression(algorithm);
  if (used === undefined)
    throw new RangeError(`Expected \`algorithm\` to be one that this Node has, got '${algorithm}'`);
  return used;
}
