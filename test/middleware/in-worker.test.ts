import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BusError } from '../../src/core/errors.ts';
import { inWorker } from '../../src/middleware/in-worker.ts';
import type { WorkerOptions } from '../../src/middleware/in-worker.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { receiveContext } from './contexts.ts';
import { memoryBus, until } from './memory-bus.ts';

const file = new URL('./fixtures/worker.js', import.meta.url);
const isCode = (code: string) => (error: unknown) => error instanceof BusError && error.code === code;
const job = (topic: string, body?: unknown): ReturnType<typeof receiveContext> => receiveContext({ topic, body });

/** Two numbers that threads share with the test: how many have begun, and whether they may go. */
function flag(): { shared: SharedArrayBuffer; begun: () => number; letGo: () => void } {
  const shared = new SharedArrayBuffer(8);
  const numbers = new Int32Array(shared);
  const letGo = (): void => {
    Atomics.store(numbers, 1, 1);
    Atomics.notify(numbers, 1);
  };
  return { shared, begun: () => Atomics.load(numbers, 0), letGo };
}

/** Runs fixtures/one-message.ts in a process of its own; one that does not end by itself is killed and fails. */
async function oneMessage(...flags: readonly string[]): Promise<{ exitCode: number | null; output: string[] }> {
  const script = fileURLToPath(new URL('./fixtures/one-message.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...flags], { stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [exitCode] = (await once(child, 'close')) as [number | null];
  clearTimeout(deadline);
  return { exitCode, output: output.trim().split('\n') };
}

test('body, topic and headers cross into a thread, and the result comes back', async () => {
  await using handler = inWorker(file);
  const ctx = receiveContext({ topic: 'describe', body: { list: [1, null], at: new Date(0) }, headers: { kind: 'x' } });
  assert.deepEqual(await handler(ctx), {
    body: { list: [1, null], at: new Date(0) },
    topic: 'describe',
    headers: { kind: 'x' },
    isMainThread: false,
    plain: true,
  });
});

test('bytes cross alone, without the packet they are a view of', async () => {
  await using handler = inWorker(file);
  const packet = new Uint8Array(50_000);
  const ctx = receiveContext({
    topic: 'sizes',
    body: packet.subarray(10, 20),
    headers: { bind: packet.subarray(0, 3) },
  });
  assert.deepEqual(await handler(ctx), [10, 3]);
});

test('an error of the worker comes back with its message and its stack, and a built-in one with its class', async () => {
  await using handler = inWorker(file);
  await assert.rejects(handler(job('fail')), (error: unknown) => {
    assert.ok(error instanceof RangeError);
    assert.equal(error.message, 'no such line');
    assert.match(error.stack ?? '', /worker\.js/);
    return true;
  });
});

test('an abort stops the thread, even in an endless loop, and what is queued behind it still runs', async () => {
  await using handler = inWorker(file, { maxThreads: 1 });
  const { shared, begun } = flag();
  const ctx = job('spin', { shared });
  const spinning = handler(ctx);
  const queued = handler(job('thread'));
  await until(() => begun() === 1);
  ctx.cancel('enough');
  await assert.rejects(spinning, (error: unknown) => isCode('CANCELLED')(error) && (error as Error).cause === 'enough');
  assert.equal(typeof (await queued), 'number');
});

test('an abort before its turn takes a message out of the queue', async () => {
  await using handler = inWorker(file, { maxThreads: 1 });
  const { shared, begun, letGo } = flag();
  const first = handler(job('meet', { shared }));
  const ctx = job('thread');
  const second = handler(ctx);
  await until(() => begun() === 1);
  ctx.cancel('enough');
  await assert.rejects(second, isCode('CANCELLED'));
  letGo();
  assert.equal(typeof (await first), 'number');
});

test('maxThreads run at once', async () => {
  await using handler = inWorker(file, { maxThreads: 2 });
  const { shared, begun, letGo } = flag();
  const all = [1, 2, 3].map(() => handler(job('meet', { shared })));
  await until(() => begun() === 2);
  letGo();
  assert.equal(new Set(await Promise.all(all)).size, 2);
});

test('minThreads stay, others leave after idleTimeoutMs', async () => {
  /** How many threads have been at work after some rounds of two messages at once. */
  const threadsUsed = async (rounds: number, options: WorkerOptions): Promise<number> => {
    await using handler = inWorker(file, { maxThreads: 2, ...options });
    const threads = new Set<unknown>();
    for (let round = 0; round < rounds && threads.size < 3; round++) {
      const { shared, begun, letGo } = flag();
      const both = [1, 2].map(() => handler(job('meet', { shared })));
      await until(() => begun() === 2);
      letGo();
      for (const thread of await Promise.all(both)) threads.add(thread);
      // Time enough for a thread that may leave at once; whether it has left, the next round tells.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return threads.size;
  };
  assert.equal(await threadsUsed(200, { idleTimeoutMs: 0 }), 3);
  assert.equal(await threadsUsed(5, { idleTimeoutMs: 60_000 }), 2);
  assert.equal(await threadsUsed(5, { minThreads: 2, idleTimeoutMs: 0 }), 2);
});

test('a thread beyond its resourceLimits fails its message and not the process, and the next one runs', async () => {
  await using handler = inWorker(file, { maxThreads: 1, resourceLimits: { maxOldGenerationSizeMb: 32 } });
  await assert.rejects(handler(job('hog')), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
  assert.equal(typeof (await handler(job('thread'))), 'number');
});

test('a thread that exits fails its message, and the next one runs', async () => {
  await using handler = inWorker(file, { maxThreads: 1 });
  await assert.rejects(handler(job('exit')), /exited with code: 3/);
  assert.equal(typeof (await handler(job('thread'))), 'number');
});

test('a file that is missing or exports no function fails each message', async () => {
  for (const [name, what] of [
    ['missing.js', /missing\.js/],
    ['not-a-function.js', /No handler function/],
  ] as const) {
    await using handler = inWorker(new URL(`./fixtures/${name}`, import.meta.url));
    for (let attempt = 0; attempt < 2; attempt++) await assert.rejects(handler(job('thread')), what);
  }
});

test('close waits for what runs and what is queued, and refuses what comes later', async () => {
  const handler = inWorker(file, { maxThreads: 1 });
  const { shared, begun, letGo } = flag();
  const both = [1, 2].map(() => handler(job('meet', { shared })));
  await until(() => begun() === 1);
  let isClosed = false;
  const closing = handler.close().then(() => {
    isClosed = true;
  });
  await assert.rejects(handler(job('thread')), isCode('CLOSED'));
  assert.equal(isClosed, false);
  letGo();
  assert.equal((await Promise.all(both)).length, 2);
  await closing;
  await handler.close();
});

test('close before the first message opens nothing', async () => {
  const handler = inWorker(file);
  await handler.close();
  await assert.rejects(handler(job('thread')), isCode('CLOSED'));
});

test('the process ends by itself, closed or not', async () => {
  for (const flags of [['close'], []]) {
    assert.deepEqual(await oneMessage(...flags), { exitCode: 0, output: ['ran in a thread', 'ran in a thread'] });
  }
});

test('without piscina each message fails with the way to get it', async () => {
  const line = 'UNSUPPORTED: inWorker() needs the package piscina. Install it: npm install piscina';
  assert.deepEqual(await oneMessage('without-piscina', 'close'), { exitCode: 0, output: [line, line] });
});

test('wrong options are refused at once', () => {
  assert.throws(() => inWorker('./worker.js' as never), /TypeError: Expected `file` to be a file URL/);
  assert.throws(
    () => inWorker(new URL('https://example.com/worker.js')),
    /TypeError: Expected `file` to be a file URL/,
  );
  assert.throws(() => inWorker(file, { minThreads: 0 }), /RangeError: Expected `minThreads` to be an integer from 1/);
  assert.throws(
    () => inWorker(file, { minThreads: 3, maxThreads: 2 }),
    /RangeError: Expected `maxThreads` to be an integer from 3/,
  );
  assert.throws(() => inWorker(file, { idleTimeoutMs: -1 }), /RangeError: Expected `idleTimeoutMs`/);
});

test('on a bus, a responder in a thread answers, tells its error and is stopped by the caller', async () => {
  await using handler = inWorker(file, { maxThreads: 1 });
  const { bus } = memoryBus([serialize()]);
  const { shared, begun } = flag();
  bus.respond('spin', (message) => {
    const { topic, headers, signal } = message;
    return handler({ ...message, topic, headers, signal, body: { shared } });
  });
  bus.respond('*', handler);
  await bus.ready();
  assert.equal(typeof (await bus.request('thread', 1)), 'number');
  await assert.rejects(bus.request('fail', 1), { code: 'HANDLER_FAILED', message: /no such line/ });
  const controller = new AbortController();
  const spinning = bus.request('spin', 1, { signal: controller.signal });
  await until(() => begun() === 1);
  controller.abort();
  await assert.rejects(spinning, { code: 'ABORTED' });
  assert.equal(typeof (await bus.request('thread', 1)), 'number');
  await bus.close();
});
