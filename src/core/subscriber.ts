/** One handler and the pattern it wants: an entry of the table that incoming topics are matched against. */
import type { Limiter } from './limiter.ts';
import type { ReceiveContext } from './receive-context.ts';

/** What a handler may be; it gets the context through the narrower type `Message`. */
export type AnyHandler = (message: ReceiveContext) => unknown;

/** See the head of this file. */
export class Subscriber {
  readonly pattern: string;
  /** Without a handler messages are received and counted, no more. */
  readonly handler: AnyHandler | undefined;
  readonly limiter: Limiter | undefined;
  /** Its messages start traces of their own. */
  readonly link: boolean | undefined;
  #closed = false;

  constructor(pattern: string, handler: AnyHandler | undefined, limiter: Limiter | undefined, link?: boolean) {
    this.pattern = pattern;
    this.handler = handler;
    this.limiter = limiter;
    this.link = link;
  }

  /** True when messages can be given to it. */
  get takes(): boolean {
    return this.handler !== undefined && !this.#closed;
  }

  /** No message is given to the handler from now on, whoever has found it before; those that it has finish. */
  close(): void {
    this.#closed = true;
  }

  /** Runs the handler within its limit and answers what it returned. */
  handle(ctx: ReceiveContext): unknown {
    const { handler, limiter } = this;
    if (handler === undefined || this.#closed) return undefined;
    if (limiter === undefined) {
      ctx.start();
      return handler(ctx);
    }
    return this.#limited(ctx, handler, limiter);
  }

  async #limited(ctx: ReceiveContext, handler: AnyHandler, limiter: Limiter): Promise<unknown> {
    await limiter.start(ctx.topic);
    try {
      // While it waited its chain may have been ended, the bus or the subscription closed.
      if (ctx.settled || ctx.cancelled || this.#closed) return undefined;
      ctx.start();
      return await handler(ctx);
    } finally {
      limiter.end();
    }
  }
}

/** What a handler answered, as a promise where it has to be awaited: also a thenable of another make. */
export function settling(result: unknown): Promise<void> | undefined {
  if (result instanceof Promise) return result as Promise<void>;
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== 'function') return undefined;
  return Promise.resolve(result as PromiseLike<void>);
}
