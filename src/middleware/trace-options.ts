/** The options of `trace`, and their checks. */
import type { Attributes, TextMapPropagator, TracerProvider } from '@opentelemetry/api';
import { aBoolean, aFunction, oneOf, optionsCheck, withMethods } from '../core/option-checks.ts';
import type { Check } from '../core/option-checks.ts';
import { HEADER_NAME_PATTERN } from '../core/packet-layout.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';

/** Options of `trace`. */
export interface TraceOptions {
  /** @default the global provider, asked for when the bus starts */
  readonly tracerProvider?: TracerProvider;
  /** Writes and reads the trace headers. @default the global propagator: W3C traceparent, tracestate and baggage */
  readonly propagator?: Pick<TextMapPropagator, 'inject' | 'extract'>;
  /**
   * `true` starts a new trace for each event and pushed message received, which only links to the sender's; baggage still
   * comes along. By default the sender's span is parent and link. Requests always continue the caller's trace. The option `link` of a
   * subscription goes before it.
   * @default false
   */
  readonly link?: boolean;
  /**
   * What becomes of a message whose sender's trace is not sampled. `follow` makes no span and only passes the context on, which is
   * what the SDK's own samplers decide too (they go by the parent), at a fraction of the cost. `ask` asks the sampler each time: for an
   * application with a sampler of its own, such as one service that records everything. Where a new trace starts (`link`) the sampler
   * is always asked.
   * @default 'follow'
   */
  readonly unsampled?: 'follow' | 'ask';
  /** `false` neither sends baggage nor takes any in; what the application has set for itself it keeps. @default true */
  readonly baggage?: boolean;
  /** `false` for a message that is to have no span; the context that it came with, or is sent from, still travels. @default every message has one */
  readonly filter?: (ctx: ReceiveContext | SendContext) => boolean;
  /**
   * Attributes besides the bus's own, which win; given when the span starts, so samplers see them. A received message has no body yet
   * at that time. Not asked about rejected messages. @default none
   */
  readonly attributes?: (ctx: ReceiveContext | SendContext) => Attributes;
  /** Names of headers whose values become attributes, on both sides; bytes as base64. What they hold leaves the process. @default [] */
  readonly headers?: readonly string[];
}

const headerNames: Check = (value) =>
  Array.isArray(value) && value.every((name) => typeof name === 'string' && HEADER_NAME_PATTERN.test(name))
    ? undefined
    : 'a list of header names in lower case';

/** @throws TypeError that says what was expected */
export const checkTraceOptions: (options: TraceOptions) => void = optionsCheck({
  tracerProvider: withMethods('a TracerProvider', 'getTracer'),
  propagator: withMethods('a TextMapPropagator', 'inject', 'extract'),
  link: aBoolean,
  unsampled: oneOf('follow', 'ask'),
  baggage: aBoolean,
  filter: aFunction,
  attributes: aFunction,
  headers: headerNames,
});
