import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware, MiddlewareFunction, Next, Stage } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { until } from '../transports/conformance/waiting.ts';
import { codeOf, memoryBus } from '../support/memory-bus.ts';
import type { Rig } from '../support/memory-bus.ts';

/** A step that records where it is, in both directions. */
function step(log: string[], name: string, stage: Stage = 'body'): Middleware {
  const around =
    (direction: string) =>
    async (_ctx: unknown, next: Next): Promise<void> => {
      log.push(`${direction} ${name} in`);
      await next();
      log.push(`${direction} ${name} out`);
    };
  return { name, stage, send: around('send'), receive: around('receive') };
}

/** Publishes one event of a bus to itself and waits until it was handled. */
async function roundTrip(rig: Rig, body: unknown = 'x'): Promise<unknown> {
  let got: { readonly body: unknown } | undefined;
  rig.bus.subscribe('a.b', (message) => {
    got = { body: message.body };
  });
  await rig.bus.ready();
  await rig.bus.publish('a.b', body);
  await until(() => got !== undefined, 'the message');
  return got!.body;
}

test('steps run in the order of use on the way out and unwind in the reverse: 1 to 6 around next()', async (t) => {
  const order: number[] = [];
  const counting = (first: number, last: number): Middleware => ({
    name: `step-${String(first)}`,
    stage: 'body',
    async send(_ctx, next) {
      order.push(first);
      await next();
      order.push(last);
    },
  });
  const { bus } = memoryBus(t, { stack: [counting(1, 6), counting(2, 5), counting(3, 4), serialize()] });
  await bus.publish('a.b', 1);
  assert.deepEqual(order, [1, 2, 3, 4, 5, 6]);
});

test('steps of one stage run mirrored on the way in: what was used last is undone first', async (t) => {
  const log: string[] = [];
  const rig = memoryBus(t, { stack: [step(log, 'a'), step(log, 'b'), serialize(), step(log, 'c')] });
  await roundTrip(rig);
  await until(() => log.length === 12, 'the way back');
  assert.deepEqual(
    log.filter((line) => line.startsWith('send')),
    ['send a in', 'send b in', 'send c in', 'send c out', 'send b out', 'send a out'],
  );
  assert.deepEqual(
    log.filter((line) => line.startsWith('receive')),
    ['receive c in', 'receive b in', 'receive a in', 'receive a out', 'receive b out', 'receive c out'],
  );
});

test('stages stand in their order wherever the line stands, and context comes after payload on the way in', async (t) => {
  const log: string[] = [];
  const stack = [
    step(log, 'payload', 'payload'),
    serialize(),
    step(log, 'body', 'body'),
    step(log, 'context', 'context'),
    step(log, 'observe', 'observe'),
  ];
  const rig = memoryBus(t, { stack });
  await roundTrip(rig);
  const entered = (direction: string): string[] =>
    log.filter((line) => line.startsWith(direction) && line.endsWith(' in')).map((line) => line.split(' ')[1]!);
  assert.deepEqual(entered('send'), ['observe', 'context', 'body', 'payload']);
  assert.deepEqual(entered('receive'), ['observe', 'payload', 'context', 'body']);
});

test('the built-in payload steps have fixed ranks, and those of a user stand innermost in the order of use', (t) => {
  const log: string[] = [];
  const names = ['mine', 'sign', 'encrypt', 'yours', 'compress'];
  const { bus } = memoryBus(t, { stack: [...names.map((name) => step(log, name, 'payload')), serialize()] });
  const { send, receive } = bus.describe();
  assert.deepEqual(send, ['serialize', '(headers)', 'compress', 'encrypt', 'sign', 'mine', 'yours']);
  assert.deepEqual(receive, ['(admit)', 'yours', 'mine', 'sign', 'encrypt', 'compress', 'serialize']);
});

test('every order of use of the payload steps gives the same chain', (t) => {
  const built = ['compress', 'encrypt', 'sign'];
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const chains = orders.map((order) => {
    const stack = order.map((index) => step([], built[index]!, 'payload'));
    return memoryBus(t, { stack: [stack[0]!, serialize(), ...stack.slice(1)] })
      .bus.describe()
      .send.join(' ');
  });
  assert.deepEqual(new Set(chains), new Set(['serialize (headers) compress encrypt sign']));
});

