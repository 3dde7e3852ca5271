/** What a log record says of a failure, and to which span it belongs. Nothing of bodies or headers is in it. */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { Attributes, Context } from '@opentelemetry/api';
import { errorType, messageOf } from '../core/errors.ts';
import { oneLine } from '../core/logger.ts';
import type { LogLevel } from '../core/logger.ts';
import type { Failure } from '../core/reporter.ts';
import { ATTR, LOG_EVENTS, OTHER_METHOD } from '../core/semconv.ts';
import { DestinationCache } from './destination-cache.ts';
import { endpointAttributes } from './endpoint-attributes.ts';
import type { LogRecord } from './logger-presence.ts';
import { destinationAttributes, receivedDestination, rpcAttributes } from './message-attributes.ts';

/** The numbers of the specification for the levels of the bus. */
const SEVERITIES: Readonly<Record<LogLevel, number>> = { debug: 5, info: 9, warn: 13, error: 17, silent: 0 };

/** The longest `exception.message`; in UTF-16 units. */
const MAX_MESSAGE = 1024;
/** The longest name of a class that is believed to be one. */
const MAX_NAME = 128;

/** See the head of this file. */
export class FailureRecords {
  readonly #system: string;
  readonly #messaging: DestinationCache<Attributes>;
  readonly #rpc: DestinationCache<Attributes>;

  constructor(system: string) {
    this.#system = system;
    this.#messaging = new DestinationCache((endpoint, destination) =>
      Object.freeze({ ...destinationAttributes(destination), ...endpointAttributes(endpoint) }),
    );
    this.#rpc = new DestinationCache((endpoint, method = OTHER_METHOD) =>
      Object.freeze({ ...rpcAttributes(method), ...endpointAttributes(endpoint) }),
    );
  }

  /** What decides whether a record is wanted. */
  about(failure: Failure): Pick<LogRecord, 'context' | 'severityNumber' | 'eventName'> {
    return {
      eventName: failure.isDropped ? LOG_EVENTS.drop : LOG_EVENTS.failure,
      severityNumber: SEVERITIES[failure.level],
      context: contextOf(failure.context),
    };
  }

  /** The record; `leftOut` of its kind were not written before it. */
  record(
    failure: Failure,
    about: Pick<LogRecord, 'context' | 'severityNumber' | 'eventName'>,
    leftOut: number,
  ): LogRecord {
    const { error, operation, level, line } = failure;
    return {
      ...about,
      severityText: level.toUpperCase(),
      body: oneLine(line),
      attributes: {
        [ATTR.systemName]: this.#system,
        [ATTR.operationName]: operation,
        ...this.#place(failure.context),
        [ATTR.errorType]: errorType(error),
        [ATTR.exceptionType]: oneLine(error.name, MAX_NAME),
        [ATTR.exceptionMessage]: oneLine(messageOf(error), MAX_MESSAGE),
        ...(leftOut > 0 && { [ATTR.suppressed]: leftOut }),
      },
    };
  }

  #place(ctx: Failure['context']): Attributes {
    if (ctx === undefined) return {};
    const cache = ctx.pattern === 'request' || ctx.pattern === 'reply' ? this.#rpc : this.#messaging;
    return cache.get(ctx.endpoint, ctx.direction === 'send' ? ctx.topic : receivedDestination(ctx));
  }
}

/** The context of the message's span. Never that of whoever happens to run: a message without a span has no trace. */
function contextOf(ctx: Failure['context']): Context {
  if (ctx === undefined) return ROOT_CONTEXT;
  if (ctx.direction === 'receive' && ctx.scope !== undefined) return ctx.scope;
  if (ctx.span !== undefined) return trace.setSpan(ROOT_CONTEXT, ctx.span);
  return ctx.direction === 'send' ? contextOf(ctx.request) : ROOT_CONTEXT;
}
