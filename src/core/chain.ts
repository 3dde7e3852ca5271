/**
 * Puts middleware together into the chains of a bus: checks the stack, orders it by stage and rank, and composes it with
 * koa-compose, once per direction. The contract of a step is in middleware.ts.
 *
 * koa-compose lets `next()` be called once. A middleware that repeats is therefore given a `next` of its own, which runs the
 * steps inside it, composed separately, from the message as it was: else the second attempt would encrypt what the first encrypted.
 */
import compose from 'koa-compose';
import { BusError } from './errors.ts';
import type { Middleware, Next } from './middleware.ts';
import { RECEIVE_STAGES, SEND_STAGES } from './middleware.ts';
import type { ReceiveContext } from './receive-context.ts';
import { rewindReceive, rewindSend } from './rewind.ts';
import type { SendContext } from './send-context.ts';

type Step<C> = (ctx: C, next: Next) => unknown;
type Run<C> = (ctx: C) => Promise<void>;

/** What the bus adds to the user's steps. */
export interface ChainEnds {
  /** Sets the bus's own headers, after serializing and before the payload stage. */
  stamp(ctx: SendContext): void;
  /** The end of the way out: the queue of the endpoint. */
  send(ctx: SendContext): Promise<void> | undefined;
  /** The end of the way in: the handlers. */
  receive(ctx: ReceiveContext): Promise<void> | undefined;
  /** The end of the way out and in for cancels, which pass the payload stage alone. */
  sendCancel(ctx: SendContext): Promise<void> | undefined;
  receiveCancel(ctx: ReceiveContext): void;
  /** An error that came after its chain had settled. */
  late(error: unknown, ctx: ReceiveContext | SendContext): void;
}

/** The composed chains of one bus. */
export interface Chains {
  readonly send: Run<SendContext>;
  readonly receive: Run<ReceiveContext>;
  readonly sendCancel: Run<SendContext>;
  readonly receiveCancel: Run<ReceiveContext>;
  /** A step looks at the bytes of outgoing (incoming) messages: headers must be complete before it, trust begins after it. */
  readonly sealsPayload: boolean;
  readonly verifiesPayload: boolean;
  readonly serializes: boolean;
  /** The names of the steps in the order in which they run. */
  readonly sendNames: readonly string[];
  readonly receiveNames: readonly string[];
}

/** Where the built-in payload steps stand, whatever the order of `use`; a user's own stand innermost. */
const PAYLOAD_RANKS: ReadonlyMap<string, number> = new Map([
  ['compress', 10],
  ['encrypt', 20],
  ['sign', 30],
]);
const USER_RANK = 100;

/** @throws BusError INVALID_PIPELINE that names the middleware and says what to do */
export function checkStack(stack: readonly Middleware[]): void {
  const names = new Set<string>();
  let serializer: string | undefined;
  for (const { name, stage, repeatable } of stack) {
    if (names.has(name)) throw invalid(`Two middleware are named "${name}"`, 'Give each a name of its own.');
    names.add(name);
    if (!SEND_STAGES.includes(stage)) {
      throw invalid(`Middleware "${name}" has the unknown stage "${String(stage)}"`, `Stages are ${SEND_STAGES.join(', ')}.`);
    }
    if (stage === 'serialize') {
      if (serializer !== undefined) {
        throw invalid(`"${serializer}" and "${name}" both serialize`, 'Keep one; a Codec that combines them is one.');
      }
      serializer = name;
    }
    if (repeatable !== undefined && stage !== 'body') {
      throw invalid(
        `Middleware "${name}" repeats at stage "${stage}"`,
        'Repeat at stage body: from there every later stage runs afresh for each attempt.',
      );
    }
  }
}

