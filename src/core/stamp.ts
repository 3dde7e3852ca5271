/** The bus's own headers, set after the body has become bytes and before anything signs or encrypts. */
import type { Kernel } from './kernel.ts';
import { KIND_NUMBERS } from './kinds.ts';
import type { SendContext } from './send-context.ts';
import type { Slot } from './slot.ts';

/** Published topics travel as a frame of their own; everything else carries its topic here. */
export function stamp(kernel: Kernel, ctx: SendContext): void {
  const { headers } = ctx;
  if (ctx.pattern === 'publish') {
    // With no other header, and nothing that seals them, the channel uses a block that was encoded once.
    if (headers.size > 0 || kernel.chains.sealsPayload) headers.set('sender', kernel.serviceName);
    return;
  }
  const { topic, correlation } = ctx;
  const { deadline = Infinity } = ctx.pattern === 'request' ? ctx : {};
  headers.set('topic', topic).set('sender', kernel.serviceName);
  if (correlation !== undefined) headers.set('correlation', correlation);
  if (deadline !== Infinity) headers.set('timeout-ms', remaining(kernel, deadline));
}

/**
 * Brings the remaining time of a request up to date when its packet is made: it may have waited for its turn or for a peer. Where a
 * step has sealed the headers the time is that of its chain, and only the caller notices the difference.
 */
export function restamp(kernel: Kernel, { kind, deadline }: SendContext, slot: Slot): void {
  const { headers } = slot;
  if (
    kind !== 'request' ||
    deadline === undefined ||
    deadline === Infinity ||
    kernel.chains.sealsPayload ||
    headers.frozen
  )
    return;
  const now = remaining(kernel, deadline);
  if (headers.get('timeout-ms') === now) return;
  slot.headerBlock = headers.set('timeout-ms', now).encode(KIND_NUMBERS.request);
}

/** A duration, never a wall clock: the two machines need not agree on the time. */
function remaining({ clock }: Kernel, deadline: number): string {
  return String(Math.max(0, Math.ceil(deadline - clock.now())));
}
