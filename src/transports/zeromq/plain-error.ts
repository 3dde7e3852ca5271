/**
 * Error replies on the plain wire: `{"error":{"code":"NO_HANDLER","message":"..."}}` in place of the reply's payload.
 *
 * A plain reply has nothing but its body to say that it is an error, so a body that is exactly such an object is one: no other
 * field beside `error`, `code` an identifier, `message` text.
 */
import type { SealedRecord } from '../../core/outgoing-packet.ts';

/** What a plain error reply says. */
export interface PlainError {
  readonly code: string;
  readonly message: string;
}

/** So every error object begins; other replies are not parsed for it. */
const ERROR_START = /^\s*\{\s*"error"\s*:/;
const ERROR_START_BYTES = 32;

const CODE = /^[\w.-]{1,64}$/;

/** The bytes of an error reply. */
export function encodePlainError(record: SealedRecord): Uint8Array {
  const code = record.headers.getText('error-code') ?? 'HANDLER_FAILED';
  const message = messageIn(parseJson(Buffer.from(record.payload).toString())) ?? code;
  return Buffer.from(JSON.stringify({ error: { code, message } }));
}

/** The error in the payload of a reply, or undefined when it is an ordinary one. */
export function decodePlainError(payload: Buffer): PlainError | undefined {
  if (!ERROR_START.test(payload.toString('latin1', 0, ERROR_START_BYTES))) return undefined;
  const body = parseJson(payload.toString());
  const error = fieldOf(body, 'error');
  const code = fieldOf(error, 'code');
  const message = fieldOf(error, 'message');
  if (typeof code !== 'string' || !CODE.test(code) || typeof message !== 'string') return undefined;
  return Object.keys(body as object).length === 1 ? { code, message } : undefined;
}

/** The value of JSON text, or undefined, which JSON cannot express. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageIn(body: unknown): string | undefined {
  if (typeof body === 'string') return body;
  const message = fieldOf(body, 'message');
  return typeof message === 'string' ? message : undefined;
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