test('describe() shows both chains in the order in which they run, before and after the start alike', async (t) => {
  const sendOnly: Middleware = { name: 'send-only', stage: 'body', send: (_ctx, next) => next() };
  const receiveOnly: Middleware = { name: 'receive-only', stage: 'observe', receive: (_ctx, next) => next() };
  const { bus } = memoryBus(t, { stack: [sendOnly, receiveOnly, step([], 'both'), serialize()] });
  const before = bus.describe();
  assert.equal(before.serviceName, 'test');
  assert.equal(before.system, 'memory');
  assert.deepEqual(before.send, ['send-only', 'both', 'serialize', '(headers)']);
  assert.deepEqual(before.receive, ['(admit)', 'receive-only', 'serialize', 'both']);
  assert.deepEqual(before.links, []);
  await bus.publish('a.b', 1);
  const after = bus.describe();
  assert.deepEqual([after.send, after.receive], [before.send, before.receive]);
  assert.deepEqual(after.links, [
    { pattern: 'publish', endpoint: 'memory://events', address: 'memory://events', mode: 'bind', state: 'open' },
  ]);
});

test('what is wrong with a stack is an INVALID_PIPELINE that names the step, says what to do and leaves the stack as it was', async (t) => {
  const wrong: readonly [Middleware, RegExp][] = [
    [{ name: 'known', stage: 'body' }, /^INVALID_PIPELINE: Two middleware are named "known"\. Give each a name/],
    [
      { name: 'other-codec', stage: 'serialize' },
      /^INVALID_PIPELINE: "serialize" and "other-codec" both serialize\. Keep one/,
    ],
    [
      { name: 'odd', stage: 'outside' as Stage },
      /^INVALID_PIPELINE: Middleware "odd" has the unknown stage "outside"\. Stages are observe, context, body/,
    ],
    [
      { name: 'again', stage: 'payload', repeatable: () => true },
      /^INVALID_PIPELINE: Middleware "again" repeats at stage "payload"\. Repeat at stage body/,
    ],
    [
      { name: 'again', stage: 'observe', repeatable: () => true },
      /^INVALID_PIPELINE: Middleware "again" repeats at stage "observe"/,
    ],
  ];
  const { bus } = memoryBus(t, {
    stack: [{ name: 'known', stage: 'body', send: (_ctx, next) => next() }, serialize()],
  });
  const before = bus.describe().send;
  for (const [middleware, message] of wrong) {
    assert.throws(
      () => bus.use(middleware),
      (error) => error instanceof BusError && error.code === 'INVALID_PIPELINE' && message.test(error.message),
    );
  }
  assert.deepEqual(bus.describe().send, before);
  await bus.publish('a.b', 'still works');
});

test('what is no middleware at all is a TypeError', (t) => {
  const { bus } = memoryBus(t);
  const wrong: readonly unknown[] = [undefined, null, 'retry', 7, {}, { name: '', stage: 'body' }, { stage: 'body' }];
  for (const one of [...wrong, { name: 'x', stage: 'body', send: 'no function' }]) {
    assert.throws(() => bus.use(one as Middleware), /^TypeError: Expected a middleware to be/, JSON.stringify(one));
  }
});

test('use() after the first message or subscription is an error that says so, whichever came first', async (t) => {
  const starts: readonly ((rig: Rig) => unknown)[] = [
    ({ bus }) => bus.publish('a.b', 1),
    ({ bus }) => bus.push('a.b', 1),
    ({ bus }) => bus.request('a.b', 1),
    ({ bus }) => bus.subscribe('a.b'),
    ({ bus }) => bus.pull('a.b'),
    ({ bus }) => bus.respond('a.b'),
    ({ bus }) => bus.messages('a.b'),
    ({ bus }) => bus.ready(),
  ];
  for (const start of starts) {
    const rig = memoryBus(t);
    void start(rig);
    assert.throws(
      () => rig.bus.use(step([], 'late')),
      /^BusError: INVALID_PIPELINE: use\(\) came after the bus had started\. Put the pipeline together before/,
      String(start),
    );
  }
});

