/**
 * Typed topics: a plain type names the topics of an application and what they carry.
 *
 *     type Market = { 'price.tick': Tick; 'price.close': Close; 'state.get': Call<Query, State> };
 *     const bus = new MessageBus<Market>('analytics');
 *
 * Topic names then complete in the editor, a wildcard pattern gives the union of the bodies it matches, and a topic that does
 * not exist is a type error that says so. Without the type parameter every topic is allowed and bodies are `unknown`.
 */
import type { Message } from './receive-context.ts';

declare const CALL: unique symbol;

/** The entry of a topic that is requested: what is asked and what is answered. */
export interface Call<Request, Reply> {
  readonly [CALL]: readonly [Request, Reply];
}

/** Topics that nobody has described: every name, `unknown` bodies. */
export type AnyTopics = Record<string, unknown>;

type IsAny<Topics> = string extends keyof Topics ? true : false;

/** The names of topics that are published or pushed. */
export type EventName<Topics> =
  IsAny<Topics> extends true
    ? string
    : { [Name in keyof Topics & string]: Topics[Name] extends Call<unknown, unknown> ? never : Name }[keyof Topics &
        string];

/** The names of topics that are requested. */
export type CallName<Topics> =
  IsAny<Topics> extends true
    ? string
    : { [Name in keyof Topics & string]: Topics[Name] extends Call<unknown, unknown> ? Name : never }[keyof Topics &
        string];

/** The body of an event. */
export type EventBody<Topics, Name extends string> = Name extends keyof Topics ? Topics[Name] : unknown;

/** What is asked under a topic. */
export type RequestBody<Topics, Name extends string> = Name extends keyof Topics
  ? Topics[Name] extends Call<infer Request, unknown>
    ? Request
    : unknown
  : unknown;

/** What is answered under a topic. */
export type ReplyBody<Topics, Name extends string> = Name extends keyof Topics
  ? Topics[Name] extends Call<unknown, infer Reply>
    ? Reply
    : unknown
  : unknown;

type Words<Text extends string> = Text extends `${infer First}.${infer Rest}` ? [First, ...Words<Rest>] : [Text];

type WordsMatch<Pattern extends readonly string[], Topic extends readonly string[]> = Pattern extends ['>']
  ? Topic extends [string, ...string[]]
    ? true
    : false
  : Pattern extends [infer P, ...infer PatternRest extends string[]]
    ? Topic extends [infer T, ...infer TopicRest extends string[]]
      ? P extends '*' | T
        ? WordsMatch<PatternRest, TopicRest>
        : false
      : false
    : Topic extends []
      ? true
      : false;

/** Those of `Names` that a pattern matches: `*` one word, `>` one or more last words. */
export type Matching<Names extends string, Pattern extends string> = Names extends string
  ? WordsMatch<Words<Pattern>, Words<Names>> extends true
    ? Names
    : never
  : never;

/** A pattern as it is, or a type that reads as the error: nothing matches it. An object, as two texts would cancel each other out. */
export type ValidPattern<Names extends string, Pattern extends string> = string extends Names
  ? Pattern
  : [Matching<Names, Pattern>] extends [never]
    ? { readonly error: `no topic matches ${Pattern}` }
    : Pattern;

/** The union of the bodies of the events that a pattern matches. */
export type PatternBody<Topics, Pattern extends string> =
  IsAny<Topics> extends true ? unknown : EventBody<Topics, Matching<EventName<Topics>, Pattern>>;

/** The union of what is asked under the topics that a pattern matches. */
export type PatternRequest<Topics, Pattern extends string> =
  IsAny<Topics> extends true ? unknown : RequestBody<Topics, Matching<CallName<Topics>, Pattern>>;

/** The union of what may be answered under the topics that a pattern matches. */
export type PatternReply<Topics, Pattern extends string> =
  IsAny<Topics> extends true ? unknown : ReplyBody<Topics, Matching<CallName<Topics>, Pattern>>;

/**
 * A handler. Declared as a method, so that a handler which names the body it expects fits where topics are not described.
 */
export type Handler<Body, Result = unknown> = {
  /** The function itself. */
  handle(message: Message<Body>): Result;
}['handle'];
