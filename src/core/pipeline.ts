/** The stack of one bus while it is put together, and its start: from then on the chains are composed and nothing changes. */
import { buildChains } from './chain.ts';
import type { ChainEnds, Chains } from './chain.ts';
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Middleware, MiddlewareFunction, MiddlewareHost } from './middleware.ts';
import type { ReceiveContext } from './receive-context.ts';
import type { RequestChannel } from './request-channel.ts';
import type { SendContext } from './send-context.ts';
import { checkStack } from './stack.ts';
import { stamp } from './stamp.ts';

/** See the head of this file. */
export class Pipeline {
  readonly stack: Middleware[] = [];
  /** Those that were told of the start, and have to be told of the end. */
  readonly attached: Middleware[] = [];
  readonly #kernel: Kernel;
  readonly #onCancel: (ctx: ReceiveContext) => void;
  #started = false;
  #failure: { readonly error: unknown } | undefined;
  #generated = 0;

  /** `onCancel`: a cancel has come through the payload stage. */
  constructor(kernel: Kernel, onCancel: (ctx: ReceiveContext) => void) {
    this.#kernel = kernel;
    this.#onCancel = onCancel;
  }

  get started(): boolean {
    return this.#started;
  }

  /** Throws INVALID_PIPELINE once the chains are composed. */
  expectNotStarted(what: string): void {
    if (!this.#started) return;
    throw new BusError('INVALID_PIPELINE', `${what} came after the bus had started`, {
      hint: 'Put the pipeline together before the first publish, push, request, subscribe, pull, respond or ready.',
    });
  }

  /** A middleware, of whatever it was given as. */
  named(given: Middleware | MiddlewareFunction): Middleware {
    if (typeof given !== 'function') {
      expectMiddleware(given);
      return given;
    }
    const name = given.name === '' ? `middleware-${String(++this.#generated)}` : given.name;
    return { name, stage: 'body', send: given, receive: given };
  }

  /** Puts a middleware at the end, or in the place of the one of that name. A stack that is refused stays as it was. */
  put(middleware: Middleware, replaces: string | undefined): void {
    const next = [...this.stack];
    const index = replaces === undefined ? -1 : next.findIndex(({ name }) => name === replaces);
    if (index >= 0) next[index] = middleware;
    else next.push(middleware);
    checkStack(next);
    this.stack.splice(0, this.stack.length, ...next);
  }

  start(): void {
    if (this.#started) return;
    // A pipeline that is half attached must not work half: every call learns what the first one did.
    if (this.#failure !== undefined) throw this.#failure.error;
    const kernel = this.#kernel;
    kernel.chains = this.#compose();
    kernel.admits = this.stack.flatMap((one) => (one.admit === undefined ? [] : [one.admit.bind(one)]));
    this.#started = true;
    const { serviceName, transport, clock, logger, counters, random, reporter } = kernel;
    const report = (error: unknown, ctx?: ReceiveContext | SendContext): void => {
      reporter.report(error, operationOf(ctx), 'a middleware reported a failure', { context: ctx });
    };
    const onFailure: MiddlewareHost['onFailure'] = (listener) => reporter.listen(listener);
    const { system, features } = transport;
    const { audience } = kernel;
    const { wire } = features;
    try {
      for (const one of this.stack) {
        one.attach?.({ serviceName, system, wire, audience, clock, logger, counters, random, report, onFailure });
        this.attached.push(one);
      }
    } catch (error) {
      this.#started = false;
      this.#failure = { error };
      throw error;
    }
  }

  /** Both chains, as they are or as they would be. */
  chains(): Chains {
    return this.#started ? this.#kernel.chains : this.#compose();
  }

  #compose(): Chains {
    const kernel = this.#kernel;
    const ends: ChainEnds = {
      stamp: (ctx) => {
        stamp(kernel, ctx);
      },
      send: (ctx) => {
        if (ctx.over !== undefined) throw ctx.over;
        return ctx.channel?.handOver(ctx);
      },
      receive: (ctx) => ctx.destination?.deliver(ctx),
      sendCancel: (ctx) => (ctx.channel as RequestChannel | undefined)?.cancelled(ctx),
      receiveCancel: this.#onCancel,
      late: (error, ctx) => {
        // The caller has been told this very error.
        if (ctx.direction === 'send' && ctx.over === error) return;
        kernel.reporter.report(error, operationOf(ctx), 'a middleware did not wait for next(), which failed', {
          context: ctx,
        });
      },
    };
    return buildChains(this.stack, ends);
  }
}

/** @throws TypeError */
function expectMiddleware(given: unknown): void {
  const { name, send, receive, admit, repeatable, attach, detach } = Object(given) as Record<string, unknown>;
  const methods = [send, receive, admit, repeatable, attach, detach];
  if (typeof name === 'string' && name !== '' && methods.every((one) => one === undefined || typeof one === 'function'))
    return;
  throw new TypeError(
    `Expected a middleware to be a function (ctx, next) or an object { name, stage, send?, receive?, ... }, got ${given === null ? 'null' : typeof given}`,
  );
}

function operationOf(
  ctx: ReceiveContext | SendContext | undefined,
): 'publish' | 'push' | 'subscribe' | 'pull' | 'request' | 'respond' {
  if (ctx === undefined) return 'publish';
  const sends = ctx.direction === 'send';
  switch (ctx.pattern) {
    case 'publish':
      return sends ? 'publish' : 'subscribe';
    case 'push':
      return sends ? 'push' : 'pull';
    case 'request':
      return sends ? 'request' : 'respond';
    case 'reply':
      return sends ? 'respond' : 'request';
  }
}
