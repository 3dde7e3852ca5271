/**
 * The one error class of the bus and the closed list of its codes.
 *
 * Whatever rejects a call, reaches `onError` or crosses the wire as an error reply carries one of these codes. The message
 * starts with the code and is useful alone: what happened, where (topic, endpoint), how long it took and against which limit,
 * and what to do. Wrong options are not here: they throw TypeError or RangeError at construction.
 */

/** What is fixed about a code. */
export interface ErrorCodeFacts {
  /** The value of `error.type` on metrics and spans. */
  readonly type: string;
  /** Whether trying again may help, when the thrower does not say otherwise. */
  readonly retryable: boolean;
  readonly meaning: string;
}

/** The code of a {@link BusError}: a closed list, see {@link ERROR_CODES}. */
export type BusErrorCode =
  | 'ABORTED'
  | 'BIND_FAILED'
  | 'CANCELLED'
  | 'CIRCUIT_OPEN'
  | 'CLOSED'
  | 'COOLING_DOWN'
  | 'DESERIALIZE_FAILED'
  | 'EXPIRED'
  | 'HANDLER_FAILED'
  | 'HEADERS_FROZEN'
  | 'INSECURE_BIND'
  | 'INVALID_BODY'
  | 'INVALID_HEADER'
  | 'INVALID_PIPELINE'
  | 'INVALID_TOPIC'
  | 'LATE_REPLY'
  | 'MALFORMED_PACKET'
  | 'MESSAGE_TOO_LARGE'
  | 'MIDDLEWARE_MISUSE'
  | 'NOT_READY'
  | 'NO_HANDLER'
  | 'NO_SUBSCRIBERS'
  | 'OVERFLOW'
  | 'PEER_GONE'
  | 'REJECTED'
  | 'REQUEST_TIMEOUT'
  | 'SEND_TIMEOUT'
  | 'SERIALIZE_FAILED'
  | 'TRANSPORT_FAILED'
  | 'UNSUPPORTED'
  | 'UNVERIFIED'
  | 'VALIDATION_FAILED';

/** Every code with its `error.type`, its default `retryable` and its meaning; docs/errors.md shows the same table. */
export const ERROR_CODES: Readonly<Record<BusErrorCode, ErrorCodeFacts>> = {
  ABORTED: { type: 'aborted', retryable: false, meaning: "The caller's AbortSignal ended the call." },
  BIND_FAILED: { type: 'bind_failed', retryable: true, meaning: 'The endpoint could not be bound; it is tried again.' },
  CANCELLED: { type: 'cancelled', retryable: false, meaning: 'The handler was cancelled before it answered.' },
  CIRCUIT_OPEN: { type: 'circuit_open', retryable: false, meaning: 'A circuit breaker refuses the call for now.' },
  CLOSED: { type: 'closed', retryable: false, meaning: 'The bus is closing or closed.' },
  COOLING_DOWN: {
    type: 'cooling_down',
    retryable: false,
    meaning: 'The endpoint failed and is left alone for a while.',
  },
  DESERIALIZE_FAILED: { type: 'deserialize_failed', retryable: false, meaning: 'The payload could not be decoded.' },
  EXPIRED: {
    type: 'expired',
    retryable: false,
    meaning: 'The deadline of the message had passed before its handler ran.',
  },
  HANDLER_FAILED: {
    type: 'handler_failed',
    retryable: false,
    meaning: 'The handler threw; for a request: the remote one.',
  },
  HEADERS_FROZEN: {
    type: 'headers_frozen',
    retryable: false,
    meaning: 'A header was set after signing or encryption.',
  },
  INSECURE_BIND: {
    type: 'insecure_bind',
    retryable: false,
    meaning: 'Binding beyond loopback needs CURVE, or `insecure`.',
  },
  INVALID_BODY: { type: 'invalid_body', retryable: false, meaning: 'The body cannot be sent as it is.' },
  INVALID_HEADER: { type: 'invalid_header', retryable: false, meaning: 'A header name or value is not allowed.' },
  INVALID_PIPELINE: { type: 'invalid_pipeline', retryable: false, meaning: 'The middleware cannot be put together.' },
  INVALID_TOPIC: { type: 'invalid_topic', retryable: false, meaning: 'A topic or pattern is not allowed.' },
  LATE_REPLY: {
    type: 'late_reply',
    retryable: false,
    meaning: 'A reply came after its call had ended; it is dropped.',
  },
  MALFORMED_PACKET: { type: 'malformed_packet', retryable: false, meaning: 'What arrived is not a readable packet.' },
  MESSAGE_TOO_LARGE: {
    type: 'message_too_large',
    retryable: false,
    meaning: 'The message is over a configured limit.',
  },
  MIDDLEWARE_MISUSE: {
    type: 'middleware_misuse',
    retryable: false,
    meaning: 'A middleware broke the contract of next().',
  },
  NOT_READY: {
    type: 'not_ready',
    retryable: true,
    meaning: 'ready() gave up: not everything that was opened works yet.',
  },
  NO_HANDLER: { type: 'no_handler', retryable: false, meaning: 'The responder has no handler for the topic.' },
  NO_SUBSCRIBERS: {
    type: 'no_subscribers',
    retryable: true,
    meaning: 'requireSubscribers is set and nobody subscribed in time.',
  },
  OVERFLOW: { type: 'overflow', retryable: true, meaning: 'A bounded queue on the receiving side was full.' },
  PEER_GONE: { type: 'peer_gone', retryable: true, meaning: 'The peer a reply was meant for has disconnected.' },
  REJECTED: { type: 'rejected', retryable: false, meaning: 'A middleware refused the message.' },
  REQUEST_TIMEOUT: {
    type: 'timeout',
    retryable: false,
    meaning: 'The request was sent and no reply came by its deadline.',
  },
  SEND_TIMEOUT: {
    type: 'send_timeout',
    retryable: true,
    meaning: 'The message could not be handed over by its deadline.',
  },
  SERIALIZE_FAILED: { type: 'serialize_failed', retryable: false, meaning: 'The body could not be encoded.' },
  TRANSPORT_FAILED: { type: 'transport_failed', retryable: true, meaning: 'The socket reported an error.' },
  UNSUPPORTED: { type: 'unsupported', retryable: false, meaning: 'The transport or its mode cannot do this.' },
  UNVERIFIED: {
    type: 'unverified',
    retryable: false,
    meaning: 'The message could not be authenticated: its signature, encryption or key was refused.',
  },
  VALIDATION_FAILED: {
    type: 'validation_failed',
    retryable: false,
    meaning: 'The body does not fit the schema of its topic.',
  },
};

