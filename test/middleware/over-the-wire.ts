/**
 * One message through the send steps of some middleware, over the wire format, and through the receive steps of others, by hand: so a test
 * can change any byte in between. The bus's own part is played as `stamp` and the channels do it.
 */
import { MessageHeaders } from '../../src/core/headers.ts';
import type { HeaderValue } from '../../src/core/headers.ts';
import { KIND_NUMBERS, KINDS_BY_NUMBER } from '../../src/core/kinds.ts';
import type { Kind, MessagePattern } from '../../src/core/kinds.ts';
import type { Middleware, MiddlewareHost } from '../../src/core/middleware.ts';
import { decodePacket, encodePacket } from '../../src/core/packet.ts';
import { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { done, sendContext } from './contexts.ts';
import { middlewareHost } from './middleware-host.ts';

/** What travels, apart from the topic frame. */
export interface Travelling {
  readonly topic: string;
  readonly pattern: MessagePattern;
  readonly headerBlock: Buffer;
  readonly payload: Buffer;
}

export interface Outgoing {
  readonly topic?: string;
  readonly pattern?: MessagePattern;
  readonly kind?: Kind;
  readonly headers?: Readonly<Record<string, HeaderValue>>;
  readonly payload?: Uint8Array;
  readonly request?: ReceiveContext;
  readonly correlation?: string;
  readonly endpoint?: string;
}

/** Starts middleware as a bus of this audience would. */
export function started<T extends Middleware>(middleware: T, host: Partial<MiddlewareHost> = {}): T {
  middleware.attach?.(middlewareHost({ audience: 'demo', ...host }));
  return middleware;
}

/** The context of an outgoing message with the headers that the bus sets. */
export function outgoing({ payload = Buffer.from('{"a":1}'), headers = {}, ...init }: Outgoing = {}): SendContext {
  const ctx = sendContext({ ...init, headers: { sender: 'svc-a', ...headers } });
  ctx.payload = payload;
  return ctx;
}

/** Runs the send steps, outermost first, and encodes. */
export async function sent(steps: readonly Middleware[], ctx: SendContext = outgoing()): Promise<Travelling> {
  for (const step of steps) await step.send?.(ctx, done);
  const { topic, pattern, kind } = ctx;
  return {
    topic,
    pattern,
    headerBlock: Buffer.from(ctx.headers.encode(KIND_NUMBERS[kind])),
    payload: Buffer.from(ctx.payload),
  };
}

/** The context of what has travelled; throws PacketError where it is no packet any more. */
export function arrived(message: Travelling, init: { socket?: object; request?: SendContext } = {}): ReceiveContext {
  const frames = encodePacket([message], { epoch: 7, firstSequence: 1, sentAtUs: 1 });
  const record = decodePacket(frames).records[0]!;
  return new ReceiveContext({
    pattern: message.pattern,
    kind: KINDS_BY_NUMBER[record.kind]!,
    topic: message.topic,
    headers: record.headers,
    payload: record.payload,
    endpoint: 'memory://test',
    epoch: 7,
    sequence: 1,
    sentAtUs: 1,
    receivedAt: 0,
    ...init,
  });
}

/** Runs the receive steps, given outermost first as on the way out. */
export async function received(steps: readonly Middleware[], ctx: ReceiveContext): Promise<ReceiveContext> {
  for (const step of [...steps].reverse()) await step.receive?.(ctx, done);
  return ctx;
}

/** `ok`, or the code that the message was refused with. */
export async function verdict(
  steps: readonly Middleware[],
  message: Travelling,
  init: { socket?: object; request?: SendContext } = {},
): Promise<string> {
  try {
    await received(steps, arrived(message, init));
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

/** The headers of a block, changed, as a block. */
export function withHeaders(block: Buffer, change: (headers: MessageHeaders) => void): Buffer {
  const headers = MessageHeaders.fromBlock(block).clone();
  change(headers);
  return Buffer.from(headers.encode(block[0]!));
}
