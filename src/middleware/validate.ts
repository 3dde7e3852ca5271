/**
 * Checks bodies against schemas, by topic, and replaces them by what the schema makes of them (defaults filled in, unknown
 * members removed). At stage body: it sees values, on the way out before they are serialized, on the way in before the handler.
 *
 * A topic is checked by the first pattern that matches, in the order in which they are written, and by no other: a general schema
 * after a special one does not take away what the special one asks for. Topics without a schema pass.
 */
import { BusError, messageOf } from '../core/errors.ts';
import type { Middleware, Next } from '../core/middleware.ts';
import { expectObject, oneOf, optionsCheck } from '../core/option-checks.ts';
import type { ReceiveContext } from '../core/receive-context.ts';
import type { SendContext } from '../core/send-context.ts';
import { TopicTrie } from '../core/topic-trie.ts';
import { describeIssues, isStandardSchema } from './standard-schema.ts';
import type { StandardResult, StandardSchema } from './standard-schema.ts';

/** The schemas of a topic that is requested: either may be absent. */
export interface CallSchemas {
  readonly request?: StandardSchema;
  readonly reply?: StandardSchema;
}

/** Schemas by topic pattern. A single one checks whatever is published, pushed or requested, and no reply. */
export type TopicSchemas = Readonly<Record<string, StandardSchema | CallSchemas>>;

/** Options of {@link validate}. */
export interface ValidateOptions {
  /**
   * Where bodies are checked. A schema that transforms (text to a date, say) runs twice under `both` and must accept its own
   * output; else choose one side. @default 'both'
   */
  readonly direction?: 'both' | 'send' | 'receive';
}

type Context = SendContext | ReceiveContext;

const checkOptions = optionsCheck({ direction: oneOf('both', 'send', 'receive') });

/**
 * Rejects bodies that do not fit the schema of their topic with VALIDATION_FAILED, which names the paths; the issues are its `cause`.
 *
 * @example
 * ```ts
 * import { z } from 'zod';
 * import { validate } from 'tracebus/middleware';
 *
 * bus.use(
 *   validate({
 *     'price.*': z.object({ symbol: z.string(), price: z.number().positive() }),
 *     'state.get': { request: z.object({ symbol: z.string() }), reply: z.object({ average: z.number() }) },
 *   }),
 * );
 * ```
 */
export function validate(schemas: TopicSchemas, options: ValidateOptions = {}): Middleware {
  expectObject('schemas', schemas);
  checkOptions(options);
  const { direction = 'both' } = options;
  const byTopic = new TopicTrie<CallSchemas>();
  for (const [pattern, given] of Object.entries(schemas)) byTopic.add(pattern, expectSchemas(pattern, given));

  const check = (ctx: Context, next: Next): Promise<void> => {
    if (ctx.kind === 'error') return next(); // its body is the bus's
    const call = byTopic.match(ctx.topic)[0];
    const schema = ctx.pattern === 'reply' ? call?.reply : call?.request;
    return schema === undefined ? next() : checkBody(schema, ctx, next);
  };

  return {
    name: 'validate',
    stage: 'body',
    awaitsNext: true,
    ...(direction === 'receive' ? {} : { send: check }),
    ...(direction === 'send' ? {} : { receive: check }),
  };
}

function expectSchemas(pattern: string, given: unknown): CallSchemas {
  if (isStandardSchema(given)) return { request: given };
  const { request, reply, ...others } = (given ?? {}) as CallSchemas;
  const present = [request, reply].filter((schema) => schema !== undefined);
  if (present.length > 0 && present.every(isStandardSchema) && Object.keys(others).length === 0) {
    return given as CallSchemas;
  }
  throw new TypeError(
    `Expected the schema for ${JSON.stringify(pattern)} to be a Standard Schema, or { request, reply } of such`,
  );
}

function checkBody(schema: StandardSchema, ctx: Context, next: Next): Promise<void> {
  let result: StandardResult<unknown> | Promise<StandardResult<unknown>>;
  try {
    result = schema['~standard'].validate(ctx.body);
  } catch (error) {
    throw broken(error, ctx);
  }
  // Most schemas are synchronous: only the others cost a turn of the event loop.
  if (!(result instanceof Promise)) return accept(result, ctx, next);
  return result.then(
    (settled) => accept(settled, ctx, next),
    (error: unknown) => {
      throw broken(error, ctx);
    },
  );
}

function accept(result: StandardResult<unknown>, ctx: Context, next: Next): Promise<void> {
  if (result.issues !== undefined) {
    throw new BusError('VALIDATION_FAILED', `the body does not fit its schema: ${describeIssues(result.issues)}`, {
      topic: ctx.topic,
      hint: ctx.direction === 'send' ? 'Correct the body, or the schema.' : 'Correct the sender, or the schema.',
      cause: result.issues,
    });
  }
  ctx.body = result.value;
  return next();
}

/** The standard asks a schema to return issues, not to throw. */
function broken(error: unknown, ctx: Context): BusError {
  return new BusError('VALIDATION_FAILED', `the schema itself failed: ${messageOf(error)}`, {
    topic: ctx.topic,
    hint: 'A schema must return issues instead of throwing.',
    cause: error,
  });
}
