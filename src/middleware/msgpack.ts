/**
 * A codec over a MessagePack module that the application brings: the bus itself depends on none.
 *
 * Bodies become plain maps, which any language reads. The module decides what else it maps (dates, bytes, BigInt); what it
 * decodes is checked for keys that change prototypes and for depth. Keys are not escaped in MessagePack and every level has a byte
 * that names it, so a look at the bytes clears most messages; only the others are walked.
 */
import { messageOf } from '../core/errors.ts';
import { CodecError } from './codec.ts';
import type { Codec } from './codec.ts';
import { checkCodecOptions, DEFAULT_MAX_DEPTH, isDeeperThan, unsafeKeyFault } from './plain-data.ts';

/** What is needed of the module: `@msgpack/msgpack`, `msgpackr`, or an instance of a packer with these two methods. */
export interface MsgpackModule {
  /** A value as bytes. */
  encode(value: unknown): Uint8Array;
  /** Bytes as a value. */
  decode(bytes: Uint8Array): unknown;
}

/** Options of {@link msgpack}. */
export interface MsgpackOptions {
  /** How deep arrays and maps may be nested, in both directions. @default 64 */
  readonly maxDepth?: number;
}

const ENCODE_HINT = 'Send what the MessagePack module can encode: plain data without cycles.';
const DECODE_HINT = 'Sender and receiver need the same serializer.';
const KEYS_HINT = 'Such keys change prototypes when an object is merged or copied; rename them at the sender.';
const DEPTH_HINT = 'Flatten the body, or raise `maxDepth` of msgpack on both sides.';

/**
 * Makes a codec of a MessagePack module.
 *
 * @example
 * ```ts
 * import { msgpack } from 'tracebus/middleware';
 *
 * const bus = new MessageBus('analytics', { serializer: msgpack(await import('@msgpack/msgpack')) });
 * ```
 */
export function msgpack(module: MsgpackModule, options: MsgpackOptions = {}): Codec {
  expectModule(module);
  checkCodecOptions(options);
  const { maxDepth = DEFAULT_MAX_DEPTH } = options;

  return {
    contentType: 'application/vnd.msgpack',

    encode(value) {
      const bytes = attempt(() => module.encode(value), ENCODE_HINT);
      refuseDepth(bytes, value, maxDepth);
      return bytes;
    },

    decode(bytes) {
      const value = attempt(() => module.decode(bytes), DECODE_HINT);
      refuseDepth(bytes, value, maxDepth);
      if (mayHoldUnsafeKeys(bytes)) refuseUnsafeKeys(value);
      return value;
    },
  };
}

function expectModule(module: unknown): void {
  const { encode, decode } = (module ?? {}) as Partial<MsgpackModule>;
  if (typeof encode === 'function' && typeof decode === 'function') return;
  throw new TypeError(
    'Expected `module` to have the functions `encode` and `decode`, as in msgpack(await import("@msgpack/msgpack"))',
  );
}

function attempt<T>(run: () => T, hint: string): T {
  try {
    return run();
  } catch (error) {
    throw new CodecError(messageOf(error), hint, error);
  }
}

function refuseDepth(bytes: Uint8Array, value: unknown, maxDepth: number): void {
  if (!mayNestDeeper(bytes, maxDepth) || !isDeeperThan(value, maxDepth)) return;
  throw new CodecError(`it is nested deeper than ${String(maxDepth)} levels`, DEPTH_HINT);
}

function refuseUnsafeKeys(value: unknown): void {
  const fault = unsafeKeyFault(value);
  if (fault !== undefined) throw new CodecError(fault, KEYS_HINT);
}

/** Whether more bytes than the limit look like the head of a map or an array (bytes of text and numbers do too). */
function mayNestDeeper(bytes: Uint8Array, maxDepth: number): boolean {
  if (bytes.length <= maxDepth) return false;
  let heads = 0;
  for (const byte of bytes) {
    const isHead = (byte >= 0x80 && byte <= 0x9f) || (byte >= 0xdc && byte <= 0xdf);
    if (isHead && ++heads > maxDepth) return true;
  }
  return false;
}

/** `__proto__` and `constructor.prototype` both hold this word. */
function mayHoldUnsafeKeys(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('proto', 0, 'latin1');
}