test('use() answers the bus, so that calls can be chained', (t) => {
  const { bus } = memoryBus(t, { stack: [] });
  assert.equal(bus.use(serialize()), bus);
});

test('a bare function runs in both directions at stage body, under its own name or a generated one', async (t) => {
  const seen: string[] = [];
  const rig = memoryBus(t, { stack: [serialize()] });
  rig.bus.use((ctx, next) => {
    seen.push(`${ctx.direction} ${String(ctx.body)}`);
    return next();
  });
  rig.bus.use(async function stamped(_ctx, next) {
    await next();
  });
  rig.bus.use((_ctx, next) => next());
  assert.deepEqual(rig.bus.describe().send, ['middleware-1', 'stamped', 'middleware-2', 'serialize', '(headers)']);
  await roundTrip(rig);
  assert.deepEqual(seen, ['send x', 'receive x']);
});

test('without a serializer bodies are bytes, and anything else is refused', async (t) => {
  const rig = memoryBus(t, { stack: [] });
  assert.deepEqual(rig.bus.describe().send, ['(bytes)', '(headers)']);
  assert.deepEqual(rig.bus.describe().receive, ['(admit)', '(bytes)']);
  const got = (await roundTrip(rig, Uint8Array.of(1, 2, 3))) as Uint8Array;
  assert.deepEqual([...got], [1, 2, 3]);
  for (const body of ['text', 7, null, { a: 1 }]) {
    await assert.rejects(rig.bus.publish('a.b', body), /^BusError: INVALID_BODY: the stack has no serializer/);
  }
  assert.equal(await codeOf(rig.bus.publish('a.b', undefined)), 'resolved', 'no body is an empty payload');
});

test('without a serializer body steps still see the bytes on the way in', async (t) => {
  const log: string[] = [];
  const look: Middleware = {
    name: 'look',
    stage: 'body',
    receive(ctx, next) {
      log.push(Buffer.from(ctx.body as Uint8Array).toString());
      return next();
    },
  };
  const stack = [step([], 'seen', 'context'), look, step([], 'bytes', 'payload'), step([], 'watch', 'observe')];
  const rig = memoryBus(t, { stack });
  assert.deepEqual(rig.bus.describe().receive, ['(admit)', 'watch', 'bytes', 'seen', '(bytes)', 'look']);
  await roundTrip(rig, Buffer.from('raw'));
  assert.deepEqual(log, ['raw']);
});

test('a class that keeps its state in fields may be a middleware: its methods are called on it', async (t) => {
  class Counting implements Middleware {
    readonly name = 'counting';
    readonly stage = 'body';
    readonly log: string[] = [];
    attach(): void {
      this.log.push('attach');
    }
    async send(_ctx: SendContext, next: Next): Promise<void> {
      this.log.push('send');
      await next();
    }
    async receive(_ctx: ReceiveContext, next: Next): Promise<void> {
      this.log.push('receive');
      await next();
    }
    admit(): undefined {
      this.log.push('admit');
    }
    repeatable(): boolean {
      this.log.push('repeatable');
      return false;
    }
    detach(): void {
      this.log.push('detach');
    }
  }
  const counting = new Counting();
  const rig = memoryBus(t, { stack: [counting, serialize()] });
  await roundTrip(rig);
  await rig.bus.close();
  assert.deepEqual(counting.log, ['attach', 'repeatable', 'send', 'admit', 'repeatable', 'receive', 'detach']);
});

/** Repeats until `times` attempts are through or one succeeds. */
function repeating(name: string, times: number, log: string[] = []): Middleware {
  const repeat: MiddlewareFunction = async (ctx, next) => {
    for (let attempt = 1; ; attempt++) {
      if (ctx.direction === 'send') ctx.attempt = attempt;
      log.push(`${name} ${String(attempt)}`);
      try {
        await next();
        return;
      } catch (error) {
        if (attempt >= times) throw error;
      }
    }
  };
  return { name, stage: 'body', repeatable: () => true, send: repeat, receive: repeat };
}

/** Fails the first `count` messages that come to it. */
function failing(name: string, count: number, stage: Stage = 'body'): Middleware & { calls: number } {
  const one = {
    name,
    stage,
    calls: 0,
    send(_ctx: SendContext, next: Next): Promise<void> {
      if (++one.calls <= count) throw new BusError('REJECTED', `failure ${String(one.calls)}`, { retryable: true });
      return next();
    },
  };
  return one;
}

