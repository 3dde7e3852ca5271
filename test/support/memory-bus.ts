/** Buses on the memory transport for tests of the core: quiet, recorded, closed when the test ends. */
import type { TestContext } from 'node:test';
import { Bus } from '../../src/core/bus.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { CloseOptions, CloseReport } from '../../src/core/shut-down.ts';
import type { Gap } from '../../src/core/gap-detector.ts';
import type { Logger } from '../../src/core/logger.ts';
import type { Middleware, MiddlewareFunction } from '../../src/core/middleware.ts';
import type { CoreBusOptions, Endpoints } from '../../src/core/options.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { memory } from '../../src/transports/memory.ts';
import { FakeClock, turns } from './fake-clock.ts';

/** One endpoint for each pattern, the same for every bus of a test. */
export const ENDPOINTS: Required<Endpoints> = {
  publish: { bind: 'memory://events' },
  subscribe: { connect: ['memory://events'] },
  push: { connect: ['memory://results'] },
  pull: { bind: 'memory://results' },
  request: { connect: ['memory://state'] },
  respond: { bind: 'memory://state' },
};

/** What a bus logs, one entry per line: the level, then the text without the name of the service. */
export class RecordingLogger implements Logger {
  readonly lines: string[] = [];

  debug(line: string): void {
    this.#note('debug', line);
  }

  info(line: string): void {
    this.#note('info', line);
  }

  warn(line: string): void {
    this.#note('warn', line);
  }

  error(line: string): void {
    this.#note('error', line);
  }

  /** The lines of these levels. */
  at(...levels: readonly string[]): string[] {
    return this.lines.filter((line) => levels.some((level) => line.startsWith(`${level} `)));
  }

  #note(level: string, line: string): void {
    this.lines.push(`${level} ${line.replace(/^\[tracebus [^\]]*\] /, '')}`);
  }
}

/** A failure that was given to `onError`. */
export interface Told {
  readonly error: Error;
  readonly context: ReceiveContext | SendContext | undefined;
}

/** A bus and what it told. */
export interface Rig {
  readonly bus: Bus;
  readonly logger: RecordingLogger;
  readonly told: Told[];
  readonly gaps: Gap[];
}

/** How a bus of a test is made. */
export interface RigOptions extends Partial<CoreBusOptions> {
  /** @default serialize() alone */
  readonly stack?: readonly (Middleware | MiddlewareFunction)[];
  /** How it is closed when the test ends, unless the test has. */
  readonly closing?: CloseOptions;
}

/** A core `Bus`, by default with its own memory transport, which reaches only itself. */
export function memoryBus(t: TestContext, options: RigOptions = {}): Rig {
  const { stack = [serialize()], closing = { timeoutMs: 0 }, ...rest } = options;
  const logger = new RecordingLogger();
  const told: Told[] = [];
  const gaps: Gap[] = [];
  const bus = new Bus({
    serviceName: 'test',
    transport: memory(),
    endpoints: ENDPOINTS,
    publish: true,
    logLevel: 'debug',
    logger,
    onError: (error, context) => void told.push({ error, context }),
    onGap: (gap) => void gaps.push(gap),
    ...rest,
  });
  for (const one of stack) bus.use(one);
  t.after(() => closed(bus, closing, rest.clock));
  return { bus, logger, told, gaps };
}

/** Closes a bus; a clock that stands still is moved for it. */
export async function closed(bus: Bus, options: CloseOptions, clock?: Clock): Promise<CloseReport> {
  const closing = bus.close(options);
  if (!(clock instanceof FakeClock)) return closing;
  const state = { isOpen: true };
  const done = (): void => {
    state.isOpen = false;
  };
  closing.then(done, done);
  while (state.isOpen) {
    await turns(1);
    clock.advance(10);
  }
  return closing;
}

/** The error code of a rejected promise, or `resolved`. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: unknown }).code ?? String(error),
  );
}

/** The codes of the failures that were given to `onError`. */
export function codesTold(told: readonly Told[]): unknown[] {
  return told.map(({ error }) => (error as { code?: unknown }).code);
}

/** A promise and what settles it. */
export interface Deferred<T = void> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A promise that the test settles. */
export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
