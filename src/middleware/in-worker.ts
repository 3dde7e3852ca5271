/**
 * Runs a handler in a pool of threads, for work that would hold up the event loop. A closure cannot move to a thread, so the
 * handler is a file of its own (JavaScript, as threads load it without any loader) whose default export gets what can cross.
 *
 * Not a middleware but a handler: it stands at the end of the chain, where the predecessor's thread pool stood. Body, topic and headers
 * cross by structured clone in both directions, which costs what it costs: from about a millisecond of work on it pays.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { BusError } from '../core/errors.ts';
import type { HeaderValue } from '../core/headers.ts';
import { amount, anObject, expectCount, optionsCheck, whole } from '../core/option-checks.ts';
import type { Message } from '../core/receive-context.ts';

/** What the default export of the worker file gets. */
export interface WorkerMessage<Body = unknown> {
  readonly body: Body;
  readonly topic: string;
  /** A plain object: the class does not cross. */
  readonly headers: Readonly<Record<string, HeaderValue>>;
}

/** Options of {@link inWorker}. */
export interface WorkerOptions {
  /** Threads that stay when there is nothing to do; from 1, or nobody would replace one that was stopped. @default 1 */
  readonly minThreads?: number;
  /** Threads at most. @default the number of processors */
  readonly maxThreads?: number;
  /** How long an idle thread above `minThreads` stays, in milliseconds. @default 30000 */
  readonly idleTimeoutMs?: number;
  /** Memory limits of each thread, as in `node:worker_threads`. @default those of the process */
  readonly resourceLimits?: ResourceLimits;
}

/** A handler with threads behind it. */
export interface WorkerHandler<Result = unknown> extends AsyncDisposable {
  /**
   * Resolves with what the worker's function returned and rejects with what it threw (message, stack and built-in class of an error
   * cross, properties of its own such as `code` do not), or, with its thread stopped, with CANCELLED when
   * the message's signal is aborted, with CLOSED after `close`, with UNSUPPORTED where piscina is not installed.
   */
  (message: Message): Promise<Result>;
  /** Waits for the work under way, then ends the threads. Without it they end with the process, which they do not keep alive. */
  close(): Promise<void>;
}

const checkOptions = optionsCheck({
  minThreads: whole(1),
  maxThreads: whole(1),
  idleTimeoutMs: amount,
  resourceLimits: anObject,
});

type PoolOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>;

/**
 * A handler that runs in threads; needs the package `piscina`, which is loaded with the first message.
 *
 * @param file the worker file: `export default function ({ body, topic, headers }) { ... }`
 * @example
 * ```ts
 * import { inWorker } from 'tracebus/middleware';
 *
 * bus.respond('prime.count', inWorker(new URL('./count-primes.js', import.meta.url), { maxThreads: 4 }));
 * ```
 */
export function inWorker<Result = unknown>(file: URL, options: WorkerOptions = {}): WorkerHandler<Result> {
  const filename = expectFile(file);
  checkOptions(options);
  const poolOptions = poolOptionsOf(options);
  const running = new Set<Promise<unknown>>();
  let opening: Promise<Piscina> | undefined;
  let closing: Promise<void> | undefined;

  const inWorker = async (message: Message): Promise<Result> => {
    const { topic } = message;
    if (closing !== undefined) throw new BusError('CLOSED', 'the threads of inWorker() are closed', { topic });
    const run = runIn((opening ??= openPool(poolOptions)), filename, message);
    running.add(run);
    try {
      return (await run) as Result;
    } finally {
      running.delete(run);
    }
  };

  const close = (): Promise<void> => (closing ??= closePool(opening, running));
  return Object.assign(inWorker, { close, [Symbol.asyncDispose]: close });
}

async function runIn(opening: Promise<Piscina>, filename: string, message: Message): Promise<unknown> {
  const pool = await opening;
  const { topic, signal } = message;
  const task: WorkerMessage = { body: copied(message.body), topic, headers: copiedHeaders(message.headers.toObject()) };
  try {
    // The file is named here and not to the pool: if it cannot be loaded, this message fails and not the process.
    return await pool.run(task, { filename, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new BusError('CANCELLED', 'its thread was stopped', { topic, cause: signal.reason });
  }
}

async function openPool(options: PoolOptions): Promise<Piscina> {
  const { Piscina: Pool } = await import('piscina').catch((cause: unknown) => {
    const hint = 'Install it: npm install piscina';
    throw new BusError('UNSUPPORTED', 'inWorker() needs the package piscina', { hint, cause });
  });
  const pool = new Pool(options);
  // What a thread throws outside of any message has no message to fail; unheard it would end the process.
  pool.on('error', (error: Error) => {
    process.emitWarning(error);
  });
  return pool;
}

/** Waits for everything itself: the pool's own `close` drops what is queued. */
async function closePool(opening: Promise<Piscina> | undefined, running: ReadonlySet<Promise<unknown>>): Promise<void> {
  await Promise.allSettled(running);
  const pool = await opening?.catch(() => undefined); // why there is none, the messages have been told
  await pool?.destroy();
}

function expectFile(file: unknown): string {
  if (file instanceof URL && file.protocol === 'file:') return fileURLToPath(file);
  throw new TypeError(
    `Expected \`file\` to be a file URL, as in new URL('./work.js', import.meta.url), got ${String(file)}`,
  );
}

function poolOptionsOf(options: WorkerOptions): PoolOptions {
  const { minThreads = 1, idleTimeoutMs = 30_000, resourceLimits } = options;
  const { maxThreads = Math.max(minThreads, availableParallelism()) } = options;
  expectCount('maxThreads', maxThreads, minThreads);
  return {
    minThreads,
    maxThreads,
    idleTimeout: idleTimeoutMs,
    ...(resourceLimits !== undefined && { resourceLimits }),
  };
}

/** A clone of a view clones all of the buffer behind it, here the whole packet. */
function copied<T>(value: T): T | Uint8Array {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}

function copiedHeaders(headers: Record<string, HeaderValue>): Record<string, HeaderValue> {
  for (const [name, value] of Object.entries(headers)) headers[name] = copied(value);
  return headers;
}