/** Composes the chains. */
export function buildChains(stack: readonly Middleware[], ends: ChainEnds): Chains {
  checkStack(stack);
  const sending = ordered(stack, SEND_STAGES);
  // The mirror: within a stage, what was used last is undone first.
  const receiving = RECEIVE_STAGES.flatMap((stage) => sending.filter((one) => one.stage === stage).reverse());
  const serializes = stack.some((one) => one.stage === 'serialize');

  const sendSteps: SendStep[] = [];
  for (const one of sending.filter(({ stage }) => stage !== 'payload')) sendSteps.push(...sendStep(one));
  if (!serializes) sendSteps.push({ name: '(bytes)', run: bytesOut });
  sendSteps.push({ name: '(headers)', run: (ctx, next) => (ends.stamp(ctx), next()) });
  const sealing = sending.filter(({ stage }) => stage === 'payload').flatMap(sendStep);
  sendSteps.push(...sealing);

  const verifying = receiving.filter(({ stage }) => stage === 'payload').flatMap(receiveStep);
  const receiveSteps = receiving.flatMap((one) => receiveStep(one));
  if (!serializes) receiveSteps.splice(indexAfterContext(receiving), 0, { name: '(bytes)', run: bytesIn });

  const sendEnd = marking((ctx: SendContext) => ends.send(ctx));
  const receiveEnd = marking((ctx: ReceiveContext) => ends.receive(ctx));
  return {
    send: settling(composeSteps(sendSteps, sendEnd, rewindSend, ends)),
    receive: settling(composeSteps(receiveSteps, receiveEnd, rewindReceive, ends)),
    sendCancel: composeSteps(sealing, (ctx) => ends.sendCancel(ctx), rewindSend, ends),
    receiveCancel: composeSteps(verifying, (ctx) => { ends.receiveCancel(ctx); }, rewindReceive, ends),
    sealsPayload: sealing.length > 0,
    verifiesPayload: verifying.length > 0,
    serializes,
    sendNames: sendSteps.map(({ name }) => name),
    receiveNames: ['(admit)', ...receiveSteps.map(({ name }) => name)],
  };
}

interface NamedStep<C> {
  readonly name: string;
  readonly run: Step<C>;
  readonly middleware?: Middleware;
}
type SendStep = NamedStep<SendContext>;
type ReceiveStep = NamedStep<ReceiveContext>;

function sendStep(middleware: Middleware): SendStep[] {
  const { name, send } = middleware;
  return send === undefined ? [] : [{ name, run: send.bind(middleware), middleware }];
}

function receiveStep(middleware: Middleware): ReceiveStep[] {
  const { name, receive } = middleware;
  return receive === undefined ? [] : [{ name, run: receive.bind(middleware), middleware }];
}

function indexAfterContext(receiving: readonly Middleware[]): number {
  const before = receiving.filter(({ stage, receive }) => receive !== undefined && stage !== 'body');
  return before.length;
}

function ordered(stack: readonly Middleware[], stages: readonly string[]): Middleware[] {
  return stages.flatMap((stage) => {
    const group = stack.filter((one) => one.stage === stage);
    // Array.prototype.sort is stable: equal ranks keep the order of use.
    return stage === 'payload' ? group.sort((a, b) => rankOf(a) - rankOf(b)) : group;
  });
}

function rankOf({ name }: Middleware): number {
  return PAYLOAD_RANKS.get(name) ?? USER_RANK;
}

/** Composes from the inside out, so that a repeating step holds everything inside it. */
function composeSteps<C extends ReceiveContext | SendContext>(
  steps: readonly NamedStep<C>[],
  end: Step<C>,
  rewind: (ctx: C) => () => void,
  ends: ChainEnds,
): Run<C> {
  let inner: Step<C>[] = [end];
  for (const { run, middleware } of [...steps].reverse()) {
    const repeats = middleware?.repeatable !== undefined;
    const step = middleware === undefined || middleware.awaitsNext === true ? run : guarded(run, repeats, ends);
    inner = repeats ? [repeating(step, middleware, inner, rewind)] : [step, ...inner];
  }
  const composed = compose(inner);
  return (ctx) => composed(ctx);
}

