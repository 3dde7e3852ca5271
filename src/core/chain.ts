/**
 * Puts middleware together into the chains of a bus: checks the stack, orders it by stage and rank, and links it (compose.ts), once
 * per direction. The contract of a step is in middleware.ts.
 *
 * A linked step may call `next()` once. A middleware that repeats is therefore given a `next` of its own, which runs the steps inside
 * it from the message as it was: else the second attempt would encrypt what the first encrypted.
 */
import { ending, link } from './compose.ts';
import type { Unwaited } from './compose.ts';
import { DONE } from './done.ts';
import { BusError } from './errors.ts';
import type { Middleware, Next } from './middleware.ts';
import { judging, marking, settling } from './next-contract.ts';
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
  end: (ctx: C) => Promise<void>,
  rewind: (ctx: C) => () => void,
  late: ChainEnds['late'],
): Run<C> {
  // Every step that the failure passes is told of it; the application is once.
  const last = new WeakMap<C, unknown>();
  const unwaited = (error: unknown, ctx: C): void => {
    if ((!ctx.settled && !ctx.forgotten) || ctx.doubled || (last.has(ctx) && last.get(ctx) === error)) return;
    last.set(ctx, error);
    late(error, ctx);
  };
  let inner = ending(end);
  let isJudged = true;
  for (const { run, middleware } of [...steps].reverse()) {
    const isTrusted = middleware === undefined || middleware.awaitsNext === true;
    if (isTrusted && !isJudged) inner = link(judging, inner);
    isJudged = isTrusted;
    const told = isTrusted ? undefined : unwaited;
    const attempt = middleware?.repeatable === undefined ? undefined : attempting(inner, rewind, told);
    inner = link(attempt === undefined ? run : repeating(run, middleware, attempt), inner, told);
  }
  return inner;
}

/** What a repeating step runs in place of `next`: the rest of the chain, from the message as it was when this was first called. */
type Attempts<C> = (ctx: C) => Next;

function repeating<C extends ReceiveContext | SendContext>(
  step: Step<C>,
  middleware: Middleware | undefined,
  attempts: Attempts<C>,
): Step<C> {
  // Not every message of a repeating middleware is repeated: the others go the usual way, and but once.
  return (ctx, next) => step(ctx, middleware?.repeatable?.(ctx) === true ? attempts(ctx) : next);
}

function attempting<C extends ReceiveContext | SendContext>(
  rest: Run<C>,
  rewind: (ctx: C) => () => void,
  unwaited: Unwaited<C> | undefined,
): Attempts<C> {
  return (ctx) => {
    let toStart: (() => void) | undefined;
    return () => {
      // What the step itself has set before its first next() (a message id) belongs to every attempt.
      if (toStart === undefined) toStart = rewind(ctx);
      else toStart();
      const running = rest(ctx);
      if (running === DONE) return DONE;
      const attempt = leavingQueue(ctx, running);
      if (unwaited !== undefined) {
        attempt.catch((error: unknown) => {
          unwaited(error, ctx);
        });
      }
      return attempt;
    };
  };
}

/** A message that will be repeated, or never be sent, must not keep its place: the ones behind it would wait too. */
function leavingQueue(ctx: ReceiveContext | SendContext, running: Promise<void>): Promise<void> {
  // What has left its place has none to leave when it fails.
  if (ctx.direction === 'receive' || ctx.slot === undefined) return running;
  return running.catch((error: unknown) => {
    ctx.slot?.release();
    ctx.slot = undefined;
    throw error;
  });
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
