/** What subscribe, pull and respond answer: the handle that ends it. */
import type { Subscriber } from './subscriber.ts';

/** A registered handler. `await using` (or `close()`) takes it back; messages that are being handled finish. */
export class Subscription implements AsyncDisposable {
  readonly pattern: string;
  readonly endpoints: readonly string[];
  readonly #remove: () => void;
  #closed = false;

  constructor(subscriber: Subscriber, endpoints: readonly string[], remove: () => void) {
    this.pattern = subscriber.pattern;
    this.endpoints = endpoints;
    this.#remove = remove;
  }

  /** What arrives from now on does not reach the handler; what was read already still does. Idempotent. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#remove();
    }
    return Promise.resolve();
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
