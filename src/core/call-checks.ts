/**
 * The checks of what is given to a call. They look at what is there and allocate nothing, and a call without options passes by: it
 * is {@link NO_OPTIONS} then. What depends on the bus (an endpoint, a topic) is checked where it is used.
 */
import { MessageHeaders } from './headers.ts';
import { aBoolean, anything, expectCount, expectTimeout, optionsCheck } from './option-checks.ts';
import type { Check } from './option-checks.ts';

/** The options of a call that has none. */
export const NO_OPTIONS: object = Object.freeze({});

/** Checks the options of one kind of call. @throws TypeError or RangeError that says what was expected */
export type CallCheck = (options: object) => void;

const endpoint: Check = (value) =>
  typeof value === 'number' || (typeof value === 'string' && value !== '') ? undefined : 'an endpoint or a port';

const signal: Check = (value) => {
  const { aborted, addEventListener } = Object(value) as { readonly aborted?: unknown; addEventListener?: unknown };
  return typeof aborted === 'boolean' && typeof addEventListener === 'function' ? undefined : 'an AbortSignal';
};

/** Not a Map and not a Headers: their own properties are none, so that every header would be lost without a word. */
const headers: Check = (value) => {
  if (value instanceof MessageHeaders) return undefined;
  if (typeof value === 'object' && value !== null) {
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === null || Object.getPrototypeOf(prototype) === null) return undefined;
  }
  return 'a plain object of names and values, or MessageHeaders';
};

const timeoutMs: Check = (value) => {
  expectTimeout(value);
  return undefined;
};

const count =
  (name: string, least: number): Check =>
  (value) => {
    expectCount(name, value, least);
    return undefined;
  };

const SENDING = { endpoint, headers, signal, retry: aBoolean };
const HANDLING = { endpoint, concurrency: count('concurrency', 1), maxQueued: count('maxQueued', 0) };
const PULLING = { ...HANDLING, link: aBoolean };
const SUBSCRIBING = { ...PULLING, overflow: anything, ownSocket: aBoolean };

/** Options of publish and push. */
export const checkSending: CallCheck = checking(SENDING);
/** Options of a request. */
export const checkRequesting: CallCheck = checking({ ...SENDING, timeoutMs, idempotent: aBoolean });
/** Options of respond. */
export const checkHandling: CallCheck = checking(HANDLING);
/** Options of pull. */
export const checkPulling: CallCheck = checking(PULLING);
/** Options of a subscription. */
export const checkSubscribing: CallCheck = checking(SUBSCRIBING);
/** Options of `messages()`. */
export const checkMessages: CallCheck = checking({ ...SUBSCRIBING, signal });
/** Options of `ready()`. */
export const checkReady: CallCheck = checking({
  timeoutMs,
  signal,
  topic: anything,
  subscribers: count('subscribers', 1),
  publishers: count('publishers', 1),
});
/** Options of `close()`. */
export const checkClosing: CallCheck = checking({ timeoutMs, cancelRunning: aBoolean });

function checking(checks: Readonly<Record<string, Check>>): CallCheck {
  const check = optionsCheck(checks);
  return (options) => {
    if (options !== NO_OPTIONS) check(options);
  };
}
