import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Middleware, Next } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import { forbidUnhandledRejections } from '../support/rejections.ts';
import { bounded, until } from '../transports/conformance/waiting.ts';
import type { Party } from './scene.ts';
import { addressOf, FREE, inParallel, party } from './scene.ts';

/** Of each abuse so many messages, and as many good ones between them: far more than the limits below hold. */
const ROUNDS = 40;

/** Limits that a leaked place would fill at once. */
const TIGHT = { handlerMaxConcurrency: 2, hwmInbound: 4, hwmOutbound: 8 };

type Step = (ctx: ReceiveContext | SendContext, next: Next) => Promise<void> | void;

/** What a step can do wrong. `late` fails after it has said that it is done. */
const ABUSES: Readonly<Record<string, Step>> = {
  never: () => {},
  twice: async (_ctx, next) => {
    await next();
    await next();
  },
  'twice at once': async (_ctx, next) => {
    await Promise.all([next(), next()]);
  },
  'not awaited': (_ctx, next) => {
    void next();
  },
  throws: () => {
    throw new Error('thrown at once');
  },
  rejects: async () => {
    await Promise.resolve();
    throw new Error('thrown later');
  },
  'throws afterwards': async (_ctx, next) => {
    await next();
    throw new Error('thrown afterwards');
  },
  'throws nothing': () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what people do
    throw undefined;
  },
};

const NAMES = Object.keys(ABUSES);

/** A step that treats each message as its header asks, in one direction. */
function abuser(direction: 'send' | 'receive', stage: 'body' | 'payload' = 'body'): Middleware {
  const run: Step = (ctx, next) => {
    const abuse = ABUSES[ctx.headers.getText('x-abuse') ?? ''];
    return abuse === undefined ? next() : abuse(ctx, next);
  };
  return { name: 'abuser', stage, [direction]: run };
}

/** Sends good messages and, between them, one of each abuse; answers what became of each kind of call. */
async function mixed(
  send: (name: string, headers: Record<string, string>) => Promise<unknown>,
): Promise<Record<string, Set<string>>> {
  const outcomes: Record<string, Set<string>> = {};
  const kinds = ['good', ...NAMES];
  await bounded(
    inParallel(ROUNDS * kinds.length, kinds.length, async (index) => {
      const kind = kinds[index % kinds.length]!;
      const headers: Record<string, string> = kind === 'good' ? {} : { 'x-abuse': kind };
      let outcome = 'resolved';
      try {
        await send(`${kind} ${String(index)}`, headers);
      } catch (error) {
        outcome = error instanceof Error ? ((error as { code?: string }).code ?? error.message) : String(error);
      }
      (outcomes[kind] ??= new Set()).add(outcome);
    }),
    'every call to settle',
  );
  return outcomes;
}

/** What each abuse on the way out does to the call that meets it. */
const SENDING: Readonly<Record<string, Set<string>>> = {
  good: new Set(['resolved']),
  never: new Set(['MIDDLEWARE_MISUSE']),
  twice: new Set(['MIDDLEWARE_MISUSE']),
  'twice at once': new Set(['MIDDLEWARE_MISUSE']),
  'not awaited': new Set(['MIDDLEWARE_MISUSE']),
  throws: new Set(['thrown at once']),
  rejects: new Set(['thrown later']),
  'throws afterwards': new Set(['thrown afterwards']),
  'throws nothing': new Set(['undefined']),
};

/** Messages whose step never let them pass. */
const REFUSED = /^(never|throws|rejects|throws nothing) \d/;

/** The names of the good messages, which must all arrive whatever happens to the others. */
const good = (seen: readonly string[]): number => seen.filter((name) => name.startsWith('good ')).length;

async function assertNothingLeaked(...parties: readonly Party[]): Promise<void> {
  for (const { bus } of parties) {
    await until(() => bus.stats().in_flight_handlers === 0, 'no message to be worked on');
    await until(() => bus.stats().queued_messages === 0, 'no message to be queued');
    assert.deepEqual((await bounded(bus.close(), 'the bus to close')).undelivered, 0);
  }
}

