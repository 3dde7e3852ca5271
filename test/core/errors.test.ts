import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { z } from 'zod';
import type { Counters } from '../../src/core/counters.ts';
import type { BusErrorCode } from '../../src/core/errors.ts';
import { BusError, ERROR_CODES, errorType, isBusErrorCode, messageOf } from '../../src/core/errors.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { KIND_NUMBERS } from '../../src/core/kinds.ts';
import type { Middleware, MiddlewareFunction, MiddlewareHost, Stage } from '../../src/core/middleware.ts';
import { OutgoingPacket } from '../../src/core/outgoing-packet.ts';
import { circuitBreaker } from '../../src/middleware/circuit-breaker.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { sign } from '../../src/middleware/sign.ts';
import { validate } from '../../src/middleware/validate.ts';
import { memory } from '../../src/transports/memory.ts';
import { zeromq } from '../../src/transports/zeromq/index.ts';
import { hmacKey } from '../middleware/keys-for-tests.ts';
import { FakeClock, turns } from '../support/fake-clock.ts';
import type { Rig, RigOptions, Told } from '../support/memory-bus.ts';
import { codeOf, deferred, memoryBus, RecordingLogger } from '../support/memory-bus.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';
import { until } from '../transports/conformance/waiting.ts';

const unprintable: readonly unknown[] = [
  Object.create(null),
  {
    toString() {
      throw new Error('no text');
    },
  },
  Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('no message');
    },
  }),
];

test('the message starts with the code and says where, how long, which limit and what to do', () => {
  const error = new BusError('SEND_TIMEOUT', 'nobody took it', {
    topic: 'a.b',
    endpoint: 'memory://x',
    elapsedMs: 10.4,
    limitMs: 10,
    hint: 'Start the peer.',
  });
  assert.equal(
    error.message,
    'SEND_TIMEOUT: nobody took it (topic "a.b", endpoint memory://x, after 10 ms, limit 10 ms). Start the peer.',
  );
  assert.equal(error.what, 'nobody took it');
  assert.equal(error.retryable, true);
  assert.equal(new BusError('SEND_TIMEOUT', 'x', { retryable: false }).retryable, false);
});

test('a code that is not of the list is refused where the error is made', () => {
  for (const code of ['MY_CODE', 'constructor', '', undefined, 7]) {
    assert.throws(
      () => new BusError(code as BusErrorCode, 'x'),
      (error) => error instanceof TypeError && /Expected `code` to be one of ABORTED, .*; got /.test(error.message),
      String(code),
    );
  }
  for (const code of Object.keys(ERROR_CODES)) assert.ok(isBusErrorCode(code));
});

test('the type of an error is of the list, also when its code was overwritten', () => {
  assert.equal(errorType(new BusError('EXPIRED', 'x')), 'expired');
  assert.equal(errorType(new Error('x')), 'handler_failed');
  assert.equal(errorType(Object.assign(new BusError('EXPIRED', 'x'), { code: 'MINE' })), 'handler_failed');
});

test('anything that can be thrown has a message', () => {
  assert.deepEqual([new Error('a'), 'b', 3, undefined, null, Symbol('s')].map(messageOf), [
    'a',
    'b',
    '3',
    'undefined',
    'null',
    'Symbol(s)',
  ]);
  for (const value of unprintable) assert.match(messageOf(value), /a thrown object that cannot be shown/);
});

test('a handler that throws what cannot be shown, or an error with a code of its own, still answers', async (t) => {
  forbidUnhandledRejections(t);
  const { bus, told } = memoryBus(t);
  const thrown: readonly (() => unknown)[] = [
    ...unprintable.map((value) => () => value),
    () => ({
      get code() {
        throw new Error('no code');
      },
    }),
    () => new BusError('MY_CODE' as BusErrorCode, 'x'),
    () => Object.assign(new BusError('EXPIRED', 'x'), { code: 'MINE' }),
  ];
  bus.respond('fail', ({ body }) => {
    throw thrown[body as number]!();
  });
  await bus.ready();
  for (const index of thrown.keys()) {
    assert.equal(await codeOf(bus.request('fail', index, { timeoutMs: 500 })), 'HANDLER_FAILED', String(index));
  }
  assert.equal(told.length, thrown.length);
});