function repeating<C extends ReceiveContext | SendContext>(
  step: Step<C>,
  middleware: Middleware,
  inside: readonly Step<C>[],
  rewind: (ctx: C) => () => void,
): Step<C> {
  const run = compose(inside);
  return (ctx) => {
    if (middleware.repeatable?.(ctx) !== true) {
      let calls = 0;
      return step(ctx, () => {
        if (calls++ === 0) return run(ctx);
        ctx.doubled = true;
        return Promise.reject(misuse(ctx));
      });
    }
    let toStart: (() => void) | undefined;
    return step(ctx, async () => {
      // What the step itself has set before its first next() (a message id) belongs to every attempt.
      if (toStart === undefined) toStart = rewind(ctx);
      else toStart();
      try {
        await run(ctx);
      } catch (error) {
        leaveQueue(ctx);
        throw error;
      }
    });
  };
}

/** A message that will be repeated, or never be sent, must not keep its place: the ones behind it would wait too. */
function leaveQueue(ctx: ReceiveContext | SendContext): void {
  if (ctx.direction === 'receive') return;
  ctx.slot?.release();
  ctx.slot = undefined;
}

/** Notes on the context how far the message came, which is how a step that forgot `next()` or its promise is found out. */
function marking<C extends ReceiveContext | SendContext>(end: (ctx: C) => Promise<void> | undefined): Step<C> {
  return (ctx) => {
    // The call has been rejected or the message counted as dropped: neither may happen after all.
    if (ctx.settled) throw misuse(ctx);
    ctx.reached = true;
    ctx.ended = false;
    let result: Promise<void> | undefined;
    try {
      result = end(ctx);
    } catch (error) {
      ctx.ended = true;
      throw error;
    }
    if (result === undefined) {
      ctx.ended = true;
      return undefined;
    }
    return result.finally(() => {
      ctx.ended = true;
    });
  };
}

/** A step that forgets the promise of `next()` must neither end the process nor hide the failure. */
function guarded<C extends ReceiveContext | SendContext>(step: Step<C>, repeats: boolean, ends: ChainEnds): Step<C> {
  return (ctx, next) => {
    let calls = 0;
    return step(ctx, () => {
      if (++calls > 1 && !repeats) ctx.doubled = true;
      const rest = next();
      rest.catch((error: unknown) => {
        if (ctx.settled && !ctx.doubled) ends.late(error, ctx);
      });
      return rest;
    });
  };
}

/** Turns a broken contract into MIDDLEWARE_MISUSE, and marks the end of the chain. */
function settling<C extends ReceiveContext | SendContext>(run: Run<C>): Run<C> {
  return async (ctx) => {
    try {
      await run(ctx);
      if (!ctx.ended || ctx.doubled) throw misuse(ctx);
    } catch (error) {
      throw ctx.doubled && !(error instanceof BusError) ? misuse(ctx, error) : error;
    } finally {
      ctx.settled = true;
    }
  };
}

function misuse(ctx: ReceiveContext | SendContext, cause?: unknown): BusError {
  const { topic, endpoint } = ctx;
  if (ctx.doubled) {
    const hint = 'Call it once, or declare the middleware repeatable.';
    return new BusError('MIDDLEWARE_MISUSE', 'a middleware called next() twice', { topic, endpoint, hint, cause });
  }
  const what = ctx.settled
    ? 'a middleware called next() after its chain had ended'
    : ctx.reached
      ? 'a middleware did not wait for next()'
      : 'a middleware returned without calling next()';
  const hint = 'Return or await next(); to refuse a message throw an error.';
  return new BusError('MIDDLEWARE_MISUSE', what, { topic, endpoint, hint, cause });
}

function invalid(what: string, hint: string): BusError {
  return new BusError('INVALID_PIPELINE', what, { hint });
}

function bytesOut(ctx: SendContext, next: Next): Promise<void> {
  if (ctx.body instanceof Uint8Array) ctx.payload = ctx.body;
  else if (ctx.body !== undefined) {
    throw new BusError('INVALID_BODY', `the stack has no serializer and the body is a ${typeof ctx.body}`, {
      topic: ctx.topic,
      hint: 'Send a Uint8Array, or use(serialize()).',
    });
  }
  return next();
}

function bytesIn(ctx: ReceiveContext, next: Next): Promise<void> {
  ctx.body = ctx.payload;
  return next();
}
