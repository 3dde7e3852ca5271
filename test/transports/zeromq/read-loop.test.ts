import assert from 'node:assert/strict';
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { Pull, Push } from 'zeromq';
import type { BusError } from '../../../src/core/errors.ts';
import { readLoop } from '../../../src/transports/zeromq/read-loop.ts';
import { bounded, Gate, until } from '../conformance/waiting.ts';
import { rawSocket } from './link-spec.ts';

let names = 0;

function pair(t: TestContext): { push: Push; pull: Pull } {
  const endpoint = `inproc://read-loop-${String(names++)}`;
  const pull = rawSocket(t, new Pull({ receiveHighWaterMark: 0 }));
  pull.bindSync(endpoint);
  const push = rawSocket(t, new Push({ linger: 0, sendTimeout: 0, sendHighWaterMark: 0 }));
  push.connect(endpoint);
  return { push, pull };
}

function looped(pull: Pull, onFrames: (text: string) => void | Promise<void>) {
  const failures: BusError[] = [];
  const loop = readLoop(pull, {
    endpoint: 'inproc://x',
    onFrames: (frames) => onFrames(String(frames[0])),
    onFailure: (error) => failures.push(error),
  });
  return { loop, failures };
}

it('reads in order, and lets the rest of the process have its turns', async (t) => {
  const { push, pull } = pair(t);
  for (let index = 0; index < 2000; index += 1) await push.send(String(index));
  const seen: string[] = [];
  let turns = 0;
  const spin = (): void => {
    turns += 1;
    if (seen.length < 2000) setImmediate(spin);
  };
  spin();
  looped(pull, (text) => void seen.push(text));
  await until(() => seen.length >= 2000, 'all of them');
  assert.deepEqual(
    seen,
    Array.from({ length: 2000 }, (_, index) => String(index)),
  );
  assert.ok(turns >= 12, `${String(turns)} turns of the event loop for 2,000 messages`);
});

it('reads nothing more while the promise of onFrames is open', async (t) => {
  const { push, pull } = pair(t);
  const gate = new Gate();
  const seen: string[] = [];
  looped(pull, (text) => {
    seen.push(text);
    return gate.opened;
  });
  for (const text of ['one', 'two']) await push.send(text);
  await until(() => seen.length === 1, 'the first');
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, ['one']);
  gate.open();
  await until(() => seen.length === 2, 'the second');
});

it('ends without a failure when the socket is closed: while it waits, while it reads, while the consumer is busy', async (t) => {
  const waiting = pair(t);
  const first = looped(waiting.pull, () => undefined);
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  waiting.pull.close();
  first.loop.stop();
  await bounded(first.loop.stopped, 'the first loop');

  // Every 513th receive is deferred by the binding, and is rejected with another error then.
  const reading = pair(t);
  for (let index = 0; index < 3000; index += 1) await reading.push.send('x');
  let read = 0;
  const second = looped(reading.pull, () => {
    read += 1;
    if (read === 513) reading.pull.close();
  });
  await bounded(second.loop.stopped, 'the second loop');
  assert.equal(read, 513, 'nothing is told after close');

  const busy = pair(t);
  const seen: string[] = [];
  const third = looped(busy.pull, (text) => {
    seen.push(text);
    return new Promise(() => {});
  });
  await busy.push.send('x');
  await until(() => seen.length === 1, 'the message');
  busy.pull.close();
  third.loop.stop();
  await bounded(third.loop.stopped, 'the third loop');
  assert.deepEqual([first.failures, second.failures, third.failures], [[], [], []]);
});

it('ends with one failure when the consumer throws', async (t) => {
  const { push, pull } = pair(t);
  const { loop, failures } = looped(pull, () => {
    throw new Error('no');
  });
  await push.send('x');
  await bounded(loop.stopped, 'the loop');
  assert.equal(failures.length, 1);
  assert.equal(failures[0]!.code, 'TRANSPORT_FAILED');
  assert.match(failures[0]!.message, /no \(endpoint inproc:\/\/x\)/);
});

it('runs outside of the trace in which it was started', async (t) => {
  const manager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(manager);
  t.after(() => {
    context.disable();
  });
  const key = createContextKey('request');
  const { push, pull } = pair(t);
  const seen: unknown[] = [];
  context.with(ROOT_CONTEXT.setValue(key, 'of the opener'), () => {
    looped(pull, () => void seen.push(context.active().getValue(key)));
  });
  await push.send('x');
  await until(() => seen.length === 1, 'the message');
  assert.deepEqual(seen, [undefined]);
});