/** Codes and types as users build dashboards on them: to change one here is to break them, so it is done on purpose. */
const GOLDEN: readonly string[] = [
  'ABORTED aborted',
  'BIND_FAILED bind_failed',
  'CANCELLED cancelled',
  'CIRCUIT_OPEN circuit_open',
  'CLOSED closed',
  'COOLING_DOWN cooling_down',
  'DESERIALIZE_FAILED deserialize_failed',
  'EXPIRED expired',
  'HANDLER_FAILED handler_failed',
  'HEADERS_FROZEN headers_frozen',
  'INSECURE_BIND insecure_bind',
  'INVALID_BODY invalid_body',
  'INVALID_HEADER invalid_header',
  'INVALID_PIPELINE invalid_pipeline',
  'INVALID_TOPIC invalid_topic',
  'LATE_REPLY late_reply',
  'MALFORMED_PACKET malformed_packet',
  'MESSAGE_TOO_LARGE message_too_large',
  'MIDDLEWARE_MISUSE middleware_misuse',
  'NOT_READY not_ready',
  'NO_HANDLER no_handler',
  'NO_SUBSCRIBERS no_subscribers',
  'OVERFLOW overflow',
  'PEER_GONE peer_gone',
  'REJECTED rejected',
  'REQUEST_TIMEOUT timeout',
  'SEND_TIMEOUT send_timeout',
  'SERIALIZE_FAILED serialize_failed',
  'TRANSPORT_FAILED transport_failed',
  'UNSUPPORTED unsupported',
  'UNVERIFIED unverified',
  'VALIDATION_FAILED validation_failed',
];

test('codes and types change only on purpose', () => {
  assert.deepEqual(
    Object.entries(ERROR_CODES).map(([code, { type }]) => `${code} ${type}`),
    GOLDEN,
  );
});