test('abuse on the way out: the call is told, good messages between are sent, nothing is left in the queues', async (t) => {
  forbidUnhandledRejections(t);
  const seen = { publish: [] as string[], push: [] as string[], request: [] as string[] };
  const left = party(t, 'left', { endpoints: { publish: { bind: FREE } }, slowSubscribers: 'wait', ...TIGHT });
  left.bus.use(abuser('send'));
  await left.bus.ready();
  const right = party(t, 'right', {
    endpoints: {
      pull: { bind: FREE },
      respond: { bind: FREE },
      subscribe: { connect: [await addressOf(left.bus, 'publish')] },
    },
  });
  right.bus.subscribe('price', ({ body }) => void seen.publish.push(String(body)));
  right.bus.pull('>', ({ body }) => void seen.push.push(String(body)));
  right.bus.respond('state', ({ body }) => (seen.request.push(String(body)), body));
  const push = await addressOf(right.bus, 'pull');
  const request = await addressOf(right.bus, 'respond');
  left.bus.push('warm', 'up', { endpoint: push }).catch(() => {});
  await right.bus.ready();

  const published = await mixed((name, headers) => left.bus.publish('price', name, { headers }));
  // A publish that finds room is accepted at once: then nothing is left to wait for when next() is not awaited.
  const { 'not awaited': forgotten, ...others } = published;
  const { 'not awaited': misuse, ...expected } = SENDING;
  assert.deepEqual(others, expected);
  forgotten!.delete('resolved');
  assert.ok(forgotten!.size === 0 || [...forgotten!].join() === [...misuse!].join());
  assert.deepEqual(await mixed((name, headers) => left.bus.push('task', name, { headers, endpoint: push })), SENDING);
  assert.deepEqual(
    await mixed((name, headers) => left.bus.request('state', name, { headers, endpoint: request })),
    SENDING,
  );
  for (const [pattern, names] of Object.entries(seen)) {
    await until(
      () => good(names) === ROUNDS,
      () => `${String(ROUNDS)} good ones of ${pattern}, got ${String(good(names))}`,
    );
    assert.equal(new Set(names).size, names.length, 'nothing arrives twice');
    assert.ok(!names.some((name) => REFUSED.test(name)), 'what was refused was not sent');
  }
  await assertNothingLeaked(left, right);
});

test('abuse on the way in: each is counted and told, good messages between are handled, no limit leaks a place', async (t) => {
  forbidUnhandledRejections(t);
  const seen = { publish: [] as string[], push: [] as string[], request: [] as string[] };
  const left = party(t, 'left', {
    endpoints: { publish: { bind: FREE } },
    slowSubscribers: 'wait',
    publishTimeoutMs: 60_000,
  });
  await left.bus.ready();
  const right = party(t, 'right', {
    endpoints: {
      pull: { bind: FREE },
      respond: { bind: FREE },
      subscribe: { connect: [await addressOf(left.bus, 'publish')] },
    },
    ...TIGHT,
    hwmInbound: 50,
  });
  right.bus.use(abuser('receive'));
  const handle =
    (names: string[]) =>
    async ({ body }: { body: unknown }) => {
      await new Promise((resolve) => setImmediate(resolve));
      names.push(String(body));
      return body;
    };
  right.bus.subscribe('price', handle(seen.publish), { concurrency: 2, maxQueued: 2 });
  right.bus.pull('>', handle(seen.push), { concurrency: 2, maxQueued: 2 });
  right.bus.respond('state', handle(seen.request), { concurrency: 2 });
  const push = await addressOf(right.bus, 'pull');
  const request = await addressOf(right.bus, 'respond');
  left.bus.push('warm', 'up', { endpoint: push }).catch(() => {});
  await right.bus.ready();

  const resolved = Object.fromEntries(['good', ...NAMES].map((kind) => [kind, new Set(['resolved'])]));
  assert.deepEqual(await mixed((name, headers) => left.bus.publish('price', name, { headers })), resolved);
  assert.deepEqual(await mixed((name, headers) => left.bus.push('task', name, { headers, endpoint: push })), resolved);
  const asked = await mixed((name, headers) => left.bus.request('state', name, { headers, endpoint: request }));
  assert.deepEqual(asked['good'], new Set(['resolved']));
  for (const kind of ['never', 'throws', 'rejects', 'throws nothing']) {
    assert.ok(!asked[kind]!.has('resolved'), `${kind}: the caller is told at once`);
    assert.ok(!asked[kind]!.has('REQUEST_TIMEOUT'), `${kind}: the caller is told at once`);
  }
  for (const [pattern, names] of Object.entries(seen)) {
    await until(
      () => good(names) === ROUNDS,
      () => `${String(ROUNDS)} good ones of ${pattern}, got ${String(good(names))}`,
    );
    assert.equal(new Set(names).size, names.length, 'nothing is handled twice');
    assert.ok(!names.some((name) => REFUSED.test(name)), 'what was refused was not handled');
  }
  await until(() => right.bus.stats().in_flight_handlers === 0, 'no message to be worked on');
  const abused = ROUNDS * NAMES.length * Object.keys(seen).length;
  const { errors, inbound_dropped, messages_received } = right.bus.metrics();
  assert.equal(messages_received, abused + ROUNDS * Object.keys(seen).length + 1, 'and the warm-up');
  assert.deepEqual([errors, right.errors.length], [abused, abused], 'each is counted and told once');
  // Of those that called next() without waiting for it, and twice at once, the handler may not have begun when they were found out.
  const refused = (abused / NAMES.length) * 4;
  assert.ok(inbound_dropped >= refused && inbound_dropped <= (abused / NAMES.length) * 6, String(inbound_dropped));
  await assertNothingLeaked(left, right);
});
