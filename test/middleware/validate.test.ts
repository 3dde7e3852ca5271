import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { BusError } from '../../src/core/errors.ts';
import type { Middleware } from '../../src/core/middleware.ts';
import type { ReceiveContext } from '../../src/core/receive-context.ts';
import type { SendContext } from '../../src/core/send-context.ts';
import type { StandardSchema } from '../../src/middleware/standard-schema.ts';
import { serialize } from '../../src/middleware/serialize.ts';
import { validate } from '../../src/middleware/validate.ts';
import { memory } from '../../src/transports/memory.ts';
import { done, receiveContext, sendContext } from './contexts.ts';
import { memoryBus, until } from './memory-bus.ts';

const tick = z.object({ symbol: z.string(), price: z.number().positive(), venue: z.string().default('NYSE') });

/** Runs the step for one message and answers the body that the next step sees, or the code and message of the error. */
async function run(middleware: Middleware, ctx: SendContext | ReceiveContext): Promise<unknown> {
  const seen: unknown[] = [];
  const next = async (): Promise<void> => {
    seen.push(ctx.body);
  };
  try {
    if (ctx.direction === 'send') await (middleware.send ?? ((_, go) => go()))(ctx, next);
    else await (middleware.receive ?? ((_, go) => go()))(ctx, next);
  } catch (error) {
    assert.ok(error instanceof BusError, String(error));
    assert.deepEqual(seen, []);
    return error.message;
  }
  assert.equal(seen.length, 1);
  return seen[0];
}

test('the next step sees what the schema made of the body, in both directions', async () => {
  const middleware = validate({ 'price.*': tick });
  const body = Object.freeze({ symbol: 'A', price: 1, unknown: true });
  const made = { symbol: 'A', price: 1, venue: 'NYSE' };
  assert.deepEqual(await run(middleware, sendContext({ body })), made);
  assert.deepEqual(await run(middleware, receiveContext({ body })), made);
});

test('a body that does not fit is VALIDATION_FAILED with each path, and the issues as cause', async () => {
  const ctx = sendContext({ body: { symbol: 1, price: -1 } });
  assert.throws(
    () => validate({ 'price.*': tick }).send?.(ctx, done),
    (error: unknown) => {
      assert.ok(error instanceof BusError);
      assert.equal(error.code, 'VALIDATION_FAILED');
      assert.equal(error.retryable, false);
      assert.match(error.message, /symbol: .*; price: .*\(topic "price.tick"\)/);
      assert.equal((error.cause as unknown[]).length, 2);
      return true;
    },
  );
  assert.deepEqual(ctx.body, { symbol: 1, price: -1 });
});

test('direction chooses the side', async () => {
  const body = 'wrong';
  const outcomes: unknown[] = [];
  for (const direction of ['send', 'receive', 'both'] as const) {
    const middleware = validate({ '>': z.number() }, { direction });
    const out = await run(middleware, sendContext({ body }));
    const into = await run(middleware, receiveContext({ body }));
    outcomes.push([direction, out !== body, into !== body]);
  }
  assert.deepEqual(outcomes, [
    ['send', true, false],
    ['receive', false, true],
    ['both', true, true],
  ]);
});

test('topics without a schema pass', async () => {
  const middleware = validate({ 'price.*': z.number() });
  for (const topic of ['price', 'price.tick.btc', 'volume.tick']) {
    assert.equal(await run(middleware, sendContext({ topic, body: 'x' })), 'x');
  }
});

test('the first pattern that matches, in the order written, is the only one', async () => {
  const special = { 'price.tick': z.literal('special'), 'price.>': z.literal('general') };
  const general = { 'price.>': z.literal('general'), 'price.tick': z.literal('special') };
  assert.equal(await run(validate(special), sendContext({ body: 'special' })), 'special');
  assert.equal(await run(validate(special), sendContext({ topic: 'price.other', body: 'general' })), 'general');
  assert.match(String(await run(validate(general), sendContext({ body: 'special' }))), /VALIDATION_FAILED/);
});

test('request and reply have schemas of their own', async () => {
  const middleware = validate({ 'state.get': { request: z.literal('ask'), reply: z.literal('answer') } });
  const outcomes: string[] = [];
  for (const pattern of ['request', 'reply'] as const) {
    for (const body of ['ask', 'answer']) {
      for (const make of [sendContext, receiveContext]) {
        const outcome = String(await run(middleware, make({ pattern, topic: 'state.get', body })));
        outcomes.push(`${pattern} ${body} ${outcome.slice(0, 17)}`);
      }
    }
  }
  assert.deepEqual(outcomes, [
    'request ask ask',
    'request ask ask',
    'request answer VALIDATION_FAILED',
    'request answer VALIDATION_FAILED',
    'reply ask VALIDATION_FAILED',
    'reply ask VALIDATION_FAILED',
    'reply answer answer',
    'reply answer answer',
  ]);
});

