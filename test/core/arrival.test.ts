import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrival } from '../../src/core/arrival.ts';
import { MessageHeaders } from '../../src/core/headers.ts';
import { ReceiveContext } from '../../src/core/receive-context.ts';
import { Route } from '../../src/core/routes.ts';

function scene(): { log: string[]; arrive: (name: string) => { ctx: ReceiveContext; arrival: Arrival } } {
  const log: string[] = [];
  const route = new Route('a', () => ({ operation: 'pull', destination: 'a', errorType: undefined, value: 0 }));
  const run = (ctx: ReceiveContext): undefined => void log.push(ctx.endpoint);
  const arrive = (name: string): { ctx: ReceiveContext; arrival: Arrival } => ({
    ctx: new ReceiveContext({
      pattern: 'push',
      kind: 'message',
      topic: 'a',
      headers: MessageHeaders.from({}),
      payload: Buffer.alloc(0),
      endpoint: name,
      epoch: 1,
      sequence: 1,
      sentAtUs: 0,
      receivedAt: 0,
    }),
    arrival: new Arrival({ run }, route, 0),
  });
  return { log, arrive };
}

test('messages of a topic reach their handlers in the order in which they came', async () => {
  const { log, arrive } = scene();
  const [first, second] = [arrive('first'), arrive('second')];
  const later = second.arrival.deliver(second.ctx);
  assert.deepEqual(log, []);
  assert.equal(first.arrival.deliver(first.ctx), undefined);
  await later;
  assert.deepEqual(log, ['first', 'second']);
});

test('one whose chain has ended meanwhile reaches no handler, and holds up nobody', () => {
  const { log, arrive } = scene();
  const [first, second] = [arrive('first'), arrive('second')];
  first.ctx.settled = true;
  assert.equal(first.arrival.deliver(first.ctx), undefined);
  void second.arrival.deliver(second.ctx);
  assert.deepEqual(log, ['second']);
});

test('one that the closing bus has given up reaches no handler: CLOSED', () => {
  const { log, arrive } = scene();
  const { ctx, arrival } = arrive('first');
  ctx.cancel(new Error('the bus is closing'));
  assert.throws(() => arrival.deliver(ctx), { code: 'CLOSED' });
  assert.deepEqual(log, []);
});
