/**
 * JSON for bytes from strangers: the default of `serialize`, and what a codec built on it starts from.
 *
 * `JSON.parse` alone hands on an own key `__proto__`, turns bad UTF-8 into U+FFFD and accepts a depth of a million, at which
 * `JSON.stringify` overflows the stack. All three are refused, here and when encoding, so that what is written can be read.
 *
 * The price stays near that of plain JSON, because most messages are cleared by native string searches: every dangerous key
 * holds `proto` (or hides it behind an escape `\u00..`), and what has no more opening brackets than the limit cannot be too
 * deep. Only what is not cleared is walked.
 */
import { TextDecoder } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { CodecError } from './codec.ts';
import type { Codec } from './codec.ts';
import { checkCodecOptions, DEFAULT_MAX_DEPTH, isDeeperThan, unsafeKeyFault } from './plain-data.ts';

/** The content type of a message without the header `content-type`. */
export const JSON_CONTENT_TYPE = 'application/json';

/** Options of {@link jsonCodec}. */
export interface JsonCodecOptions {
  /** How deep arrays and objects may be nested, in both directions. @default 64 */
  readonly maxDepth?: number;
}

const ENCODE_HINT =
  'Send plain data: objects, arrays, text, numbers, booleans and null, without cycles; write a BigInt as text.';
const DECODE_HINT = 'Sender and receiver need the same serializer; the default is JSON in UTF-8.';
const KEYS_HINT = 'Such keys change prototypes when an object is merged or copied; rename them at the sender.';
const DEPTH_HINT = 'Flatten the body, or raise `maxDepth` of jsonCodec on both sides.';

/**
 * A hardened JSON codec: fatal UTF-8, no key `__proto__` or `constructor.prototype` (escaped forms too), limited depth. As in any
 * JSON, object members that are undefined or functions are left out, and dates become text.
 *
 * @example
 * ```ts
 * import { jsonCodec, serialize } from 'tracebus/middleware';
 *
 * bus.use(serialize(jsonCodec({ maxDepth: 8 })));
 * ```
 */
export function jsonCodec(options: JsonCodecOptions = {}): Codec {
  checkCodecOptions(options);
  const { maxDepth = DEFAULT_MAX_DEPTH } = options;
  // A byte order mark is not JSON (RFC 8259, 8.1): keep it, so that the parser refuses it.
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  return {
    contentType: JSON_CONTENT_TYPE,

    encode(value) {
      const text = stringify(value);
      if (hasMoreOpenings(text, maxDepth)) refuseDepth(value, maxDepth);
      // The text is searched, not the value: `toJSON` may have made other keys. An ASCII letter is never escaped here.
      if (text.includes('proto')) refuseUnsafeKeys(JSON.parse(text));
      return text;
    },

    decode(bytes) {
      const text = decodeText(utf8, bytes);
      const value = parse(text);
      if (hasMoreOpenings(text, maxDepth)) refuseDepth(value, maxDepth);
      if (text.includes('proto') || text.includes('\\u00')) refuseUnsafeKeys(value);
      return value;
    },
  };
}

/** With its true type: a function, for one, has no JSON form. */
const toJson: (value: unknown) => string | undefined = JSON.stringify;

function stringify(value: unknown): string {
  let text: string | undefined;
  try {
    text = toJson(value);
  } catch (error) {
    // The message of a cycle draws it over several lines; the first names it.
    throw new CodecError(messageOf(error).split('\n', 1)[0] ?? '', ENCODE_HINT, error);
  }
  if (text === undefined) throw new CodecError(`a ${typeof value} has no JSON form`, ENCODE_HINT);
  return text;
}

function decodeText(utf8: TextDecoder, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new CodecError('it is not UTF-8', DECODE_HINT, error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CodecError(messageOf(error), DECODE_HINT, error);
  }
}

function refuseDepth(value: unknown, maxDepth: number): void {
  if (!isDeeperThan(value, maxDepth)) return;
  throw new CodecError(`it is nested deeper than ${String(maxDepth)} levels`, DEPTH_HINT);
}

function refuseUnsafeKeys(value: unknown): void {
  const fault = unsafeKeyFault(value);
  if (fault !== undefined) throw new CodecError(fault, KEYS_HINT);
}

/** Whether the text has more opening brackets than the limit, also in its strings: else it cannot be nested deeper. */
function hasMoreOpenings(text: string, limit: number): boolean {
  if (text.length <= 2 * limit) return false; // each has its closing bracket
  let count = 0;
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at + 1)) if (++count > limit) return true;
  for (let at = text.indexOf('['); at >= 0; at = text.indexOf('[', at + 1)) if (++count > limit) return true;
  return false;
}