test('a single schema, and a missing half, leave replies or requests alone', async () => {
  const reply = { pattern: 'reply', topic: 'state.get', body: 'x' } as const;
  const request = { pattern: 'request', topic: 'state.get', body: 'x' } as const;
  assert.equal(await run(validate({ 'state.get': z.number() }), sendContext(reply)), 'x');
  assert.equal(await run(validate({ 'state.get': { request: z.number() } }), sendContext(reply)), 'x');
  assert.equal(await run(validate({ 'state.get': { reply: z.number() } }), sendContext(request)), 'x');
  assert.match(String(await run(validate({ 'state.get': { reply: z.number() } }), sendContext(reply))), /VALIDATION/);
});

test('error replies are not checked', async () => {
  const middleware = validate({ '>': { request: z.number(), reply: z.number() } });
  assert.equal(await run(middleware, receiveContext({ pattern: 'reply', kind: 'error', body: 'x' })), 'x');
  assert.equal(await run(middleware, sendContext({ pattern: 'reply', kind: 'error', body: 'x' })), 'x');
});

test('a schema may be asynchronous', async () => {
  const middleware = validate({ '>': z.string().refine(async (text) => text.length > 1, 'too short') });
  assert.equal(await run(middleware, sendContext({ body: 'ab' })), 'ab');
  assert.match(String(await run(middleware, sendContext({ body: 'a' }))), /VALIDATION_FAILED: .*too short/);
});

test('a schema that throws or rejects is VALIDATION_FAILED too', async () => {
  const schema = (check: () => never | Promise<never>): StandardSchema => ({
    '~standard': { version: 1, vendor: 'test', validate: check },
  });
  const throwing = schema(() => {
    throw new Error('broken');
  });
  const rejecting = schema(() => Promise.reject(new Error('broken')));
  for (const one of [throwing, rejecting]) {
    assert.match(
      String(await run(validate({ '>': one }), receiveContext())),
      /VALIDATION_FAILED: the schema itself failed: broken/,
    );
  }
});

test('an error of the next step is not taken for one of the schema', async () => {
  const later = new Error('later');
  const middleware = validate({ '>': z.string().refine(async () => true) });
  await assert.rejects(
    async () => middleware.send?.(sendContext({ body: 'x' }), () => Promise.reject(later)),
    (error: unknown) => error === later,
  );
});

test('wrong options are refused at once', () => {
  assert.throws(() => validate({}, { direction: 'in' as 'both' }), /TypeError: Expected `direction` to be/);
  for (const wrong of [undefined, {}, { request: 1 }, { request: tick, response: tick }, 'tick']) {
    assert.throws(
      () => validate({ 'a.b': wrong as never }),
      /TypeError: Expected the schema for "a.b" to be a Standard/,
    );
  }
  assert.throws(() => validate({ 'a..b': tick }), /INVALID_TOPIC/);
});

test('on a bus, wrong bodies reject at the caller and never reach a handler', async () => {
  const schemas = { event: z.number(), call: { request: z.number(), reply: z.number() } };
  const { bus } = memoryBus([validate(schemas), serialize()]);
  const handled: unknown[] = [];
  bus.subscribe('event', ({ body }) => handled.push(body));
  bus.respond('call', ({ body }) => (body === 1 ? 1 : 'wrong'));
  await bus.ready();
  const wrong = { code: 'VALIDATION_FAILED' };
  await assert.rejects(bus.publish('event', 'x'), wrong);
  await assert.rejects(bus.request('call', 'x'), wrong);
  await assert.rejects(bus.request('call', 2), { code: 'HANDLER_FAILED', remoteCode: 'VALIDATION_FAILED' });
  assert.equal(await bus.request('call', 1), 1);
  await bus.publish('event', 5);
  await until(() => handled.length === 1);
  assert.deepEqual(handled, [5]);
  await bus.close();
});

test('on a bus, what a sender without schemas sends is dropped on arrival', async () => {
  const transport = memory();
  const { bus, errors } = memoryBus([validate({ task: z.number() }), serialize()], { transport });
  const careless = memoryBus([serialize()], { transport, publish: false });
  const handled: unknown[] = [];
  bus.pull('task', ({ body }) => handled.push(body));
  for (const body of ['x', 1]) await careless.bus.push('task', body);
  await until(() => handled.length === 1);
  assert.deepEqual([handled, errors, bus.metrics().inbound_dropped], [[1], ['VALIDATION_FAILED'], 1]);
  await careless.bus.close();
  await bus.close();
});
