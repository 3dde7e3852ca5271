/** `ready()`: waits until everything that a bus has opened works, and says what does not when the time is up. */
import type { Clock } from './clock.ts';
import { BusError, messageOf } from './errors.ts';
import { LONGEST_MS } from './option-checks.ts';

const NO_PEER = 'Start the peers of these endpoints, or check host and port on both sides.';

/** One thing to wait for. */
export interface Wanted {
  /** As the error names it: pattern and endpoint. */
  readonly what: string;
  readonly wait: (signal: AbortSignal) => Promise<void>;
  /** What it has met so far, for when the time is up. */
  readonly met?: () => unknown;
  /** What else to check; see `Transport`. */
  readonly hint?: string | undefined;
}

/** Resolves when all have. @throws BusError NOT_READY naming the rest, UNSUPPORTED, ABORTED */
export async function allReady(
  wanted: readonly Wanted[],
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stop = new AbortController();
  const missing = new Map<string, unknown>();
  const late = new Error('no answer yet');
  const end = (): void => {
    stop.abort(late);
  };
  // What is longer than a timer takes would be over at once.
  const timer = timeoutMs === Infinity ? undefined : clock.setTimeout(end, Math.min(timeoutMs, LONGEST_MS));
  const onAbort = (): void => {
    stop.abort(new BusError('ABORTED', 'ready() was ended by its caller', { cause: signal?.reason }));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  let fatal: BusError | undefined;
  try {
    await Promise.all(
      wanted.map(async ({ what, wait, met }) => {
        try {
          await untilAborted(wait(stop.signal), stop.signal);
        } catch (error) {
          missing.set(what, (error === late ? met?.() : undefined) ?? error);
          if (error instanceof BusError && (error.code === 'UNSUPPORTED' || error.code === 'ABORTED')) fatal ??= error;
        }
      }),
    );
  } finally {
    if (timer !== undefined) clock.clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
  }
  if (fatal !== undefined) throw fatal;
  if (missing.size === 0) return;
  throw notReady(wanted, missing, timeoutMs);
}

/** What is missing has failed, and says itself what to do; or its peer has not come. */
function notReady(wanted: readonly Wanted[], missing: ReadonlyMap<string, unknown>, limitMs: number): BusError {
  const list = [...missing].map(([what, why]) => `${what}: ${withoutHint(why)}`).join('; ');
  const reasons = [...missing.values()];
  const failures = reasons.filter((why) => why instanceof BusError);
  const own = reasons.map((why) => (why instanceof BusError ? why.hint : undefined) ?? NO_PEER);
  const further = wanted.flatMap(({ what, hint }) => (hint !== undefined && missing.has(what) ? hint : []));
  return new BusError('NOT_READY', `not ready: ${list}`, {
    limitMs,
    hint: [...new Set([...own, ...further])].join(' '),
    retryable: failures.every(({ retryable, code }) => retryable || code === 'COOLING_DOWN'),
    cause: failures[0],
  });
}

/** Hints are told once, at the end. */
function withoutHint(why: unknown): string {
  const message = messageOf(why);
  if (!(why instanceof BusError)) return message;
  const { hint = '' } = why;
  return (hint !== '' && message.endsWith(hint) ? message.slice(0, -hint.length) : message).replace(/\.\s*$/, '');
}

/** A transport that ignores the signal must not make ready() hang. */
async function untilAborted(waiting: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  waiting.catch(() => undefined);
  try {
    await Promise.race([waiting, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