test('the table of docs/errors.md is ERROR_CODES, and each row says what to do', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const rows = text
    .split('\n')
    .filter((line) => /^\| `[A-Z_]+` /.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  assert.deepEqual(
    rows.map((cells) => cells.slice(0, 4)),
    Object.entries(ERROR_CODES).map(([code, { type, retryable, meaning }]) => [
      `\`${code}\``,
      `\`${type}\``,
      retryable ? 'yes' : 'no',
      meaning,
    ]),
  );
  for (const cells of rows) {
    assert.equal(cells.length, 5, String(cells));
    assert.match(cells[4]!, /^[A-Z`].{10,}\.$/, String(cells[0]));
  }
});

const never = (): Promise<never> => new Promise(() => undefined);

/** The code of the only failure that `onError` got. */
async function onlyTold(told: readonly Told[]): Promise<unknown> {
  await until(() => told.length > 0, 'the failure to be told');
  await turns();
  assert.equal(told.length, 1);
  return (told[0]!.error as { readonly code?: unknown }).code;
}

/** What is everyday is told to nobody: it is only counted, by its `error.type`. A step sees the counters of its bus. */
class Counting implements Middleware {
  readonly name: string = 'counting';
  readonly stage: Stage = 'observe';
  #counters: Counters | undefined;

  attach(host: MiddlewareHost): void {
    this.#counters = host.counters;
  }

  /** The codes of the incoming messages that were dropped. */
  async dropped(): Promise<string> {
    const types = (): (string | undefined)[] =>
      [...(this.#counters?.inboundDropped.all() ?? [])].map(({ errorType: type }) => type);
    await until(() => types().length > 0, 'a message to be dropped');
    const facts = Object.entries(ERROR_CODES).filter(([, { type }]) => types().includes(type));
    return facts.map(([code]) => code).join();
  }
}

/** A caller and a responder on one hub, so that one can close without the other. */
function pair(t: TestContext, caller: RigOptions = {}, responder: RigOptions = {}): { caller: Rig; responder: Rig } {
  const transport = memory();
  return { caller: memoryBus(t, { transport, ...caller }), responder: memoryBus(t, { transport, ...responder }) };
}

type Occurrence = readonly [how: string, code: (t: TestContext) => Promise<unknown>];

/** How each code comes about: a code without a row here does not compile. */
const OCCURRENCES: Readonly<Record<BusErrorCode, Occurrence>> = {
  ABORTED: [
    'when the signal of a call ends it',
    async (t) => {
      const { bus } = memoryBus(t);
      bus.respond('slow', never);
      const abort = new AbortController();
      const call = codeOf(bus.request('slow', 1, { signal: abort.signal }));
      abort.abort();
      return call;
    },
  ],
  BIND_FAILED: [
    'when another bus has the endpoint',
    async (t) => {
      const { caller, responder } = pair(t);
      await responder.bus.publish('a', 1);
      return codeOf(caller.bus.publish('a', 1));
    },
  ],
  CANCELLED: [
    'as the reply of a handler that its closing bus has told to stop',
    async (t) => {
      const { caller, responder } = pair(t);
      const started = deferred();
      responder.bus.respond('slow', async ({ signal }) => {
        started.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      });
      const call = codeOf(caller.bus.request('slow', 1));
      await started.promise;
      await responder.bus.close({ timeoutMs: 0 });
      return call;
    },
  ],
  CIRCUIT_OPEN: [
    'when calls to the topic have failed before',
    async (t) => {
      const { bus } = memoryBus(t, { stack: [circuitBreaker({ failures: 1, on: 'send' }), serialize()] });
      bus.respond('bad', () => {
        throw new Error('bad');
      });
      assert.equal(await codeOf(bus.request('bad', 1)), 'HANDLER_FAILED');
      return codeOf(bus.request('bad', 1));
    },
  ],
  CLOSED: [
    'when a bus is used after close()',
    async (t) => {
      const { bus } = memoryBus(t);
      await bus.close();
      return codeOf(bus.publish('a', 1));
    },
  ],
  COOLING_DOWN: [
    'after a time-out of the endpoint',
    async (t) => {
      const clock = new FakeClock();
      const { bus } = memoryBus(t, { clock });
      const first = codeOf(bus.push('a', 1));
      await turns();
      await clock.pass(1100, 50);
      assert.equal(await first, 'SEND_TIMEOUT');
      return codeOf(bus.push('a', 1));
    },
  ],
  DESERIALIZE_FAILED: [
    'as the reply to a request whose payload is no JSON',
    async (t) => {
      const { caller, responder } = pair(t, { stack: [] });
      responder.bus.respond('a', () => 1);
      const options = { headers: { 'content-type': 'application/json' } };
      return codeOf(caller.bus.request('a', Buffer.from('{'), options));
    },
  ],
  EXPIRED: [
    'when a request waits for its handler beyond its deadline',
    async (t) => {
      const clock = new FakeClock();
      const counting = new Counting();
      const { bus } = memoryBus(t, { clock, stack: [counting, serialize()] });
      const started = deferred();
      bus.respond(
        'slow',
        () => {
          started.resolve();
          return never();
        },
        { concurrency: 1 },
      );
      void codeOf(bus.request('slow', 1));
      await started.promise;
      const second = codeOf(bus.request('slow', 2, { timeoutMs: 50 }));
      await turns(10);
      await clock.pass(80);
      assert.equal(await second, 'REQUEST_TIMEOUT');
      return counting.dropped();
    },
  ],
  HANDLER_FAILED: [
    'when the handler throws',
    async (t) => {
      const { bus } = memoryBus(t);
      bus.respond('bad', () => {
        throw new Error('bad');
      });
      return codeOf(bus.request('bad', 1));
    },
  ],
  HEADERS_FROZEN: [
    'when a step sets a header after one that has sealed them',
    async (t) => {
      const step = (name: string, send: Middleware['send']): Middleware => ({ name, stage: 'payload', send: send! });
      const seal = step('seal', (ctx, next) => {
        ctx.headers.freeze();
        return next();
      });
      const tag = step('tag', (ctx, next) => {
        ctx.headers.set('tag', '1');
        return next();
      });
      const { bus } = memoryBus(t, { stack: [serialize(), seal, tag] });
      return codeOf(bus.publish('a', 1));
    },
  ],
  INSECURE_BIND: [
    'when an address beyond loopback is to be bound without CURVE',
    (t) => {
      const { bus } = memoryBus(t, { transport: zeromq(), endpoints: { publish: { bind: 'tcp://*:0' } } });
      return codeOf(bus.publish('a', 1));
    },
  ],
  INVALID_BODY: [
    'when a body is no bytes and nothing serializes it',
    (t) => codeOf(memoryBus(t, { stack: [] }).bus.publish('a', { price: 1 })),
  ],
  INVALID_HEADER: [
    'when the name of a header is no name',
    (t) => codeOf(memoryBus(t).bus.publish('a', 1, { headers: { 'Not A Name': '1' } })),
  ],
  INVALID_PIPELINE: [
    'when use() comes after the first message',
    async (t) => {
      const { bus } = memoryBus(t);
      await bus.publish('a', 1);
      return codeOf(Promise.resolve().then(() => bus.use((_ctx, next) => next())));
    },
  ],
  INVALID_TOPIC: ['when a topic has an empty word', (t) => codeOf(memoryBus(t).bus.publish('a..b', 1))],
  LATE_REPLY: [
    'when the answer comes after the deadline of the call',
    async (t) => {
      const clock = new FakeClock();
      // The clock of the responder stands still: it does not know that the deadline has passed.
      const counting = new Counting();
      const { caller, responder } = pair(t, { clock, stack: [counting, serialize()] }, { clock: new FakeClock() });
      const started = deferred();
      const answer = deferred<number>();
      responder.bus.respond('slow', () => {
        started.resolve();
        return answer.promise;
      });
      const call = codeOf(caller.bus.request('slow', 1, { timeoutMs: 100 }));
      await started.promise;
      await clock.pass(120);
      assert.equal(await call, 'REQUEST_TIMEOUT');
      answer.resolve(1);
      return counting.dropped();
    },
  ],
  MALFORMED_PACKET: [
    'when a pushed message names no topic',
    async (t) => {
      const transport = memory();
      const { bus, told } = memoryBus(t, { transport });
      bus.pull('>', () => undefined);
      await bus.ready();
      const stranger = await transport.openPusher({
        endpoint: 'memory://results',
        mode: 'connect',
        hwmPackets: 10,
        closeLingerMs: 0,
        heartbeatMs: 1000,
        clock: new FakeClock(),
        logger: new RecordingLogger(),
        events: {
          onPeerConnected() {},
          onPeerDisconnected() {},
          onFailure: (error) => assert.fail(error),
          onFact() {},
        },
      });
      t.after(() => stranger.close());
      const headers = new MessageHeaders();
      const record = { headers, headerBlock: headers.encode(KIND_NUMBERS.message), payload: Buffer.from('1') };
      const packet = new OutgoingPacket(undefined, [record], { epoch: 1, firstSequence: 1, sentAtUs: 1 });
      assert.equal(await stranger.trySend(packet, 0), true);
      return onlyTold(told);
    },
  ],
  MESSAGE_TOO_LARGE: [
    'when a message is over maxMessageBytes',
    async (t) => {
      const limit = 131_072;
      const endpoint = 'inproc://errors-too-large';
      const { bus } = memoryBus(t, {
        transport: zeromq({ maxMessageBytes: limit }),
        endpoints: { push: { connect: [endpoint] }, pull: { bind: endpoint } },
        publish: false,
      });
      bus.pull('>', () => undefined);
      await bus.push('a', 1);
      return codeOf(bus.push('a', 'x'.repeat(limit)));
    },
  ],
  MIDDLEWARE_MISUSE: [
    'when a step returns without next()',
    (t) => codeOf(memoryBus(t, { stack: [() => undefined, serialize()] }).bus.publish('a', 1)),
  ],
  NOT_READY: [
    'when nobody is at the other end in time',
    async (t) => {
      const clock = new FakeClock();
      const { bus } = memoryBus(t, { clock });
      const ready = codeOf(bus.ready({ topic: 'a', timeoutMs: 100 }));
      await turns();
      await clock.pass(120);
      return ready;
    },
  ],
  NO_HANDLER: [
    'as the reply to a topic that nobody answers',
    async (t) => {
      const { bus } = memoryBus(t);
      bus.respond('a', () => 1);
      return codeOf(bus.request('b', 1));
    },
  ],
  NO_SUBSCRIBERS: [
    'when requireSubscribers waits in vain',
    async (t) => {
      const clock = new FakeClock();
      const { bus } = memoryBus(t, { clock, requireSubscribers: true });
      const call = codeOf(bus.publish('a', 1));
      await turns();
      await clock.pass(1100, 50);
      return call;
    },
  ],
  OVERFLOW: [
    'as the reply to a request beyond maxQueued',
    async (t) => {
      const { bus } = memoryBus(t);
      bus.respond('slow', never, { concurrency: 1, maxQueued: 0 });
      void codeOf(bus.request('slow', 1));
      return codeOf(bus.request('slow', 2));
    },
  ],
  PEER_GONE: [
    'when the requester leaves while its reply is on its way',
    async (t) => {
      const replying = deferred();
      const go = deferred();
      const hold: MiddlewareFunction = async (ctx, next) => {
        if (ctx.direction === 'send') {
          replying.resolve();
          await go.promise;
        }
        await next();
      };
      const { caller, responder } = pair(t, {}, { stack: [hold, serialize()] });
      responder.bus.respond('a', () => 1);
      const call = codeOf(caller.bus.request('a', 1));
      await replying.promise;
      await caller.bus.close({ timeoutMs: 0 });
      assert.equal(await call, 'CLOSED');
      go.resolve();
      return onlyTold(responder.told);
    },
  ],
  REJECTED: [
    'as the reply to a request that a step of the responder refuses',
    async (t) => {
      const refuse: MiddlewareFunction = (ctx, next) => {
        if (ctx.direction === 'receive') throw new Error('not today');
        return next();
      };
      const { caller, responder } = pair(t, {}, { stack: [serialize(), refuse] });
      responder.bus.respond('a', () => 1);
      return codeOf(caller.bus.request('a', 1));
    },
  ],
  REQUEST_TIMEOUT: [
    'when a request that was sent is not answered',
    async (t) => {
      const clock = new FakeClock();
      const { bus } = memoryBus(t, { clock });
      const started = deferred();
      bus.respond('slow', () => {
        started.resolve();
        return never();
      });
      const call = codeOf(bus.request('slow', 1, { timeoutMs: 100 }));
      await started.promise;
      await clock.pass(120);
      return call;
    },
  ],
  SEND_TIMEOUT: [
    'when nobody takes the message',
    async (t) => {
      const clock = new FakeClock();
      const { bus } = memoryBus(t, { clock });
      const call = codeOf(bus.request('a', 1, { timeoutMs: 100 }));
      await turns();
      await clock.pass(120);
      return call;
    },
  ],
  SERIALIZE_FAILED: ['when JSON cannot say the body', (t) => codeOf(memoryBus(t).bus.publish('a', { big: 1n }))],
  TRANSPORT_FAILED: [
    'when the link itself fails',
    (t) => {
      const { bus } = memoryBus(t, { endpoints: { push: { connect: ['memory://results-*'] } }, publish: false });
      return codeOf(bus.push('a', 1));
    },
  ],
  UNSUPPORTED: [
    'when ready() is asked of plain peers',
    async (t) => {
      const endpoints = { subscribe: { connect: ['inproc://errors-plain'] } };
      const { bus } = memoryBus(t, { transport: zeromq({ wire: 'plain' }), endpoints, publish: false });
      bus.subscribe('a', () => undefined);
      return codeOf(bus.ready());
    },
  ],
  UNVERIFIED: [
    'when a request is not signed and has to be',
    (t) => {
      const transport = memory();
      const { bus: responder } = memoryBus(t, {
        transport,
        publish: false,
        audience: 'test',
        stack: [serialize(), sign({ keys: [hmacKey()], direction: 'receive' })],
      });
      const { bus } = memoryBus(t, { transport, publish: false });
      responder.respond('a', () => 1);
      return codeOf(bus.request('a', 1));
    },
  ],
  VALIDATION_FAILED: [
    'when a body does not fit its schema',
    (t) => codeOf(memoryBus(t, { stack: [validate({ a: z.number() }), serialize()] }).bus.publish('a', 'text')),
  ],
};

for (const [code, [how, occur]] of Object.entries(OCCURRENCES)) {
  test(`${code} occurs ${how}`, { timeout: 10_000 }, async (t) => {
    forbidUnhandledRejections(t);
    assert.equal(await occur(t), code);
  });
}
