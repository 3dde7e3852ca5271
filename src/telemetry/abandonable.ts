/**
 * Work that a process need not stay for.
 *
 * An OTLP exporter tries again for about eight seconds when there is no collector, and waits ten for one that does not answer,
 * with timers and sockets that cannot be cancelled and keep the process alive. `shutdown` waits for a second; nobody should
 * then wait nine more for the process to end. So the timers and sockets that the shutdown itself brings about are unreferenced
 * as they are made (what was under way before is not, and may hold a process up for those seconds). An async hook tells of
 * them; it is costly, hence only while stopping, and touches nothing but this work's.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** A timer or a socket's handle; an agent that uses a socket again wraps the handle. */
interface Resource {
  readonly handle?: Resource;
  unref?(): void;
}

const inside = new AsyncLocalStorage<true>();

const hook = createHook({
  init(_id, type, _trigger, resource: Resource) {
    if ((type !== 'Timeout' && type !== 'TCPWRAP') || inside.getStore() === undefined) return;
    queueMicrotask(() => (resource.handle ?? resource).unref?.()); // not at once: it is still being made
  },
});

/** Runs `work`, whose timers and sockets do not keep the process alive; `work` may thus never settle. */
export async function abandonable(work: () => Promise<void>): Promise<void> {
  hook.enable();
  try {
    await inside.run(true, work);
  } finally {
    hook.disable();
  }
}
