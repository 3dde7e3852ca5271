/** Closing: stop intake, let handlers finish, flush the queues, close the sockets, say what was not delivered. */
import type { Channels } from './channels.ts';
import type { ClockTimer } from './clock.ts';
import { BusError } from './errors.ts';
import type { Kernel } from './kernel.ts';
import type { Middleware } from './middleware.ts';
import { LONGEST_MS } from './option-checks.ts';
import { RespondChannel } from './respond-channel.ts';

/** Options of `close()`. */
export interface CloseOptions {
  /** How long handlers may finish and queues may leave; `Infinity` is as long as it takes. @default 5000 */
  readonly timeoutMs?: number;
  /** After `timeoutMs` abort the `signal` of what still runs; `false` waits for it, however long. @default true */
  readonly cancelRunning?: boolean;
}

/** What `close()` could not do. */
export interface CloseReport {
  /** Messages that were queued or waiting and never reached a transport. */
  readonly undelivered: number;
  /** Handlers that were still running and had their signal aborted. */
  readonly cancelled: number;
  /** The undelivered ones by topic. */
  readonly byTopic: Readonly<Record<string, number>>;
}

/** Handlers that were aborted get this long to notice before the sockets go. */
const GRACE_MS = 50;

/** What is closed. */
export interface Closing {
  readonly kernel: Kernel;
  readonly channels: Channels;
  readonly stack: readonly Middleware[];
  /** The handlers are done: from now on nothing may be sent. */
  readonly onDrained: () => void;
}

/** Closes a bus. */
export async function shutDown(
  { kernel, channels, stack, onDrained }: Closing,
  { timeoutMs = 5000, cancelRunning = true }: CloseOptions,
): Promise<CloseReport> {
  const { clock } = kernel;
  const timers: ClockTimer[] = [];
  const after = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      // Without an end there is nothing to wait for, and what is longer than a timer takes would be over at once.
      if (ms !== Infinity) timers.push(clock.setTimeout(resolve, Math.min(ms, LONGEST_MS)));
    });
  const time = { isUp: false };
  const timeUp = after(timeoutMs).then(() => {
    time.isUp = true;
  });

  const receiving = channels.receiving;
  // Responders stay open for their replies; the others read no more.
  const silenced = receiving.map((one) => (one instanceof RespondChannel ? Promise.resolve() : one.keeper.close()));
  const drained = Promise.all(receiving.map((one) => one.drain()));
  const inTime = drained.then(() => true);
  const drainedInTime = await (cancelRunning ? Promise.race([inTime, timeUp.then(() => false)]) : inTime);
  let cancelled = 0;
  if (!drainedInTime) {
    const reason = new BusError('CANCELLED', 'the bus is closing');
    cancelled = receiving.reduce((sum, one) => sum + one.cancelRunning(reason), 0);
    await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, GRACE_MS))]);
  }
  onDrained();

  // Handlers may have used up the time; what they sent last still gets as long as any socket gets to leave.
  const flushed = time.isUp ? after(kernel.settings.closeLingerMs) : timeUp;
  const replying = receiving.filter((one) => one instanceof RespondChannel);
  const [left] = await Promise.all([
    Promise.all(channels.sending.map((one) => one.close(flushed))),
    ...replying.map((one) => one.replies.close(flushed)),
  ]);
  for (const timer of timers) clock.clearTimeout(timer);
  const lost = new Map<string, number>();
  let undelivered = 0;
  for (const [topic, count] of left.flatMap((one) => [...one])) {
    lost.set(topic, (lost.get(topic) ?? 0) + count);
    undelivered += count;
  }
  await Promise.all([...silenced, ...replying.map((one) => one.keeper.close())]);
  await detach(
    kernel,
    stack.filter(({ stage }) => stage !== 'observe'),
  );
  // Steps have ended what waits in them, which takes a turn to come through; whatever is still open is told.
  await nextTurn();
  kernel.deadlines.close();
  await nextTurn();
  // Those that observe go last: what came to its end just now is counted and told too.
  await detach(
    kernel,
    stack.filter(({ stage }) => stage === 'observe'),
  );
  kernel.reporter.close();
  return { undelivered, cancelled, byTopic: Object.fromEntries(lost) };
}

async function detach(kernel: Kernel, steps: readonly Middleware[]): Promise<void> {
  for (const one of steps) {
    try {
      await one.detach?.();
    } catch (error) {
      kernel.reporter.report(error, 'publish', `detaching the middleware "${one.name}" failed`);
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
