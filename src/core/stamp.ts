/** The bus's own headers, set after the body has become bytes and before anything signs or encrypts. */
import type { Kernel } from './kernel.ts';
import type { SendContext } from './send-context.ts';

/** Published topics travel as a frame of their own; everything else carries its topic here. */
export function stamp(kernel: Kernel, ctx: SendContext): void {
  const { headers } = ctx;
  if (ctx.pattern === 'publish') {
    // With no other header, and nothing that seals them, the channel uses a block that was encoded once.
    if (headers.size > 0 || kernel.chains.sealsPayload) headers.set('sender', kernel.serviceName);
    return;
  }
  headers.set('topic', ctx.topic).set('sender', kernel.serviceName);
  if (ctx.correlation !== undefined) headers.set('correlation', ctx.correlation);
  if (ctx.pattern === 'request' && ctx.deadline !== undefined) {
    // A duration, never a wall clock: the two machines need not agree on the time.
    headers.set('timeout-ms', String(Math.max(0, Math.ceil(ctx.deadline - kernel.clock.now()))));
  }
}
