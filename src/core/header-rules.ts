/** What a header may be called and hold. */
import { BusError } from './errors.ts';
import { BYTES_HEADERS, HEADER_ID_BY_NAME, HEADER_NAME_PATTERN, MAX_HEADER_BLOCK_BYTES } from './packet-layout.ts';

/** @throws BusError INVALID_HEADER for a name or value that cannot travel */
export function expectHeader(name: string, value: unknown): void {
  const wellKnown = HEADER_ID_BY_NAME.has(name);
  if (!wellKnown && !HEADER_NAME_PATTERN.test(name)) {
    throw invalidHeader(
      `${JSON.stringify(name)} is not a header name`,
      'Names are 1 to 64 of a-z, 0-9, ".", "_" and "-", in lower case, beginning with a letter or digit.',
    );
  }
  const isText = typeof value === 'string';
  if (!isText && !(value instanceof Uint8Array)) {
    throw invalidHeader(`The value of header "${name}" is neither text nor bytes`, 'Write numbers and dates as text.');
  }
  if (wellKnown && isText === BYTES_HEADERS.has(name)) {
    throw invalidHeader(
      `Header "${name}" takes ${isText ? 'bytes' : 'text'}`,
      'Well-known headers have one type each.',
    );
  }
  if (value.length > MAX_HEADER_BLOCK_BYTES) {
    throw invalidHeader(
      `The value of header "${name}" exceeds ${String(MAX_HEADER_BLOCK_BYTES)} bytes`,
      'Put what is large into the body.',
    );
  }
}

/** Says what is wrong with a header, and what to do. */
export function invalidHeader(what: string, hint: string): BusError {
  return new BusError('INVALID_HEADER', what, { hint });
}
