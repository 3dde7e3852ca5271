/** Starts the span of a message from what all messages of its endpoint and destination have in common. */
import { INVALID_TRACEID, SpanKind, diag } from '@opentelemetry/api';
import type { Attributes, Context, HrTime, Link, Span } from '@opentelemetry/api';
import type { ReceiveContext } from '../core/receive-context.ts';
import { SPANS } from '../core/semconv.ts';
import type { SpanKey } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { DestinationCache } from './destination-cache.ts';
import { receivedDestination, spanTemplate } from './message-attributes.ts';
import type { SpanTemplate } from './message-attributes.ts';
import type { SpanMaker } from './tracer-presence.ts';

const NO_LINKS: Link[] = [];

/** What a span is started with besides its template. */
export interface SpanInit {
  readonly parent: Context;
  readonly startTime: HrTime;
  readonly links?: Link[] | undefined;
  /** The bus's own go before them. */
  readonly added?: Attributes | undefined;
}

/** See the head of this file. */
export class SpanStarter {
  readonly #tracer: SpanMaker;
  readonly #templates: Readonly<Record<SpanKey, DestinationCache<SpanTemplate>>>;

  constructor(tracer: SpanMaker, system: string) {
    const cache = (key: SpanKey) =>
      new DestinationCache((endpoint, destination) => spanTemplate(key, system, endpoint, destination));
    this.#tracer = tracer;
    this.#templates = {
      publish: cache('publish'),
      push: cache('push'),
      process: cache('process'),
      request: cache('request'),
      respond: cache('respond'),
    };
  }

  /**
   * Undefined where nobody makes spans, and when the SDK failed to. Attributes are given at once, because samplers look at them.
   */
  start(
    key: SpanKey,
    ctx: ReceiveContext | SendContext,
    { parent, startTime, links, added }: SpanInit,
  ): Span | undefined {
    const { topic } = ctx;
    const destination = ctx.direction === 'send' ? topic : receivedDestination(ctx);
    const { name, attributes, topicAttribute } = this.#templates[key].get(ctx.endpoint, destination);
    try {
      const span = this.#tracer.startSpan(
        name,
        {
          kind: SpanKind[SPANS[key].kind],
          startTime,
          attributes:
            topicAttribute === undefined && added === undefined
              ? attributes
              : { ...added, ...attributes, ...(topicAttribute !== undefined && { [topicAttribute]: topic }) },
          links: links ?? NO_LINKS,
        },
        parent,
      );
      return span.spanContext().traceId === INVALID_TRACEID ? undefined : span;
    } catch (error) {
      diag.error('tracebus: a span could not be started', error);
      return undefined;
    }
  }
}
