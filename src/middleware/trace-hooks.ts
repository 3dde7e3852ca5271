/** What an application adds to spans: which messages have one, attributes of its own, headers. A hook that throws costs its answer alone. */
import { diag } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import { ATTR, HEADER_PREFIX } from '../core/semconv.ts';
import type { SendContext } from '../core/send-context.ts';
import type { TraceOptions } from './trace-options.ts';

type AnyContext = ReceiveContext | SendContext;

/** See the head of this file. */
export class TraceHooks {
  readonly #filter: TraceOptions['filter'];
  readonly #attributes: TraceOptions['attributes'];
  readonly #headers: readonly string[];
  readonly #logger: Logger;
  /** Hooks whose failure was logged: one that fails fails for every message. */
  readonly #told = new Set<string>();

  constructor({ filter, attributes, headers = [] }: TraceOptions, logger: Logger) {
    this.#filter = filter;
    this.#attributes = attributes;
    this.#headers = [...headers];
    this.#logger = logger;
  }

  /** Whether the message is to have a span. */
  wants(ctx: AnyContext): boolean {
    if (this.#filter === undefined) return true;
    try {
      return expectNow(this.#filter(ctx));
    } catch (error) {
      this.#failed('filter', error);
      return true;
    }
  }

  /** What the span has besides the bus's own attributes; undefined when that is nothing. */
  attributes(ctx: AnyContext): Attributes | undefined {
    if (this.#attributes === undefined && this.#headers.length === 0) return undefined;
    const added: Attributes = {};
    try {
      Object.assign(added, expectNow(this.#attributes?.(ctx)));
    } catch (error) {
      this.#failed('attributes', error);
    }
    // It is there if and only if the span has failed.
    Reflect.deleteProperty(added, ATTR.errorType);
    this.#capture(ctx, added);
    return added;
  }

  #capture({ headers, pattern }: AnyContext, into: Attributes): void {
    for (const name of this.#headers) {
      const value = headers.get(name);
      if (value === undefined) continue;
      const text = typeof value === 'string' ? value : Buffer.from(value).toString('base64');
      if (pattern === 'request') into[HEADER_PREFIX.rpc + name] = [text];
      else into[HEADER_PREFIX.messaging + name] = text;
    }
  }

  #failed(hook: string, error: unknown): void {
    diag.error(`tracebus: the option ${hook} of trace() threw`, error);
    if (this.#told.has(hook)) return;
    this.#told.add(hook);
    this.#logger.warn(
      `the option \`${hook}\` of trace() threw, and more of that will not be logged: ${messageOf(error)}`,
    );
  }
}

/** What a hook answers; nobody waits for a promise, and its rejection would end the process. */
function expectNow<T>(answer: T): T {
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => undefined);
  throw new TypeError('it answered a promise; it has to be synchronous');
}
