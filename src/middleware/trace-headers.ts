/**
 * Trace context in message headers, out and in: text only, under lower-case names, as the wire has them. What a propagator
 * throws costs the trace, never the message.
 */
import { ROOT_CONTEXT, diag } from '@opentelemetry/api';
import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import type { MessageHeaders } from '../core/headers.ts';
import { quietly } from './message-span.ts';

/** What writes and reads trace headers: a propagator, or the API's `propagation`, which asks the global one. */
type HeaderPropagator = Pick<TextMapPropagator, 'inject' | 'extract'>;

const setter: TextMapSetter<MessageHeaders> = {
  set: (headers, name, value) => {
    headers.set(name.toLowerCase(), value);
  },
};

const getter: TextMapGetter<MessageHeaders> = {
  get: (headers, name) => headers.getText(name.toLowerCase()),
  keys: (headers) => Array.from(headers.entries(), ([name]) => name),
};

/** Writes the context into the headers, if there is anything to write. */
export function injectContext(propagator: HeaderPropagator, active: Context, headers: MessageHeaders): void {
  if (active === ROOT_CONTEXT) return;
  quietly(() => {
    propagator.inject(active, headers, setter);
  });
}

/** The context that the headers bring, and nothing of the receiver's own: a read loop runs in whatever started it. */
export function extractContext(propagator: HeaderPropagator, headers: MessageHeaders): Context {
  try {
    return propagator.extract(ROOT_CONTEXT, headers, getter);
  } catch (error) {
    diag.error('tracebus: trace headers could not be read', error);
    return ROOT_CONTEXT;
  }
}
