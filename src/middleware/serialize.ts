/**
 * The boundary between values and bytes: everything outside of this step sees `ctx.body`, everything inside `ctx.payload`.
 *
 * The header `content-type` is set only when it is not the default, JSON, which saves its bytes in nearly every message. A receiver with
 * another codec thus says what is wrong instead of decoding garbage. An undefined body is an empty payload, in every codec.
 */
import { BusError, messageOf } from '../core/errors.ts';
import type { Middleware } from '../core/middleware.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import { CodecError } from './codec.ts';
import type { Codec } from './codec.ts';
import { JSON_CONTENT_TYPE, jsonCodec } from './json-codec.ts';

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The serializer, exactly one in a pipeline. Rejects with SERIALIZE_FAILED what the codec cannot encode and with
 * DESERIALIZE_FAILED what it cannot read.
 *
 * @param codec what to write and read. @default 'json'
 * @example
 * ```ts
 * import { msgpack, serialize } from 'tracebus/middleware';
 *
 * bus.use(serialize(msgpack(await import('@msgpack/msgpack'))));
 * ```
 */
export function serialize(codec: 'json' | Codec = 'json'): Middleware {
  const { contentType } = expectCodec(codec);
  const used = codec === 'json' ? jsonCodec() : codec;
  const isDefaultType = contentType === JSON_CONTENT_TYPE;

  return {
    name: 'serialize',
    stage: 'serialize',
    awaitsNext: true,

    send(ctx, next) {
      if (ctx.body === undefined) {
        ctx.payload = NOTHING;
      } else {
        const encoded = encode(used, ctx);
        if (typeof encoded === 'string') ctx.payloadText = encoded;
        else ctx.payload = encoded;
      }
      // Headers that were copied from another message may tell of another codec.
      if (!isDefaultType) ctx.headers.set('content-type', contentType);
      else if (ctx.headers.has('content-type')) ctx.headers.delete('content-type');
      return next();
    },

    receive(ctx, next) {
      if (ctx.payload.length === 0) {
        ctx.body = undefined;
      } else {
        expectContentType(ctx, contentType);
        ctx.body = decode(used, ctx);
      }
      return next();
    },
  };
}

function expectCodec(codec: unknown): Pick<Codec, 'contentType'> {
  if (codec === 'json') return { contentType: JSON_CONTENT_TYPE };
  const { contentType, encode: write, decode: read } = (codec ?? {}) as Partial<Codec>;
  if (
    typeof contentType === 'string' &&
    contentType !== '' &&
    typeof write === 'function' &&
    typeof read === 'function'
  ) {
    return { contentType };
  }
  const got = typeof codec === 'string' ? `'${codec}'` : typeof codec;
  throw new TypeError(`Expected \`codec\` to be 'json' or an object with contentType, encode and decode, got ${got}`);
}

function encode(codec: Codec, ctx: SendContext): Uint8Array | string {
  let encoded: unknown;
  try {
    encoded = codec.encode(ctx.body);
  } catch (error) {
    throw failed('SERIALIZE_FAILED', 'the body cannot be encoded', error, ctx.topic);
  }
  if (typeof encoded === 'string' || encoded instanceof Uint8Array) return encoded;
  throw new BusError('SERIALIZE_FAILED', `the codec for ${codec.contentType} returned neither bytes nor text`, {
    topic: ctx.topic,
    hint: 'Its `encode` must be synchronous and return a Uint8Array or text.',
  });
}

function decode(codec: Codec, ctx: ReceiveContext): unknown {
  try {
    return codec.decode(ctx.payload);
  } catch (error) {
    throw failed('DESERIALIZE_FAILED', `the payload is not ${codec.contentType}`, error, ctx.topic);
  }
}

function failed(
  code: 'SERIALIZE_FAILED' | 'DESERIALIZE_FAILED',
  what: string,
  cause: unknown,
  topic: string,
): BusError {
  const hint = cause instanceof CodecError ? cause.hint : undefined;
  return new BusError(code, `${what}: ${messageOf(cause)}`, { topic, hint, cause });
}

/** Without the header a message is JSON, except from plain peers (epoch 0), which have no headers. */
function expectContentType(ctx: ReceiveContext, expected: string): void {
  const given = ctx.headers.getText('content-type') ?? (ctx.epoch === 0 ? expected : JSON_CONTENT_TYPE);
  if (given === expected || bareType(given) === bareType(expected)) return;
  throw new BusError('DESERIALIZE_FAILED', `the payload is ${given}, and this bus reads ${expected}`, {
    topic: ctx.topic,
    hint: 'Give every bus that talks to this one the same `serializer`.',
  });
}

/** The media type without its parameters. */
function bareType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}
