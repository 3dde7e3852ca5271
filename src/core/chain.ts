/**
 * Puts middleware together into the chains of a bus: checks the stack, orders it by stage and rank, and composes it with
 * koa-compose, once per direction. The contract of a step is in middleware.ts.
 *
 * koa-compose lets `next()` be called once. A middleware that repeats is therefore given a `next` of its own, which runs the
 * steps inside it, composed separately, from the message as it was: else the second attempt would encrypt what the first encrypted.
 */
import compose from 'koa-compose';
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import type { Middleware, Next } from './middleware.ts';
import { guarded, judging, marking, misuse, settling } from './next-contract.ts';
import type { Run, Step } from './next-contract.ts';
import type { ReceiveContext } from './receive-context.ts';
import { rewindReceive, rewindSend } from './rewind.ts';
import type { SendContext } from './send-context.ts';
import { checkStack, receiveOrder, sendOrder } from './stack.ts';

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
  readonly late: (error: unknown, ctx: ReceiveContext | SendContext) => void;
}

/** The composed chains of one bus. */
export interface Chains {
  /** Who runs it judges how it has ended (next-contract.ts). */
  readonly send: Run<SendContext>;
  readonly receive: Run<ReceiveContext>;
  readonly sendCancel: Run<SendContext>;
  readonly receiveCancel: Run<ReceiveContext>;
  /** A step looks at the bytes of outgoing messages: headers must be complete before it. */
  readonly sealsPayload: boolean;
  /** A step lets authentic messages alone through: trust begins after it. */
  readonly verifiesPayload: boolean;
  readonly serializes: boolean;
  /** Every step promises that it awaits or returns `next()`, and the built-in ones that nothing slow comes after it. */
  readonly awaitsNext: boolean;
  /** The names of the steps in the order in which they run. */
  readonly sendNames: readonly string[];
  readonly receiveNames: readonly string[];
}

/** The step that sets the bus's own headers, as `describe()` shows it. */
const HEADERS_STEP = '(headers)';

/** Composes the chains. */
export function buildChains(stack: readonly Middleware[], ends: ChainEnds): Chains {
  checkStack(stack);
  const sending = sendOrder(stack);
  const receiving = receiveOrder(stack);
  const serializes = stack.some((one) => one.stage === 'serialize');

  const sendSteps: SendStep[] = [];
  for (const one of sending.filter(({ stage }) => stage !== 'payload')) sendSteps.push(...sendStep(one));
  if (!serializes) sendSteps.push({ name: '(bytes)', run: bytesOut });
  const sealing = sending.filter(({ stage }) => stage === 'payload').flatMap(sendStep);
  const sendNames = [...sendSteps.map(nameOf), HEADERS_STEP, ...sealing.map(nameOf)];
  // With nothing behind them, the headers need no step of their own.
  if (sealing.length > 0) {
    const stamp: Step<SendContext> = (ctx, next) => {
      ends.stamp(ctx);
      return next();
    };
    sendSteps.push({ name: HEADERS_STEP, run: stamp }, ...sealing);
  }

  const verifying = receiving.filter(({ stage }) => stage === 'payload').flatMap(receiveStep);
  const receiveSteps = receiving.flatMap((one) => receiveStep(one));
  if (!serializes) receiveSteps.splice(indexAfterContext(receiving), 0, { name: '(bytes)', run: bytesIn });

  const sendEnd = marking((ctx: SendContext) => {
    if (sealing.length === 0) ends.stamp(ctx);
    return ends.send(ctx);
  });
  const receiveEnd = marking((ctx: ReceiveContext) => ends.receive(ctx));
  return {
    send: composeSteps(sendSteps, sendEnd, rewindSend, ends.late),
    receive: settling(composeSteps(receiveSteps, receiveEnd, rewindReceive, ends.late)),
    sendCancel: composeSteps(
      sealing,
      marking((ctx) => ends.sendCancel(ctx)),
      rewindSend,
      ends.late,
    ),
    receiveCancel: composeSteps(
      verifying,
      marking((ctx) => {
        ends.receiveCancel(ctx);
        return undefined;
      }),
      rewindReceive,
      ends.late,
    ),
    sealsPayload: sealing.length > 0,
    verifiesPayload: receiving.some((one) => one.receive !== undefined && one.verifies === true),
    serializes,
    awaitsNext: stack.every((one) => one.send === undefined || one.awaitsNext === true),
    sendNames,
    receiveNames: ['(admit)', ...receiveSteps.map(nameOf)],
  };
}

interface NamedStep<C> {
  readonly name: string;
  readonly run: Step<C>;
  readonly middleware?: Middleware;
}
type SendStep = NamedStep<SendContext>;
type ReceiveStep = NamedStep<ReceiveContext>;

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function sendStep(middleware: Middleware): SendStep[] {
  if (middleware.send === undefined) return [];
  return [{ name: middleware.name, run: middleware.send.bind(middleware), middleware }];
}

function receiveStep(middleware: Middleware): ReceiveStep[] {
  if (middleware.receive === undefined) return [];
  return [{ name: middleware.name, run: middleware.receive.bind(middleware), middleware }];
}

function indexAfterContext(receiving: readonly Middleware[]): number {
  return receiving.filter((one) => one.receive !== undefined && one.stage !== 'body').length;
}

/** Composes from the inside out, so that a repeating step holds everything inside it. */
function composeSteps<C extends ReceiveContext | SendContext>(
  steps: readonly NamedStep<C>[],
  end: Step<C>,
  rewind: (ctx: C) => () => void,
  late: ChainEnds['late'],
): Run<C> {
  let inner: Step<C>[] = [end];
  let isJudged = true;
  for (const { run, middleware } of [...steps].reverse()) {
    const repeats = middleware?.repeatable !== undefined;
    const isTrusted = middleware === undefined || middleware.awaitsNext === true;
    if (isTrusted && !isJudged) inner = [judging, ...inner];
    isJudged = isTrusted;
    const step = isTrusted ? run : guarded(run, repeats, late);
    inner = repeats ? [repeating(step, middleware, inner, rewind), ...inner] : [step, ...inner];
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
  return (ctx, next) => {
    if (middleware.repeatable?.(ctx) !== true) return step(ctx, once(ctx, next));
    let toStart: (() => void) | undefined;
    return step(ctx, () => {
      // What the step itself has set before its first next() (a message id) belongs to every attempt.
      if (toStart === undefined) toStart = rewind(ctx);
      else toStart();
      const running = run(ctx);
      // What has left its place has none to leave when it fails.
      if (running === DONE || ctx.direction === 'receive' || ctx.slot === undefined) return running;
      return running.catch((error: unknown) => {
        leaveQueue(ctx);
        throw error;
      });
    });
  };
}

/** Not every message of a repeating middleware is repeated: the others go the usual way, and but once. */
function once(ctx: ReceiveContext | SendContext, next: Next): Next {
  let calls = 0;
  return () => {
    if (calls++ === 0) return next();
    ctx.doubled = true;
    return Promise.reject(misuse(ctx));
  };
}

/** A message that will be repeated, or never be sent, must not keep its place: the ones behind it would wait too. */
function leaveQueue(ctx: SendContext): void {
  ctx.slot?.release();
  ctx.slot = undefined;
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
