/**
 * What spans and metrics say about a message: the attributes of its endpoint and destination, frozen, and the span's name.
 * One place, so that a span and the metric beside it never disagree. Everything here runs once per endpoint and
 * destination (see destination-cache.ts), not once per message.
 */
import type { Attributes } from '@opentelemetry/api';
import { BusError, ERROR_CODES, errorType } from '../core/errors.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { replyCode } from '../core/reply-code.ts';
import { ATTR, OTHER_METHOD, RPC_SYSTEM, SPANS } from '../core/semconv.ts';
import type { SpanKey } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import { endpointAttributes } from './endpoint-attributes.ts';

/** What all spans of one endpoint and destination have in common. */
export interface SpanTemplate {
  readonly name: string;
  readonly attributes: Attributes;
  /** The attribute that takes each message's own topic, where the name above stands for many. */
  readonly topicAttribute: string | undefined;
}

/** The template of a messaging or RPC span; `destination` is a topic, a pattern, or undefined beyond the cap. */
export function spanTemplate(
  span: SpanKey,
  system: string,
  endpoint: string,
  destination: string | undefined,
): SpanTemplate {
  const server = endpointAttributes(endpoint);
  const { operation, type } = SPANS[span];
  if (operation === undefined || type === undefined) {
    const method = destination ?? OTHER_METHOD;
    const isOne = method !== OTHER_METHOD && !isPattern(method);
    return {
      name: method === OTHER_METHOD ? RPC_SYSTEM : method,
      attributes: Object.freeze({ ...rpcAttributes(method), ...server }),
      topicAttribute: isOne ? undefined : ATTR.rpcMethodOriginal,
    };
  }
  return {
    name: destination === undefined ? operation : `${operation} ${destination}`,
    attributes: Object.freeze({
      [ATTR.systemName]: system,
      [ATTR.operationName]: operation,
      [ATTR.operationType]: type,
      ...destinationAttributes(destination),
      ...server,
    }),
    topicAttribute: destination === undefined || isPattern(destination) ? ATTR.destinationName : undefined,
  };
}

/** `messaging.destination.name`, or `.template` for a pattern; nothing when there is no destination. */
export function destinationAttributes(destination: string | undefined): Attributes {
  if (destination === undefined) return {};
  return { [isPattern(destination) ? ATTR.destinationTemplate : ATTR.destinationName]: destination };
}

/** The two attributes that name a method. */
export function rpcAttributes(method: string): Attributes {
  return { [ATTR.rpcSystemName]: RPC_SYSTEM, [ATTR.rpcMethod]: method };
}

/** The low-cardinality name of where a message came in: the pattern that matched; a request that none matched is `_OTHER`. */
export function receivedDestination(ctx: ReceiveContext): string {
  return ctx.subscription ?? (ctx.pattern === 'request' ? OTHER_METHOD : ctx.topic);
}

/** The `error.type` of a failure, as the core counts it: what no handler has seen was refused by the pipeline. */
export function failureType(ctx: ReceiveContext | SendContext, error: unknown): string {
  const isRefused = ctx.direction === 'receive' && !ctx.handled && !(error instanceof BusError);
  return isRefused ? ERROR_CODES.REJECTED.type : errorType(error);
}

/** The `rpc.status_code` of a failed call: what the responder answers, which is what the caller is told; undefined on messaging spans. */
export function statusCode(ctx: ReceiveContext | SendContext, error: unknown): string | undefined {
  if (ctx.pattern !== 'request') return undefined;
  return ctx.direction === 'send' ? errorType(error) : ERROR_CODES[replyCode(error, ctx)].type;
}

function isPattern(destination: string): boolean {
  return destination.includes('*') || destination.includes('>');
}

/** The span and the duration of a message; a reply has none of its own in either direction. */
export function spanKeyOf({ direction, pattern }: ReceiveContext | SendContext): SpanKey | undefined {
  if (pattern === 'reply') return undefined;
  if (direction === 'send') return pattern;
  return pattern === 'request' ? 'respond' : 'process';
}
