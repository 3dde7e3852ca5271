/**
 * `for await (const message of bus.messages(pattern))`: a subscription read by a loop. Each message counts as being handled until
 * the loop asks for the next one, so a slow loop becomes back-pressure like a slow handler.
 */
import type { ReceiveContext } from './receive-context.ts';

interface Held {
  readonly message: ReceiveContext;
  done(): void;
}

/** See the head of this file. */
export class MessageStream implements AsyncIterableIterator<ReceiveContext> {
  readonly #queue: Held[] = [];
  #onEnd: (() => void) | undefined;
  #current: Held | undefined;
  /** Calls of `next` that wait, in their order: a loop has one, but nobody forbids more. */
  readonly #waiting: (() => void)[] = [];
  readonly #forgetSignal: () => void;
  #ended = false;

  constructor(signal: AbortSignal | undefined) {
    const end = (): void => {
      this.end();
    };
    signal?.addEventListener('abort', end, { once: true });
    this.#forgetSignal = () => signal?.removeEventListener('abort', end);
    if (signal?.aborted === true) end();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What to do when the loop is over. */
  onEnd(run: () => void): void {
    this.#onEnd = run;
  }

  /** The handler of the subscription: settles when the loop is done with the message. */
  readonly take = (message: ReceiveContext): Promise<void> => {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#queue.push({ message, done: resolve });
      this.#waiting.shift()?.();
    });
  };

  /** Ends the loop and lets go of what it has not looked at. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forgetSignal();
    this.#onEnd?.();
    for (const held of this.#queue.splice(0)) held.done();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async next(): Promise<IteratorResult<ReceiveContext, undefined>> {
    this.#letGo();
    while (this.#queue.length === 0) {
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    // Another call of `next` may have been answered meanwhile: who asked again is done with it.
    this.#letGo();
    this.#current = this.#queue.shift();
    return this.#current === undefined ? this.next() : { done: false, value: this.#current.message };
  }

  return(): Promise<IteratorResult<ReceiveContext, undefined>> {
    this.#letGo();
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  #letGo(): void {
    this.#current?.done();
    this.#current = undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
