/** Waiting for conditions, with a bound; handing packets over as the core's writer does. */
import assert from 'node:assert/strict';
import type { OutgoingPacket } from '../../../src/core/outgoing-packet.ts';
import type { PacketSink } from '../../../src/core/transport.ts';

/** Long enough for a machine with much else to do; nothing waits so long when it works. */
export const BOUND_MS = 8000;

/** So often in a row refused, a millisecond apart, a sink is taken to be stuck. */
const REFUSALS = 100;

/** One turn of the event loop and about a millisecond, for native threads. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Waits until the condition holds; fails, saying `what`, when it does not within the bound. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
  boundMs: number = BOUND_MS,
): Promise<void> {
  const end = performance.now() + boundMs;
  while (!condition()) {
    if (performance.now() > end) assert.fail(`Waited ${boundMs} ms for: ${typeof what === 'string' ? what : what()}`);
    await pause();
  }
}

/** Fails when the promise does not settle within the bound. */
export async function bounded<T>(promise: Promise<T>, what: string, boundMs: number = BOUND_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `Waited ${boundMs} ms for: ${what}` })),
      boundMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a `ready`, with a bound. */
export async function isReady(ready: (signal: AbortSignal) => Promise<void>, what: string): Promise<void> {
  await bounded(ready(new AbortController().signal), what);
}

/** Offers a packet until it is taken. */
export async function handOver(sink: PacketSink, packet: OutgoingPacket): Promise<void> {
  const start = performance.now();
  for (;;) {
    const waitedMs = performance.now() - start;
    if (await sink.trySend(packet, waitedMs)) return;
    if (waitedMs > BOUND_MS) assert.fail(`A packet was not taken within ${BOUND_MS} ms`);
    await pause();
  }
}

/** Offers packets until the sink takes no more; answers with how many it took. Fails when it takes `most`. */
export async function fill(
  sink: PacketSink,
  packetAt: (index: number) => OutgoingPacket,
  most: number,
): Promise<number> {
  for (let index = 0; index < most; index++) {
    const packet = packetAt(index);
    let refusals = 0;
    while (!(await sink.trySend(packet, 0))) {
      if (++refusals >= REFUSALS) return index;
      await pause();
    }
  }
  return assert.fail(`The sink took ${most} packets and never answered false`);
}

/** The answers to so many offers of one packet, some of them turns apart. */
export async function offers(sink: PacketSink, packet: OutgoingPacket, times: number): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (let index = 0; index < times; index++) {
    answers.push(await sink.trySend(packet, 0));
    if (index % 2 === 0) await pause();
  }
  return answers;
}

/** A receiver that stands still until it is opened. */
export class Gate {
  readonly #opened: Promise<void>;
  #open: () => void = () => {};

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  get opened(): Promise<void> {
    return this.#opened;
  }

  open(): void {
    this.#open();
  }
}
