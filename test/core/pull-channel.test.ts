import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import type { Message } from '../../src/core/receive-context.ts';
import type { Transport } from '../../src/core/transport.ts';
import { MessageBus } from '../../src/message-bus.ts';
import { memory } from '../../src/transports/memory.ts';
import { until } from '../transports/conformance/waiting.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import { codesTold, deferred, ENDPOINTS, memoryBus, RecordingLogger } from '../support/memory-bus.ts';

test('a pushed message goes to the first handler whose pattern fits, and to that one alone', async (t) => {
  const { bus } = memoryBus(t);
  const got: string[] = [];
  bus.pull('task.a', ({ body }) => void got.push(`exact ${String(body)}`));
  bus.pull('task.*', ({ body }) => void got.push(`any ${String(body)}`));
  await bus.push('task.a', 1);
  await bus.push('task.b', 2);
  await until(() => got.length === 2, 'both');
  await turns();
  assert.deepEqual(got, ['exact 1', 'any 2']);
  assert.equal(bus.metrics().messages_received, 2);
});

test('one argument of push is the body, of the topic results', async (t) => {
  const { bus } = memoryBus(t);
  const got: unknown[] = [];
  bus.pull(undefined, ({ topic, body }) => void got.push([topic, body]));
  await bus.push({ price: 7 });
  await until(() => got.length === 1, 'it');
  assert.deepEqual(got, [['results', { price: 7 }]]);
});

test('without a handler a message is received, counted and logged at logLevelNoHandler, and not dropped', async (t) => {
  const { bus, logger } = memoryBus(t, { logLevelNoHandler: 'info' });
  bus.pull('a');
  await bus.push('a', 1);
  await bus.push('b', 1);
  await until(() => bus.stats().no_handler === 2, 'both');
  const { messages_received, inbound_dropped, errors } = bus.metrics();
  assert.deepEqual(
    { messages_received, inbound_dropped, errors },
    { messages_received: 2, inbound_dropped: 0, errors: 0 },
  );
  assert.deepEqual(logger.at('info'), ['info no handler for pushed topic a', 'info no handler for pushed topic b']);
});

test('messages that no handler wants go to handlePulledMessage of a subclass', async (t) => {
  const got: string[] = [];
  class Worker extends MessageBus {
    protected override handlePulledMessage({ topic }: Message): void {
      got.push(`fallback ${topic}`);
    }
  }
  const bus = new Worker('worker', { transport: memory(), endpoints: ENDPOINTS });
  t.after(() => bus.close({ timeoutMs: 0 }));
  bus.pull('known', ({ topic }) => void got.push(`handler ${topic}`));
  await bus.push('known', 1);
  await bus.push('unknown', 1);
  await until(() => got.length === 2, 'both');
  assert.deepEqual(got, ['handler known', 'fallback unknown']);
});

test('a failing handler is told and does not stop the loop', async (t) => {
  const { bus, told } = memoryBus(t);
  const got: unknown[] = [];
  bus.pull('>', ({ body }) => {
    if (body === 1) throw new Error('bad one');
    got.push(body);
  });
  await bus.push('a', 1);
  await bus.push('a', 2);
  await until(() => got.length === 1, 'the next');
  assert.deepEqual(
    told.map(({ error }) => error.message),
    ['bad one'],
  );
});

test('concurrency is how many tasks of a handler run at once', async (t) => {
  const { bus } = memoryBus(t);
  const holds = Array.from({ length: 4 }, () => deferred());
  const started: unknown[] = [];
  bus.pull(
    '>',
    async ({ body }) => {
      started.push(body);
      await holds[body as number]!.promise;
    },
    { concurrency: 2 },
  );
  for (let index = 0; index < 4; index++) await bus.push('a', index);
  await until(() => started.length === 2, 'two');
  await turns(10);
  assert.deepEqual(started, [0, 1]);
  holds[1]!.resolve();
  await until(() => started.length === 3, 'the next');
  for (const hold of holds) hold.resolve();
  await until(() => started.length === 4, 'all');
});

/** A pusher below the bus, which sends what it likes. */
async function stranger(t: TestContext, transport: Transport) {
  const sender = await transport.openPusher({
    endpoint: 'memory://results',
    mode: 'connect',
    hwmPackets: 100,
    closeLingerMs: 0,
    heartbeatMs: 1000,
    clock: new FakeClock(),
    logger: new RecordingLogger(),
    events: { onPeerConnected() {}, onPeerDisconnected() {}, onFailure() {}, onFact() {} },
  });
  t.after(() => sender.close());
  return async (...topics: (string | undefined)[]) => {
    const records = topics.map((topic) => {
      const headers = MessageHeaders.from(topic === undefined ? {} : { topic });
      return { headers, headerBlock: headers.encode(KIND_NUMBERS.message), payload: Buffer.from('1') };
    });
    const packet = new OutgoingPacket(undefined, records, { epoch: 3, firstSequence: 1, sentAtUs: 1 });
    while (!(await sender.trySend(packet, 0))) await turns(1);
  };
}

test('a record without a usable topic is dropped as malformed, and those beside it are handled', async (t) => {
  const transport = memory();
  const { bus, told } = memoryBus(t, { transport });
  const got: string[] = [];
  bus.pull('>', ({ topic }) => void got.push(topic));
  const send = await stranger(t, transport);
  await send('first', undefined, 'not..one', '_tb.heartbeat', 'last');
  await until(() => got.length === 2, 'the good ones');
  await turns();
  assert.deepEqual(got, ['first', 'last']);
  assert.equal(bus.metrics().inbound_dropped, 3);
  assert.equal(bus.metrics().messages_received, 2);
  assert.deepEqual(new Set(codesTold(told)), new Set(['MALFORMED_PACKET']));
});
