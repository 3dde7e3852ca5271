/**
 * Trace context in message headers, out and in: text only, under lower-case names, as the wire has them. What a propagator
 * throws costs the trace, never the message, and neither does what it writes: headers that leave too little room for the bus's own are not
 * written. What comes in is input from outside: a header longer than any propagator writes is not looked at.
 */
import { ROOT_CONTEXT, diag, propagation } from '@opentelemetry/api';
import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import type { MessageHeaders } from '../core/headers.ts';
import { MAX_HEADER_BLOCK_BYTES, MAX_HEADERS } from '../core/packet-layout.ts';
import { LIGHT_ROOT } from './light-context.ts';
import { thrown } from './message-span.ts';

/** What writes and reads trace headers: a propagator, or the API's `propagation`, which asks the global one. */
export type HeaderPropagator = Pick<TextMapPropagator, 'inject' | 'extract'>;

/** The W3C limit of a whole baggage header, the longest of the three. */
const LONGEST_VALUE = 8192;

/** Left for topic, sender, correlation, content type, signature and what steps add after this one. */
const ROOM_LEFT = { headers: 16, bytes: 2048 };

/** So long a value needs no counting where it is the only header. */
const SHORT_BYTES = 256;

const setter: TextMapSetter<MessageHeaders> = {
  set: (headers, name, value) => {
    if (headers.size > 0 || value.length > SHORT_BYTES) expectRoom(headers, name, value);
    headers.set(name.toLowerCase(), value);
  },
};

const getter: TextMapGetter<MessageHeaders> = {
  get: (headers, name) => {
    const value = headers.getText(name.toLowerCase());
    return value !== undefined && value.length > LONGEST_VALUE ? undefined : value;
  },
  keys: (headers) => Array.from(headers.entries(), ([name]) => name),
};

/** Writes contexts into headers and reads them, with baggage or without. */
export class TraceHeaders {
  readonly #propagator: HeaderPropagator;
  readonly #baggage: boolean;

  constructor(propagator: HeaderPropagator, baggage: boolean) {
    this.#propagator = propagator;
    this.#baggage = baggage;
  }

  /** Writes the context into the headers, if there is anything to write. */
  inject(active: Context, headers: MessageHeaders): void {
    if (active === ROOT_CONTEXT) return;
    try {
      this.#propagator.inject(this.#allowed(active), headers, setter);
    } catch (error) {
      thrown(error);
    }
  }

  /** The context that the headers bring, and nothing of the receiver's own: a read loop runs in whatever started it. */
  extract(headers: MessageHeaders): Context {
    try {
      const extracted = this.#propagator.extract(LIGHT_ROOT, headers, getter);
      if (typeof (extracted as Partial<Context> | undefined)?.getValue !== 'function') {
        throw new TypeError('the propagator answered no context');
      }
      return extracted === LIGHT_ROOT ? ROOT_CONTEXT : this.#allowed(extracted);
    } catch (error) {
      diag.error('tracebus: trace headers could not be read', error);
      return ROOT_CONTEXT;
    }
  }

  #allowed(active: Context): Context {
    return this.#baggage || propagation.getBaggage(active) === undefined ? active : propagation.deleteBaggage(active);
  }
}

function expectRoom(headers: MessageHeaders, name: string, value: string): void {
  let bytes = Buffer.byteLength(value);
  for (const [key, held] of headers.entries()) {
    bytes += key.length + (typeof held === 'string' ? Buffer.byteLength(held) : held.length);
  }
  if (headers.size < MAX_HEADERS - ROOM_LEFT.headers && bytes < MAX_HEADER_BLOCK_BYTES - ROOM_LEFT.bytes) return;
  throw new RangeError(`the headers of the message leave no room for "${name}"`);
}
