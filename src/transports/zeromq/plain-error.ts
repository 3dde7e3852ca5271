/**
 * Error replies on the plain wire: `{"error":{"code":"NO_HANDLER","message":"..."}}` in place of the reply's payload.
 *
 * A plain reply has nothing but its body to say that it is an error, so a body that is exactly such an object is one: no other
 * field beside `error`, `code` an identifier, `message` text. The code is the one that the handler gave its error, else the
 * bus's own; the caller gets HANDLER_FAILED for one that is not the bus's, with it as `remoteCode`.
 */
import { isBusErrorCode } from '../../core/errors.ts';
import type { SealedRecord } from '../../core/outgoing-packet.ts';

/** An error reply as the core knows it. */
interface PlainError {
  /** The header `error-code`. */
  readonly code: string;
  /** The body of a native error reply. */
  readonly payload: Buffer;
}

/** So every error object begins; other replies are not parsed for it. */
const ERROR_START = /^\s*\{\s*"error"\s*:/;
const ERROR_START_BYTES = 32;

const CODE = /^[\w.-]{1,64}$/;

/** The bytes of an error reply. */
export function encodePlainError(record: SealedRecord): Uint8Array {
  const body = parseJson(Buffer.from(record.payload).toString());
  const own = record.headers.getText('error-code') ?? 'HANDLER_FAILED';
  const given = fieldOf(body, 'code');
  const code = own === 'HANDLER_FAILED' && isCode(given) ? given : own;
  const message = typeof body === 'string' ? body : fieldOf(body, 'message');
  return Buffer.from(JSON.stringify({ error: { code, message: typeof message === 'string' ? message : code } }));
}

/** The error in the payload of a reply, or undefined when it is an ordinary one. */
export function decodePlainError(payload: Buffer): PlainError | undefined {
  if (!ERROR_START.test(payload.toString('latin1', 0, ERROR_START_BYTES))) return undefined;
  const body = parseJson(payload.toString());
  const error = fieldOf(body, 'error');
  const code = fieldOf(error, 'code');
  const message = fieldOf(error, 'message');
  if (!isCode(code) || typeof message !== 'string' || Object.keys(body as object).length !== 1) return undefined;
  const native = isBusErrorCode(code) ? { message } : { code, message };
  return { code, payload: Buffer.from(JSON.stringify(native)) };
}

/** The value of JSON text, or undefined, which JSON cannot express. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isCode(value: unknown): value is string {
  return typeof value === 'string' && CODE.test(value);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