test('each repeat starts from the message as it was: body, headers and payload are taken back', async (t) => {
  const seen: string[] = [];
  const wrap: Middleware = {
    name: 'wrap',
    stage: 'body',
    send(ctx, next) {
      seen.push(`${JSON.stringify(ctx.body)} ${String(ctx.payload.length)} ${JSON.stringify(ctx.headers.toObject())}`);
      ctx.body = { wrapped: ctx.body };
      ctx.headers.set('times', `${ctx.headers.getText('times') ?? ''}x`);
      return next();
    },
  };
  const double: Middleware = {
    name: 'double',
    stage: 'payload',
    send(ctx, next) {
      ctx.payload = Buffer.concat([ctx.payload, ctx.payload]);
      return next();
    },
  };
  const last = failing('last', 2, 'payload');
  const stack = [repeating('again', 3), wrap, serialize(), double, last];
  const { bus } = memoryBus(t, { stack });
  await bus.publish('a.b', 1, { headers: { first: 'yes' } });
  assert.deepEqual(seen, Array(3).fill('1 0 {"first":"yes"}'));
  assert.equal(last.calls, 3);
});

test('headers that an inner step froze are free again in the next attempt', async (t) => {
  const freeze: Middleware = {
    name: 'freeze',
    stage: 'payload',
    send(ctx, next) {
      ctx.headers.freeze();
      return next();
    },
  };
  const { bus } = memoryBus(t, {
    stack: [repeating('again', 3), serialize(), freeze, failing('last', 2, 'payload')],
  });
  assert.equal(await codeOf(bus.publish('a.b', 1)), 'resolved');
});

test('on the way in each repeat gets the body as it was, and the handler runs once per attempt', async (t) => {
  const bodies: unknown[] = [];
  const wrap: Middleware = {
    name: 'wrap',
    stage: 'body',
    receive(ctx, next) {
      ctx.body = { wrapped: ctx.body };
      return next();
    },
  };
  // On the way in the step used last is outermost.
  const { bus, told } = memoryBus(t, { stack: [serialize(), wrap, repeating('again', 3)] });
  bus.subscribe('a.b', (message) => {
    bodies.push(message.body);
    if (bodies.length < 3) throw new Error('not yet');
  });
  await bus.ready();
  await bus.publish('a.b', 7);
  await until(() => bodies.length === 3, 'three attempts');
  assert.deepEqual(bodies, Array(3).fill({ wrapped: 7 }));
  assert.deepEqual(told, [], 'only the failure of the last attempt is one');
});

test('repeating steps nest: the inner one starts afresh within each attempt of the outer', async (t) => {
  const log: string[] = [];
  const { bus } = memoryBus(t, {
    stack: [repeating('outer', 2, log), repeating('inner', 2, log), failing('last', 3), serialize()],
  });
  await bus.publish('a.b', 1);
  assert.deepEqual(log, ['outer 1', 'inner 1', 'inner 2', 'outer 2', 'inner 1', 'inner 2']);
});

test('a step that forgets next() in a later attempt is found out as in the first', async (t) => {
  const lazy: Middleware = {
    name: 'lazy',
    stage: 'body',
    async send(ctx, next) {
      if (ctx.attempt === 2) return;
      await next();
      throw new BusError('REJECTED', 'after the queue has it');
    },
  };
  const { bus } = memoryBus(t, { stack: [repeating('again', 2), lazy, serialize()] });
  assert.equal(await codeOf(bus.publish('a.b', 1)), 'MIDDLEWARE_MISUSE');
});

test('a step whose repeatable() says no for a message may call next() once only', async (t) => {
  const twice: Middleware = {
    name: 'twice',
    stage: 'body',
    repeatable: (ctx) => ctx.topic === 'may.repeat',
    async send(_ctx, next) {
      await next();
      await next();
    },
  };
  const { bus } = memoryBus(t, { stack: [twice, serialize()] });
  assert.equal(await codeOf(bus.publish('may.repeat', 1)), 'resolved');
  assert.equal(await codeOf(bus.publish('may.not', 1)), 'MIDDLEWARE_MISUSE');
});

