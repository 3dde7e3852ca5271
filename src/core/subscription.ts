/** What subscribe, pull and respond answer: the handle that ends it. */
import type { Subscriber } from './subscriber.ts';

/** A registered handler. `await using` (or `close()`) takes it back. */
export class Subscription implements AsyncDisposable {
  readonly pattern: string;
  readonly endpoints: readonly string[];
  readonly #remove: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(subscriber: Subscriber, endpoints: readonly string[], remove: () => Promise<void>) {
    this.pattern = subscriber.pattern;
    this.endpoints = endpoints;
    this.#remove = remove;
  }

  /**
   * No event or pushed message is given to the handler from now on, also none that was read already: like one that comes later it is
   * nobody's, or somebody else's. What it is handling finishes. Requests that were taken in are still answered: their callers wait.
   *
   * Resolves when the socket is closed, where no other subscription needs it: then its port is free. For `respond` that is after the last
   * answer, so a handler must not wait for the close of its own subscription. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#remove();
    return this.#closing;
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