/** What a {@link BusError} says besides its code. */
export interface BusErrorDetails {
  /** What to do about it, as a sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly retryable?: boolean | undefined;
  readonly topic?: string | undefined;
  readonly endpoint?: string | undefined;
  /** How long it took, in milliseconds. */
  readonly elapsedMs?: number | undefined;
  /** The limit that was hit, in milliseconds. */
  readonly limitMs?: number | undefined;
  /** The code that a remote handler gave its error (`error.code`), for HANDLER_FAILED. */
  readonly remoteCode?: string | undefined;
}

/** Every failure of the bus: a `code` from a closed list, what to do (`hint`), and whether trying again may help. */
export class BusError extends Error {
  override readonly name: string = 'BusError';
  readonly code: BusErrorCode;
  /** What happened, without code, place and hint: what an error reply tells the caller. */
  readonly what: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly topic: string | undefined;
  readonly endpoint: string | undefined;
  readonly elapsedMs: number | undefined;
  readonly limitMs: number | undefined;
  readonly remoteCode: string | undefined;

  /** @throws TypeError for a code that is not of the list */
  constructor(code: BusErrorCode, what: string, details: BusErrorDetails = {}) {
    if (!isBusErrorCode(code)) throw unknownCode(code);
    super(sentence(code, what, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.what = what;
    this.hint = details.hint;
    this.retryable = details.retryable ?? ERROR_CODES[code].retryable;
    this.topic = details.topic;
    this.endpoint = details.endpoint;
    this.elapsedMs = details.elapsedMs;
    this.limitMs = details.limitMs;
    this.remoteCode = details.remoteCode;
  }
}

/** True for a code of the closed list: used on codes that came over the wire. */
export function isBusErrorCode(code: string): code is BusErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** The value of `error.type` for any thrown value: from the closed list; what is not a BusError failed in user code. */
export function errorType(error: unknown): string {
  // The code may have been overwritten: what is thrown comes from JavaScript too.
  return error instanceof BusError && isBusErrorCode(error.code)
    ? ERROR_CODES[error.code].type
    : ERROR_CODES.HANDLER_FAILED.type;
}

/** The message of any thrown value, also of one that cannot be made a text. Never throws. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return `a thrown ${typeof error} that cannot be shown`;
  }
}

function unknownCode(code: unknown): TypeError {
  const codes = Object.keys(ERROR_CODES).join(', ');
  return new TypeError(
    `Expected \`code\` to be one of ${codes}; got ${messageOf(code)}. For errors of your own throw an Error`,
  );
}

function sentence(code: string, what: string, details: BusErrorDetails): string {
  const where: string[] = [];
  if (details.topic !== undefined) where.push(`topic ${JSON.stringify(details.topic)}`);
  if (details.endpoint !== undefined) where.push(`endpoint ${details.endpoint}`);
  if (details.elapsedMs !== undefined) where.push(`after ${String(Math.round(details.elapsedMs))} ms`);
  if (details.limitMs !== undefined) where.push(`limit ${String(Math.round(details.limitMs))} ms`);
  const place = where.length > 0 ? ` (${where.join(', ')})` : '';
  const hint = details.hint === undefined ? '' : ` ${details.hint}`;
  return `${code}: ${what}${place}.${hint}`;
}
