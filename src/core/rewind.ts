/** Takes a message back to where it was before a repeating middleware first let it through. */
import type { ReceiveContext } from './receive-context.ts';
import type { SendContext } from './send-context.ts';

const EMPTY: Uint8Array = new Uint8Array(0);

/** Remembers an outgoing message; the answer restores it. */
export function rewindSend(ctx: SendContext): () => void {
  const { body } = ctx;
  const headers = ctx.headers.clone();
  return () => {
    ctx.body = body;
    ctx.headers = headers.clone();
    ctx.payload = EMPTY;
    ctx.reply = undefined;
    ctx.reached = false;
    ctx.ended = false;
  };
}

/** Remembers an incoming message; the answer restores it. */
export function rewindReceive(ctx: ReceiveContext): () => void {
  const { body } = ctx;
  return () => {
    ctx.body = body;
    ctx.reached = false;
    ctx.ended = false;
  };
}