test('the same stack serves publish, push, request, reply and error reply', async (t: TestContext) => {
  const log: string[] = [];
  const note: Middleware = {
    name: 'note',
    stage: 'body',
    send(ctx, next) {
      log.push(`send ${ctx.pattern} ${ctx.kind}`);
      return next();
    },
    receive(ctx, next) {
      log.push(`receive ${ctx.pattern} ${ctx.kind}`);
      return next();
    },
  };
  const { bus } = memoryBus(t, { stack: [note, serialize()] });
  let handled = 0;
  bus.subscribe('a.b', () => handled++);
  bus.pull('a.b', () => handled++);
  bus.respond('well', () => 'fine');
  bus.respond('ill', () => {
    throw new Error('no');
  });
  await bus.ready();
  await bus.publish('a.b', 1);
  await bus.push('a.b', 1);
  await bus.request('well', 1);
  assert.equal(await codeOf(bus.request('ill', 1)), 'HANDLER_FAILED');
  await until(() => handled === 2, 'both handlers');
  assert.deepEqual(log.sort(), [
    'receive publish message',
    'receive push message',
    'receive reply error',
    'receive reply reply',
    'receive request request',
    'receive request request',
    'send publish message',
    'send push message',
    'send reply error',
    'send reply reply',
    'send request request',
    'send request request',
  ]);
});

test('attach is called once, when the bus starts, with what a step may know of it; detach once, when it has closed', async (t) => {
  const log: string[] = [];
  const own: Middleware = {
    name: 'own',
    stage: 'observe',
    attach(host) {
      assert.equal(typeof host.clock.now(), 'number');
      assert.equal(host.counters.documented().messages_sent, 0);
      assert.ok(host.random() >= 0 && host.random() < 1);
      log.push(`attach ${host.serviceName} ${host.system}`);
      host.report(new Error('told by a step'));
    },
    detach: () => void log.push('detach'),
  };
  const { bus, told, logger } = memoryBus(t, { stack: [own, serialize()] });
  assert.deepEqual(log, []);
  await bus.publish('a.b', 1);
  await bus.publish('a.b', 2);
  assert.deepEqual(log, ['attach test memory']);
  assert.deepEqual(
    told.map(({ error }) => error.message),
    ['told by a step'],
  );
  assert.deepEqual(logger.at('error'), ['error a middleware reported a failure: told by a step']);
  await bus.close();
  await bus.close();
  assert.deepEqual(log, ['attach test memory', 'detach']);
});

test('a step that cannot be attached makes every call fail with its error, not only the first', async (t) => {
  const refusing: Middleware = {
    name: 'refusing',
    stage: 'body',
    attach() {
      throw new BusError('INVALID_PIPELINE', 'not in this bus');
    },
  };
  const log: string[] = [];
  const after: Middleware = { name: 'after', stage: 'body', attach: () => void log.push('attach') };
  const { bus } = memoryBus(t, { stack: [refusing, after, serialize()] });
  for (let call = 0; call < 3; call++) assert.equal(await codeOf(bus.publish('a.b', 1)), 'INVALID_PIPELINE');
  assert.throws(() => bus.subscribe('a.b'), /INVALID_PIPELINE: not in this bus/);
  assert.deepEqual(log, []);
});

test('a detach that throws is reported and stops neither the others nor close()', async (t) => {
  const log: string[] = [];
  const throwing: Middleware = {
    name: 'throwing',
    stage: 'body',
    detach: () => {
      throw new Error('stuck');
    },
  };
  const { bus, told } = memoryBus(t, {
    stack: [throwing, { name: 'other', stage: 'body', detach: () => void log.push('other') }, serialize()],
  });
  await bus.publish('a.b', 1);
  await bus.close();
  assert.deepEqual(log, ['other']);
  assert.deepEqual(
    told.map(({ error }) => error.message),
    ['stuck'],
  );
});

test('a bus that never started detaches nothing', async (t) => {
  const log: string[] = [];
  const { bus } = memoryBus(t, {
    stack: [{ name: 'idle', stage: 'body', attach: () => void log.push('a'), detach: () => void log.push('d') }],
  });
  await bus.close();
  assert.deepEqual(log, []);
});
